//! Whether an app is there, and what is left open of its name. Nothing is imported here.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::detect;
use crate::config::{AppSpec, Serve};

/// Fills in the callable and checks that the module can be found; one sentence when it cannot.
pub(super) fn resolve(app: &mut AppSpec, interpreter: &Path) -> Result<(), String> {
    let Serve::Wsgi { module, callable } = app.serve.clone();
    let file = detect::file_of(&app.root, &module);
    let first = module.split('.').next().unwrap_or(&module);
    let here = detect::exists(&app.root, first);
    let there = match (&file, here) {
        (Some(_), _) => true,
        (None, true) => detect::exists(&app.root, &module),
        (None, false) => can_import(interpreter, app, first),
    };
    if !there {
        return Err(not_there(app, here));
    }
    if callable.is_empty() {
        let callable = open_callable(&app.root, &module, file.as_deref())?;
        app.serve = Serve::Wsgi { module, callable };
    }
    Ok(())
}

fn open_callable(root: &Path, module: &str, file: Option<&Path>) -> Result<String, String> {
    let Some(file) = file else { return Ok("application".to_owned()) };
    detect::callable(file, &["application", "app"]).ok_or_else(|| {
        let file = file.strip_prefix(root).unwrap_or(file).display();
        format!("{file} has neither application nor app; name the callable: wsgi:{module}:NAME")
    })
}

fn not_there(app: &AppSpec, here: bool) -> String {
    let Serve::Wsgi { module, .. } = &app.serve;
    let path = module.replace('.', "/");
    let root = app.root.display();
    let more = if here { "" } else { ", nor is it installed for its Python" };
    format!("there is no module {module}: neither {path}.py nor {path}/__init__.py in {root}{more}")
}

/// Whether the interpreter knows a top-level module. Asks it to look, not to import.
fn can_import(python: &Path, app: &AppSpec, module: &str) -> bool {
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
