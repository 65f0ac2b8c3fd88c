//! What can go wrong with a store.

/// An error with its cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}; {}", self.cure())]
pub struct StoreError {
    /// What kind of thing went wrong, for whoever decides what to do next.
    pub fault: Fault,
    /// What was done to what, and what the system said.
    pub detail: String,
    /// The detail says what helps: only what happens then is said after it.
    has_cure: bool,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing of the batch is kept. May be tried again when there is room.
    Full,
    /// Reading failed, or something beside the store.
    Io,
    /// Writing failed, an fsync perhaps, or the term is over: whether the batch is there is not known. Whoever wrote
    /// forgets what it knew, begins a new term and loads.
    Unknown,
    /// A job was not as the writer knew it: nothing of the batch is kept. As if the term were over.
    Fenced,
    /// The file was removed or replaced while it was in use: what was written since is nowhere.
    Gone,
    /// The file is not a store, or damaged.
    Corrupt,
    /// A copy could not be made, or put in the place of the store, for want of room or by a fault of a disk.
    Copy,
    /// A newer version wrote it.
    TooNew,
    /// Another process has it open.
    Locked,
    /// It is still being read, which takes long.
    Unread,
    /// The caller asked for what cannot be: a bug.
    Misuse,
}

impl StoreError {
    /// A fault of a kind, with what was done to what and what the system said.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into(), has_cure: false }
    }

    /// The same with a detail that says already what helps against this very fault.
    #[must_use]
    pub const fn with_cure(mut self) -> Self {
        self.has_cure = true;
        self
    }

    /// The same of a copy: nothing goes on by itself.
    #[must_use]
    pub const fn of_copy(mut self) -> Self {
        if matches!(self.fault, Fault::Full | Fault::Io | Fault::Unknown) {
            self.fault = Fault::Copy;
        }
        self
    }

    /// It and its cure where nobody tries again by himself: at a start, say.
    pub fn at_start(&self) -> String {
        let cure = match self.fault {
            Fault::Full | Fault::Io | Fault::Unknown | Fault::Corrupt if self.has_cure => {
                "then do it again"
            }
            Fault::Full => "make room on the disk, then do it again",
            Fault::Io | Fault::Unknown => {
                "look at that path, its disk and the system's log, then do it again"
            }
            Fault::Fenced
            | Fault::Gone
            | Fault::Corrupt
            | Fault::Copy
            | Fault::TooNew
            | Fault::Locked
            | Fault::Unread
            | Fault::Misuse => self.cure(),
        };
        format!("{}; {cure}", self.detail)
    }

    /// What a person can do about it.
    pub const fn cure(&self) -> &'static str {
        match self.fault {
            Fault::Full | Fault::Io | Fault::Unknown | Fault::Corrupt if self.has_cure => {
                "accepting goes on by itself then"
            }
            Fault::Copy if self.has_cure => "then do it again",
            Fault::Full => "make room on the disk; accepting goes on by itself",
            Fault::Io | Fault::Unknown => {
                "look at the disk and the system's log; accepting goes on by itself when it can be written again"
            }
            Fault::Fenced => "what is stored is read anew; report this as a bug",
            Fault::Gone => "put the file back, or start the gateway again with what is there",
            Fault::Corrupt => "restore a backup, or move the store's file away to begin anew",
            Fault::Copy => "look at that path and its disk, make room there, and do it again",
            Fault::TooNew => "run the version that wrote it, or a newer one",
            Fault::Locked => {
                "end the other program that has it open: a gateway with this state folder, sqlite3, or a backup"
            }
            Fault::Unread => {
                "wait, or look for a slow disk or another program that holds it up; accepting goes on by itself"
            }
            Fault::Misuse => "report this as a bug",
        }
    }
}
