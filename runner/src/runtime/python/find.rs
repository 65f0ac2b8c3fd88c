//! Where an app's Python is.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::config::AppSpec;

/// The interpreter that was asked for, or the app's own, or the caller's, or the host's.
pub(crate) fn find_python(spec: &AppSpec) -> Result<PathBuf, Vec<PathBuf>> {
    let mut places: Vec<PathBuf> = Vec::new();
    match &spec.python {
        Some(python) if python.components().count() > 1 => places.push(spec.root.join(python)),
        Some(python) => places.extend(on_path(python)),
        None => {
            places.push(spec.root.join(".venv/bin/python"));
            places.push(spec.root.join("venv/bin/python"));
            places.extend(env::var_os("VIRTUAL_ENV").map(|v| PathBuf::from(v).join("bin/python")));
            places.extend(on_path(Path::new("python3")));
        }
    }
    if let Some(found) = places.iter().find(|place| is_executable(place)) {
        return Ok(std::path::absolute(found).unwrap_or_else(|_| found.clone()));
    }
    Err(places)
}

fn on_path(program: &Path) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&path).map(|folder| folder.join(program)).collect()
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
