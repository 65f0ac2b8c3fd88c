//! Whether an app is there, and what is left open of its name. Nothing is imported here.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{
    detect,
    entry::{self, Entry},
};
use crate::runtime::{App, Serve};

/// Fills in the callable and checks that the module can be found; one sentence when it cannot.
pub(super) fn resolve(app: App<'_>, interpreter: &Path) -> Result<Serve, String> {
    let Entry { module, callable } = Entry::of(app.serve);
    let file = detect::file_of(app.root, module);
    let first = module.split('.').next().unwrap_or(module);
    let here = detect::exists(app.root, first);
    let there = match (&file, here) {
        (Some(_), _) => true,
        (None, true) => detect::exists(app.root, module),
        (None, false) => can_import(interpreter, app, first),
    };
    if !there {
        return Err(not_there(app, here));
    }
    if !callable.is_empty() {
        return Ok(app.serve.clone());
    }
    let callable = open_callable(app.root, module, file.as_deref())?;
    Ok(entry::serve(module, &callable))
}

fn open_callable(root: &Path, module: &str, file: Option<&Path>) -> Result<String, String> {
    let Some(file) = file else { return Ok("application".to_owned()) };
    detect::callable(file, &["application", "app"]).ok_or_else(|| {
        let file = file.strip_prefix(root).unwrap_or(file).display();
        format!("{file} has neither application nor app; name the callable: wsgi:{module}:NAME")
    })
}

fn not_there(app: App<'_>, here: bool) -> String {
    let Entry { module, .. } = Entry::of(app.serve);
    let path = module.replace('.', "/");
    let root = app.root.display();
    let more = if here { "" } else { ", nor is it installed for its Python" };
    format!("there is no module {module}: neither {path}.py nor {path}/__init__.py in {root}{more}")
}

/// Whether the interpreter knows a top-level module. Asks it to look, not to import.
fn can_import(python: &Path, app: App<'_>, module: &str) -> bool {
    let code = "import importlib.util, sys; \
                sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    let status = Command::new(python)
        .args(["-c", code, module])
        .current_dir(app.root)
        .envs(app.env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
