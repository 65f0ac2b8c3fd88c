//! Which app is meant, and whether it is there: told before anything opens.
//!
//! Nothing is imported here; a file that is there but does not load is told by the child that tries.

pub(crate) mod detect;
pub(crate) mod entry;
pub(crate) mod python;
#[cfg(test)]
mod tests;

use std::path::Path;

use ostler_runner::{AppSpec, Serve};

/// Fills in what was left open and checks that each app can be found; one sentence for each that cannot.
pub(crate) fn resolve(apps: &mut [AppSpec]) -> Result<(), Vec<String>> {
    let mut missing = Vec::new();
    for app in apps {
        if let Err(sentence) = resolve_one(app) {
            missing.push(format!("app {:?}: {sentence}", app.name));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

fn resolve_one(app: &mut AppSpec) -> Result<(), String> {
    app.root = std::path::absolute(&app.root)
        .map_err(|error| format!("cannot tell the folder {}: {error}", app.root.display()))?;
    if !app.root.is_dir() {
        return Err(format!("there is no folder {}", app.root.display()));
    }
    let python = python::find(app)?;
    let Serve::Wsgi { module, callable } = app.serve.clone();
    let file = detect::file_of(&app.root, &module);
    let first = module.split('.').next().unwrap_or(&module);
    let here = detect::exists(&app.root, first);
    let there = match (&file, here) {
        (Some(_), _) => true,
        (None, true) => detect::exists(&app.root, &module),
        (None, false) => python::can_import(&python, app, first),
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
