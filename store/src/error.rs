//! What can go wrong with a store.

use std::fmt;

/// An error with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What kind of thing went wrong, for whoever decides what to do next.
    pub fault: Fault,
    /// What was done to what, and what the system said.
    pub detail: String,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing of the batch is kept. May be tried again when there is room.
    Full,
    /// Reading or writing failed, an fsync perhaps: what is on the disk is unknown until the store is opened anew.
    Io,
    /// The file is not a store, or damaged.
    Corrupt,
    /// A newer version wrote it.
    TooNew,
    /// Another process has it open.
    Locked,
    /// The caller asked for what cannot be: a bug.
    Misuse,
}

impl StoreError {
    pub(crate) fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into() }
    }

    /// What a person can do about it.
    pub const fn cure(&self) -> &'static str {
        match self.fault {
            Fault::Full => "make room on the disk; accepting goes on by itself",
            Fault::Io => "look at the disk and the system's log, then start the gateway again",
            Fault::Corrupt => "restore a backup, or move the file away to begin anew",
            Fault::TooNew => "run the version that wrote it, or a newer one",
            Fault::Locked => "stop the other gateway that uses this state folder",
            Fault::Misuse => "report this as a bug",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.detail, self.cure())
    }
}

impl std::error::Error for StoreError {}
