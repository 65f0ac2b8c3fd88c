//! Which interpreter an app gets, and whether it knows a module.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ostler_runner::AppSpec;

/// An interpreter as the config names it: a path, or a name that the path has.
pub(crate) fn named(text: &str, folder: &Path) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("\"\" is not an interpreter".to_owned());
    }
    if !text.contains('/') {
        return of_path(text).ok_or_else(|| format!("{text:?} is nowhere in $PATH"));
    }
    let file = folder.join(text);
    if file.is_dir() {
        return Err(format!("{text:?} is a folder; write {text}/bin/python"));
    }
    if file.is_file() { Ok(file) } else { Err(format!("there is no {}", file.display())) }
}

/// The interpreter of an app: its own, a virtual environment in its root, `$VIRTUAL_ENV`, `python3`.
pub(crate) fn find(app: &AppSpec) -> Result<PathBuf, String> {
    if let Some(python) = &app.python {
        return Ok(python.clone());
    }
    let venvs = [app.root.join(".venv"), app.root.join("venv")];
    let active = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let mut homes = venvs.into_iter().chain(active).map(|home| home.join("bin/python"));
    homes
        .find(|python| python.is_file())
        .or_else(|| of_path("python3"))
        .ok_or_else(|| "there is no python3 in $PATH, nor a virtual environment".to_owned())
}

fn of_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether the interpreter knows a top-level module. Asks it to look, not to import.
pub(crate) fn can_import(python: &Path, app: &AppSpec, module: &str) -> bool {
    let code = "import importlib.util, sys; \
                sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    let status = Command::new(python)
        .args(["-c", code, module])
        .current_dir(&app.root)
        .envs(&app.env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
