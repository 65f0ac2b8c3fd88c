//! Why a command could not be executed: the command's own fault, or the host's state at this moment.

use std::{fs::File, io::Read};

use nix::errno::Errno;

/// Tells the pipe that the host is to blame; no reason begins with it.
const NO_ROOM: &str = "\0";

/// Why there was no exec.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The command, or what it asks for, cannot be had here. What is wrong, and what helps.
    Cannot(String),
    /// The host has no process, memory or descriptor left: nothing is wrong with the command.
    NoRoom,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Cannot(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::Cannot(why.to_owned())
    }
}

impl Failure {
    /// A failed call: what the host lacks is no fault of the command, all else is what `why` says.
    pub(super) fn of(error: Errno, why: impl FnOnce() -> String) -> Self {
        if matches!(error, Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) {
            return Self::NoRoom;
        }
        Self::Cannot(why())
    }

    /// As it travels.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Cannot(why) => why,
            Self::NoRoom => NO_ROOM,
        }
    }

    /// What came through the pipe; `None` when the command was executed.
    pub(super) fn receive(pipe: &mut File) -> Option<Self> {
        let mut why = String::new();
        // What cannot be read is no reason, and the exit status tells the rest.
        let _ = pipe.read_to_string(&mut why);
        match why.as_str() {
            "" => None,
            NO_ROOM => Some(Self::NoRoom),
            _ => Some(Self::Cannot(why)),
        }
    }
}
