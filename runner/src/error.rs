//! Why a runner does not start, or cannot go on.

use std::{fmt, path::PathBuf};

use ostler_process::limits;

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
