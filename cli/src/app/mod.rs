//! Which app is meant, and whether it is there: told before anything opens.
//!
//! Nothing is imported here; a file that is there but does not load is told by the child that tries.

pub(crate) mod detect;
pub(crate) mod entry;
pub(crate) mod interpreter;
#[cfg(test)]
mod tests;

use ostler_runner::AppSpec;

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
    let interpreter = match app.app().find() {
        Err(missing) if missing.may_come => return Ok(()),
        Ok(_) | Err(_) => interpreter::find(app)?,
    };
    app.serve = app.app().resolve(&interpreter)?;
    Ok(())
}
