//! Why a runner does not start, or cannot go on.

use std::path::PathBuf;

use ostler_process::limits;

/// Why a runner does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Two apps have one name.
    #[error("there are two apps named {app}; rename one")]
    AppTwice {
        /// The name.
        app: String,
    },
    /// An app asks for fewer children at most than at least, or for none.
    #[error(
        "app {app} asks for {min} to {max} children; the maximum must be at least 1 and not below the minimum"
    )]
    Children {
        /// The app.
        app: String,
        /// Its minimum.
        min: u32,
        /// Its maximum.
        max: u32,
    },
    /// An app's folder cannot be used.
    #[error("app {app}: its folder {} {why}", root.display())]
    Root {
        /// The app.
        app: String,
        /// The folder.
        root: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// There is no interpreter.
    #[error("app {app}: {why}; {cure}")]
    Interpreter {
        /// The app.
        app: String,
        /// Of which language, and where it was looked for.
        why: String,
        /// What to do.
        cure: String,
    },
    /// An app's user is unknown, or cannot be become.
    #[error("app {app}: cannot run as {user}: {why}")]
    User {
        /// The app.
        app: String,
        /// The user.
        user: String,
        /// Why not.
        why: &'static str,
    },
    /// A resource limit has no such name.
    #[error("app {app}: there is no resource limit {name}; known are {}", limits::KNOWN)]
    Rlimit {
        /// The app.
        app: String,
        /// The name.
        name: String,
    },
    /// The join token is no token.
    #[error("the join token is not usable: {why}; make one with `ostler token join`")]
    Token {
        /// What is wrong with it.
        why: String,
    },
    /// The gateway does not take this runner.
    #[error("the gateway refuses this runner: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
    /// The state folder cannot be used.
    #[error("the state folder {} cannot be used: {error}", folder.display())]
    State {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The system refuses something that every runner needs.
    #[error("cannot {what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
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
            | Self::Interpreter { .. }
            | Self::User { .. }
            | Self::Refused { .. }
            | Self::State { .. }
            | Self::System { .. } => 69,
        }
    }
}
