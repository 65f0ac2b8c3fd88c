//! Python: WSGI apps, served by the child in `children/python/`.

mod detect;
mod entry;
mod resolve;

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{About, App, Form, Launch, Look, Missing, NotYet, Runtime, Serve, files, programs};

/// The language.
#[derive(Debug)]
pub(super) struct Python;

static ABOUT: About = About {
    name: "python",
    title: "Python",
    program: "bin/python",
    forms: &[Form {
        kind: "wsgi",
        written: "wsgi:module:callable",
        example: "wsgi:shop.wsgi:application",
    }],
    folders: &["a Django project", "wsgi.py", "app.py", "main.py"],
    looked_for: "a Django project (manage.py), wsgi.py (application, \
                 app), app.py and main.py (app, application, create_app())",
};

/// Whose files are looked at while an app fails.
const CODE: files::SourceFilter = files::SourceFilter {
    is_source: |name| name.ends_with(".py"),
    is_foreign: |path, name| name == "__pycache__" || path.join("pyvenv.cfg").exists(),
};

impl Runtime for Python {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn read(&self, form: &Form, rest: &str) -> Result<(), String> {
        entry::check(rest, &form.right())
    }

    fn of_file(&self, name: &Path) -> Option<String> {
        let module = name.file_stem().filter(|_| name.extension().is_some_and(|it| it == "py"))?;
        Some(format!("wsgi:{}", module.display()))
    }

    fn detect(&self, folder: &Path) -> Result<Serve, Vec<String>> {
        detect::detect(folder)
    }

    fn find(&self, app: App<'_>) -> Result<PathBuf, Missing> {
        programs::find(app, || usual(app.root)).map_err(|looked_for| Missing {
            sentence: "there is no python3 in $PATH, nor a virtual environment".to_owned(),
            looked_for,
            may_come: false,
        })
    }

    fn resolve(&self, app: App<'_>, interpreter: &Path) -> Result<Serve, String> {
        resolve::resolve(app, interpreter)
    }

    fn launch(&self, _: App<'_>, interpreter: &Path, code: &str) -> Result<Launch, NotYet> {
        Ok(Launch {
            // Python runs the `__main__.py` of a folder.
            argv: vec![interpreter.to_string_lossy().into_owned(), code.to_owned()],
            env: [("PYTHONUNBUFFERED".to_owned(), "1".to_owned())].into(),
        })
    }

    fn watch(&self, root: &Path) -> Look {
        files::look(root, CODE)
    }
}

/// The app's own interpreter, or the caller's, or the host's.
fn usual(root: &Path) -> Vec<PathBuf> {
    let mut places = vec![root.join(".venv/bin/python"), root.join("venv/bin/python")];
    places.extend(env::var_os("VIRTUAL_ENV").map(|v| PathBuf::from(v).join("bin/python")));
    places.extend(programs::on_path("python3"));
    places
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_file_is_seen_and_a_virtual_environment_is_not() {
        let look = |root: &tempfile::TempDir| Python.watch(root.path());
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("app.py"), "x = 1").unwrap();
        let before = look(&root);
        assert_eq!(look(&root), before);
        fs::create_dir(root.path().join("venv")).unwrap();
        fs::write(root.path().join("venv/pyvenv.cfg"), "").unwrap();
        fs::write(root.path().join("venv/other.py"), "").unwrap();
        assert_eq!(look(&root), before);
        fs::write(root.path().join("app.py"), "x = 12").unwrap();
        assert_ne!(look(&root).fingerprint, before.fingerprint);
    }
}
