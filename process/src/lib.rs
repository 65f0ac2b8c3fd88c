//! What the runner and the shell module both need of processes on Linux: descriptors over sockets, users, limits, signals,
//! pidfds, `/proc`, and what `ostler launch` and `ostler launch job` have in common.
//!
//! It deliberately lacks threads, a runtime and any policy: who is started, asked to end or killed, and the words of an
//! error that people read, are its callers' to say. It is separate because neither of the two is above the other, and so
//! that the unsafe calls that both need lie in one place.
#![warn(missing_docs)]

pub mod fds;
pub mod identity;
pub mod launch;
pub mod limits;
pub mod pidfd;
pub mod proc;
pub mod signals;
pub mod tree;

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was sent.
    Yes,
    /// The process is gone, or its number means another one by now.
    Gone,
    /// It became another user's process.
    Refused,
}
