//! What can be known to be wrong before anything starts.

use std::{
    collections::BTreeSet,
    env, fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::unistd::{User, geteuid};

use ostler_process::limits;

use crate::{AppSpec, Config};

/// Why a runner does not start, or cannot go on.
#[derive(Debug)]
pub enum RunError {
    /// Two apps have one name.
    AppTwice {
        /// The name.
        app: String,
    },
    /// An app asks for fewer children at most than at least, or for none.
    Children {
        /// The app.
        app: String,
        /// Its minimum.
        min: u32,
        /// Its maximum.
        max: u32,
    },
    /// An app's folder cannot be used.
    Root {
        /// The app.
        app: String,
        /// The folder.
        root: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// There is no interpreter.
    Python {
        /// The app.
        app: String,
        /// Where it was looked for.
        looked: String,
    },
    /// An app's user is unknown, or cannot be become.
    User {
        /// The app.
        app: String,
        /// The user.
        user: String,
        /// Why not.
        why: &'static str,
    },
    /// A resource limit has no such name.
    Rlimit {
        /// The app.
        app: String,
        /// The name.
        name: String,
    },
    /// The join token is no token.
    Token {
        /// What is wrong with it.
        why: String,
    },
    /// The gateway does not take this runner.
    Refused {
        /// What it said.
        why: String,
    },
    /// The state folder cannot be used.
    State {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The system refuses something that every runner needs.
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
}

impl RunError {
    /// The exit status that says it: 64 for what the configuration can mend, 69 for what the host or gateway must.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AppTwice { .. }
            | Self::Children { .. }
            | Self::Rlimit { .. }
            | Self::Token { .. } => 64,
            Self::Root { .. }
            | Self::Python { .. }
            | Self::User { .. }
            | Self::Refused { .. }
            | Self::State { .. }
            | Self::System { .. } => 69,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppTwice { app } => write!(f, "there are two apps named {app}; rename one"),
            Self::Children { app, min, max } => write!(
                f,
                "app {app} asks for {min} to {max} children; the maximum must be at least 1 and not below the minimum"
            ),
            Self::Root { app, root, why } => {
                write!(f, "app {app}: its folder {} {why}", root.display())
            }
            Self::Python { app, looked } => {
                write!(
                    f,
                    "app {app}: no Python found, looked for {looked}; install it or set `python`"
                )
            }
            Self::User { app, user, why } => write!(f, "app {app}: cannot run as {user}: {why}"),
            Self::Rlimit { app, name } => write!(
                f,
                "app {app}: there is no resource limit {name}; known are {}",
                limits::KNOWN
            ),
            Self::Token { why } => {
                write!(f, "the join token is not usable: {why}; make one with `ostler token join`")
            }
            Self::Refused { why } => write!(f, "the gateway refuses this runner: {why}"),
            Self::State { folder, error } => {
                write!(f, "the state folder {} cannot be used: {error}", folder.display())
            }
            Self::System { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State { error, .. } | Self::System { error, .. } => Some(error),
            Self::AppTwice { .. }
            | Self::Children { .. }
            | Self::Root { .. }
            | Self::Python { .. }
            | Self::User { .. }
            | Self::Rlimit { .. }
            | Self::Token { .. }
            | Self::Refused { .. } => None,
        }
    }
}

/// Checks every app. Returns their interpreters, in order.
pub(crate) fn check(config: &Config) -> Result<Vec<PathBuf>, RunError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = config.apps.iter().find(|app| !names.insert(&app.name)) {
        return Err(RunError::AppTwice { app: twice.name.clone() });
    }
    config.apps.iter().map(check_app).collect()
}

fn check_app(spec: &AppSpec) -> Result<PathBuf, RunError> {
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
    find_python(spec)
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

/// The interpreter that was asked for, or the app's own, or the caller's, or the host's.
fn find_python(spec: &AppSpec) -> Result<PathBuf, RunError> {
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
    let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    Err(RunError::Python { app: spec.name.clone(), looked: looked.join(", ") })
}

fn on_path(program: &Path) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&path).map(|folder| folder.join(program)).collect()
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
