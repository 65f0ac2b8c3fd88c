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
