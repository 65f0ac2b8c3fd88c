//! Looks whether an app that fails was changed, so that it is tried again at once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{hash::fnv, runtime::Look};

/// Files looked at, at most: a look is made each second while an app fails.
const FILES_MAX: usize = 2000;
/// Folders entered, at most.
const FOLDERS_MAX: usize = 1000;

/// Looks at the Python files under `root`.
pub(crate) fn look(root: &Path) -> Look {
    let now = SystemTime::now();
    let mut folders = vec![root.to_path_buf()];
    let (mut entered, mut files, mut newest) = (0, 0, None);
    let mut fingerprint = 0_u64;
    while let Some(folder) = folders.pop() {
        entered += 1;
        for (path, changed, size) in python_files(&folder, &mut folders) {
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

/// The Python files of one folder; folders in it that may hold the app's code are added to `folders`.
fn python_files(folder: &Path, folders: &mut Vec<PathBuf>) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut found = Vec::new();
    // A folder that cannot be read has nothing to tell.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            let is_code = !name.starts_with('.') && name != "__pycache__" && name != "node_modules";
            if is_code && !path.join("pyvenv.cfg").exists() {
                folders.push(path);
            }
        } else if name.ends_with(".py")
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
    use super::*;

    #[test]
    fn a_changed_file_is_seen_and_a_virtual_environment_is_not() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("app.py"), "x = 1").unwrap();
        let before = look(root.path());
        assert_eq!(look(root.path()), before);
        fs::create_dir(root.path().join("venv")).unwrap();
        fs::write(root.path().join("venv/pyvenv.cfg"), "").unwrap();
        fs::write(root.path().join("venv/other.py"), "").unwrap();
        assert_eq!(look(root.path()), before);
        fs::write(root.path().join("app.py"), "x = 12").unwrap();
        assert_ne!(look(root.path()).fingerprint, before.fingerprint);
    }
}
