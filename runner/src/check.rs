//! What can be known to be wrong before anything starts.

use std::collections::BTreeSet;

use nix::unistd::{User, geteuid};
use ostler_process::limits;

use crate::{
    config::{AppSpec, Config},
    error::RunError,
    runtime::NotYet,
};

/// Checks every app.
pub(crate) fn check(config: &Config) -> Result<(), RunError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = config.apps.iter().find(|app| !names.insert(&app.name)) {
        return Err(RunError::AppTwice { app: twice.name.clone() });
    }
    config.apps.iter().try_for_each(check_app)
}

fn check_app(spec: &AppSpec) -> Result<(), RunError> {
    let app = spec.name.clone();
    let (min, max) = (spec.children_min, spec.children_max);
    if max == 0 || min > max {
        return Err(RunError::Children { app, min, max });
    }
    if let Some(name) = spec.rlimits.keys().find(|name| limits::resource(name).is_none()) {
        return Err(RunError::Rlimit { app, name: name.clone() });
    }
    let bad_root = |why| RunError::Root { app: app.clone(), root: spec.root.clone(), why };
    match std::fs::metadata(&spec.root) {
        Ok(data) if data.is_dir() => {}
        Ok(_) => return Err(bad_root("is not a folder")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(bad_root("does not exist"));
        }
        Err(_) => return Err(bad_root("cannot be looked at")),
    }
    check_user(spec)?;
    check_interpreter(spec)
}

/// One that may still come is waited for, see [`crate::runtime::Missing`].
fn check_interpreter(spec: &AppSpec) -> Result<(), RunError> {
    match spec.app().find() {
        Err(missing) if !missing.may_come => {
            let NotYet { message: why, hint: cure } = missing.told(spec.app());
            Err(RunError::Interpreter { app: spec.name.clone(), why, cure })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Only the certain: whether the launch can really become the user shows when it does.
fn check_user(spec: &AppSpec) -> Result<(), RunError> {
    let Some(user) = &spec.user else { return Ok(()) };
    let error = |why| RunError::User { app: spec.name.clone(), user: user.clone(), why };
    match User::from_name(user) {
        Ok(None) => Err(error("there is no such user on this host")),
        Ok(Some(found)) if found.uid != geteuid() && !geteuid().is_root() => {
            Err(error("only root may run children as another user"))
        }
        Ok(Some(_)) | Err(_) => Ok(()),
    }
}
