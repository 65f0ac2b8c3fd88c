//! Looks whether an app that fails was changed, so that it is tried again at once. Which files count is the language's to say.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::Look;
use crate::hash::fnv;

/// Files looked at, at most: a look is made each second while an app fails.
const FILES_MAX: usize = 2000;
/// Folders entered, at most.
const FOLDERS_MAX: usize = 1000;

/// Which files are an app's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFilter {
    /// Whether a file of this name is.
    pub(super) is_source: fn(&str) -> bool,
    /// Whether a folder, given with its name, has other people's code or none. Hidden ones and those of Node are never entered.
    pub(super) is_foreign: fn(&Path, &str) -> bool,
}

/// Looks at the files of an app under `root`.
pub(super) fn look(root: &Path, code: SourceFilter) -> Look {
    let now = SystemTime::now();
    let mut folders = vec![root.to_path_buf()];
    let (mut entered, mut files, mut newest) = (0, 0, None);
    let mut fingerprint = 0_u64;
    while let Some(folder) = folders.pop() {
        entered += 1;
        for (path, changed, size) in sources(&folder, code, &mut folders) {
            files += 1;
            if files > FILES_MAX || entered > FOLDERS_MAX {
                return Look { fingerprint, newest };
            }
            let nanos = changed.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
            let text = format!("{} {nanos} {size}", path.display());
            // A sum does not depend on the order in which the folder lists its files.
            fingerprint = fingerprint.wrapping_add(fnv([text.as_bytes()]));
            newest = newest.max(Some(changed).filter(|at| *at <= now));
        }
    }
    Look { fingerprint, newest }
}

/// The source files of one folder; folders in it that may hold the app's code are added to `folders`.
fn sources(
    folder: &Path,
    code: SourceFilter,
    folders: &mut Vec<PathBuf>,
) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut found = Vec::new();
    // A folder that cannot be read has nothing to tell.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            let is_hidden = name.starts_with('.') || name == "node_modules";
            if !is_hidden && !(code.is_foreign)(&path, &name) {
                folders.push(path);
            }
        } else if (code.is_source)(&name)
            // Not the entry's own data: an editor may keep the code behind a link.
            && let Ok(data) = fs::metadata(&path)
            && let Ok(changed) = data.modified()
        {
            found.push((path, changed, data.len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::*;

    thread_local! {
        /// Files whose names were asked about.
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    const CODE: SourceFilter = SourceFilter {
        is_source: |name| {
            ASKED.set(ASKED.get() + 1);
            name.ends_with(".x")
        },
        is_foreign: |_, name| name == "lib",
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn write(path: &Path, text: &str, changed: SystemTime) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
    }

    #[test]
    fn whatever_changes_in_an_apps_code_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, deep] = ["a.x", "b.x", "sub/c.x"].map(|name| folder.path().join(name));
        let mut seen = Vec::new();
        let mut changes = |what: &str| {
            let found = look(folder.path(), CODE).fingerprint;
            assert!(!seen.contains(&found), "{what}");
            seen.push(found);
        };
        changes("nothing is there");
        for file in [&a, &b, &deep] {
            write(file, "one", at(10));
            changes("it is new");
        }
        for file in [&a, &b, &deep] {
            write(file, "longer", at(10));
            changes("another size");
            write(file, "longer", at(11));
            changes("another time");
        }
        fs::rename(&a, folder.path().join("d.x")).unwrap();
        changes("another name");
        for other in [".git/a.x", "lib/a.x", "a.txt"] {
            write(&folder.path().join(other), "one", at(12));
        }
        let found = look(folder.path(), CODE);
        assert_eq!((Some(&found.fingerprint), found.newest), (seen.last(), Some(at(11))));
    }

    #[test]
    fn the_newest_change_is_none_that_is_still_to_come() {
        let folder = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        for (name, changed) in [("a.x", at(10)), ("b.x", SystemTime::now() + day), ("c.x", at(9))] {
            write(&folder.path().join(name), "", changed);
        }
        assert_eq!(look(folder.path(), CODE).newest, Some(at(10)));
    }

    #[test]
    fn a_look_ends_after_so_many_files_and_after_so_many_folders() {
        let asked = |root: &Path| {
            ASKED.set(0);
            look(root, CODE);
            ASKED.get()
        };
        let folder = tempfile::tempdir().unwrap();
        let [files, folders] = ["files", "folders"].map(|name| folder.path().join(name));
        write(&files.join("sub/a.x"), "", at(1));
        for n in 0..=FILES_MAX {
            fs::write(files.join(format!("{n}.x")), "").unwrap();
        }
        assert_eq!(asked(&files), FILES_MAX + 1);
        for n in 0..FOLDERS_MAX + 9 {
            let sub = folders.join(n.to_string());
            fs::create_dir_all(&sub).unwrap();
            fs::write(sub.join("a.x"), "").unwrap();
        }
        // The folder itself is one.
        assert_eq!(asked(&folders), FOLDERS_MAX);
    }
}
