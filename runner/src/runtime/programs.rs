//! Where an interpreter may be.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::App;

/// The interpreter that was asked for, or else the first that is at one of the usual places; where it was looked for, when
/// there is none.
pub(super) fn find(
    app: App<'_>,
    usual: impl FnOnce() -> Vec<PathBuf>,
) -> Result<PathBuf, Vec<PathBuf>> {
    let places = match app.interpreter {
        Some(asked) if asked.components().count() > 1 => vec![app.root.join(asked)],
        Some(asked) => on_path(asked),
        None => usual(),
    };
    if let Some(found) = places.iter().find(|place| is_executable(place)) {
        return Ok(std::path::absolute(found).unwrap_or_else(|_| found.clone()));
    }
    Err(places)
}

/// A program in each folder of the path.
pub(super) fn on_path(program: impl AsRef<Path>) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&path).map(|folder| folder.join(&program)).collect()
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
