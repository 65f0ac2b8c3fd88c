//! Names of a store's files, and when they are safe.

use std::path::{Path, PathBuf};

/// The path with something after its name.
pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A new name in a folder is safe when the folder is.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    ostler_private::sync(folder.unwrap_or_else(|| Path::new(".")))
}
