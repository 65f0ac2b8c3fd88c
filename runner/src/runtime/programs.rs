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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runtime::Serve;

    #[test]
    fn the_interpreter_is_the_one_asked_for_or_the_first_that_can_be_run() {
        let root = tempfile::tempdir().unwrap();
        let [text, program] = ["bin/text", "bin/program"].map(|name| root.path().join(name));
        fs::create_dir(root.path().join("bin")).unwrap();
        for (path, mode) in [(&text, 0o644), (&program, 0o755)] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let (serve, env) = (Serve::read("wsgi:m:app").unwrap(), [].into());
        let find = |interpreter: Option<&str>| {
            let interpreter = interpreter.map(Path::new);
            let app = App { serve: &serve, root: root.path(), interpreter, env: &env };
            find(app, || vec![root.path().join("bin"), text.clone(), program.clone()])
        };
        assert_eq!(find(None), Ok(program.clone()), "neither a folder nor a text");
        assert_eq!(find(Some("bin/program")), Ok(program.clone()), "from the app's folder");
        assert_eq!(find(Some("bin/text")), Err(vec![text.clone()]));
        assert_eq!(find(Some("sh")).unwrap().file_name().unwrap(), "sh");
        let no_such = find(Some("no-such-interpreter")).unwrap_err();
        assert!(!no_such.is_empty() && !no_such.contains(&root.path().join("no-such-interpreter")));
    }
}
