//! Which interpreter an app gets.

use std::{
    env,
    path::{Path, PathBuf},
};

use ostler_runner::{
    AppSpec,
    runtime::{About, Missing},
};

/// An interpreter as the config names it: a path, or a name that the path has.
pub(crate) fn named(text: &str, folder: &Path, language: &About) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("\"\" is not an interpreter".to_owned());
    }
    if !text.contains('/') {
        return of_path(text).ok_or_else(|| format!("{text:?} is nowhere in $PATH"));
    }
    let file = folder.join(text);
    if file.is_dir() {
        return Err(format!("{text:?} is a folder; write {text}/{}", language.program));
    }
    if file.is_file() { Ok(file) } else { Err(format!("there is no {}", file.display())) }
}

/// The interpreter of an app.
pub(crate) fn find(spec: &AppSpec) -> Result<PathBuf, String> {
    // One that was named and is of no use is told by the runner.
    let named = |missing: Missing| spec.interpreter.clone().ok_or(missing.sentence);
    spec.app().find().or_else(named)
}

fn of_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
