//! How processes end.

use std::fmt;

use nix::sys::signal::Signal;

/// The true reason why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It exited with this status.
    Status(i32),
    /// A signal killed it.
    Signal {
        /// Which one: a number, since the real-time ones have no names.
        signal: i32,
        /// Whether it left a core file.
        core: bool,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal { signal, core } => {
                match Signal::try_from(*signal) {
                    Ok(signal) => write!(f, "{signal}")?,
                    Err(_) => write!(f, "signal {signal}")?,
                }
                f.write_str(if *core { " (core dumped)" } else { "" })
            }
        }
    }
}
