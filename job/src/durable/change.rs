//! What is written of jobs.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Attempt, Edit, Edited, Fence, Firing, Queue, QueueName, Schedule, ScheduleName, Spec, Stand,
    Status,
};
use crate::{JobId, Wall};

/// One change. A batch of them is written whole or not at all.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new job.
    Submit {
        /// Its id, above every id before.
        job: JobId,
        /// What it is.
        spec: Arc<Spec>,
        /// Where it begins.
        status: Box<Status>,
        /// When it came.
        at: Wall,
    },
    /// The idempotency key of a submit, the hash of its request, and its jobs. One that is there is replaced.
    Key {
        /// The key, with whose it is.
        key: String,
        /// Hash of the request.
        request: String,
        /// Its jobs.
        jobs: Vec<JobId>,
        /// When it came.
        at: Wall,
    },
    /// A job's status, whole. A [`super::Fault::Fenced`] when the stored fence is not `expect`.
    Update {
        /// The job.
        job: JobId,
        /// The fence that the writer knows.
        expect: Fence,
        /// What it is from now on.
        status: Box<Status>,
    },
    /// What was asked for is another thing from now on; what of it is in the status has a change of its own. A spec that cannot be
    /// read stays as it is. A [`super::Fault::Fenced`] when there is no such job.
    Edit {
        /// The job.
        job: JobId,
        /// What is changed.
        edit: Box<Edit>,
        /// When and by whom.
        edited: Box<Edited>,
    },
    /// An attempt is over. Recorded again under its number it is replaced; a [`super::Fault::Fenced`] when there is no
    /// such job.
    Attempt(Box<Attempt>),
    /// A finished job goes, with its attempts. A [`super::Fault::Fenced`] when it is not finished, or not there.
    Delete {
        /// The job.
        job: JobId,
    },
    /// Something that readers of the events and the audit trail see.
    Event {
        /// When.
        at: Wall,
        /// What.
        kind: EventKind,
        /// About which job.
        job: Option<JobId>,
        /// Who did it, for what a person did: a token's name.
        who: Option<String>,
        /// Particulars, a JSON object, or empty.
        detail: String,
    },
    /// A token is new, or changed.
    Token(Token),
    /// A queue is new, or changed.
    Queue(Box<Queue>),
    /// There is no such queue any more.
    QueueGone(QueueName),
    /// A schedule is new, or its shape changed.
    Schedule(Box<Schedule>),
    /// A schedule stands elsewhere. A [`super::Fault::Fenced`] when the stored cursor is not `expect`, or there is no such schedule.
    Stand {
        /// Which.
        schedule: ScheduleName,
        /// The cursor that the writer knows.
        expect: Wall,
        /// Where it stands from now on.
        stand: Box<Stand>,
    },
    /// What became of a firing; what was written of one that was due at the same moment is replaced, unless that has a job: then it
    /// is a [`super::Fault::Fenced`], so that no moment has two.
    Firing {
        /// Of which schedule.
        schedule: ScheduleName,
        /// What.
        firing: Box<Firing>,
    },
    /// There is no such schedule any more. Its firings stay until they are forgotten, but for those that wait, which go with it.
    ScheduleGone(ScheduleName),
    /// Events, keys and firings that do not wait, older than this, go: from the oldest up to the first that is not, whatever the clock did after it.
    /// What is of a day after `now`, or later, was written by a clock that was wrong, and ends nothing.
    Forget {
        /// When it is, for certain; it is kept.
        now: Wall,
        /// Events and firings older than this.
        events: Wall,
        /// Idempotency keys older than this.
        keys: Wall,
    },
    /// Fences below this are the term's.
    Reserve {
        /// The end of the new block.
        fences: u64,
    },
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was written.
    Done,
    /// An event was written under this sequence number.
    Seq(u64),
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A job came.
    Submitted,
    /// Its process runs.
    Started,
    /// An attempt failed and another will follow.
    Retrying,
    /// It is over.
    Finished,
    /// An operator did something; the detail says what, and to whom.
    Operator,
    /// A runner came or went.
    Runner,
    /// Somebody changed a job that waits.
    Edited,
    /// Something is to be said of a schedule: it is overdue, or paused itself.
    Schedule,
}

impl EventKind {
    /// As written in stores; never changed.
    pub const fn number(self) -> u8 {
        match self {
            Self::Submitted => 0,
            Self::Started => 1,
            Self::Retrying => 2,
            Self::Finished => 3,
            Self::Operator => 4,
            Self::Runner => 5,
            Self::Edited => 6,
            Self::Schedule => 7,
        }
    }

    /// The one of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Submitted,
            1 => Self::Started,
            2 => Self::Retrying,
            3 => Self::Finished,
            4 => Self::Operator,
            5 => Self::Runner,
            6 => Self::Edited,
            7 => Self::Schedule,
            _ => return None,
        })
    }
}

/// One event as it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the order of all.
    pub seq: u64,
    /// When.
    pub at: Wall,
    /// What.
    pub kind: EventKind,
    /// About which job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Particulars, a JSON object, or empty.
    pub detail: String,
}

/// SHA-256 of a token's text, lower-case hex: all that is kept of it.
pub type TokenHash = String;

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name, unique: what the audit trail says.
    pub name: String,
    /// Its hash.
    pub hash: TokenHash,
    /// `submit`, `read`, `operate`, `admin`.
    pub scopes: BTreeSet<String>,
    /// The one tenant whose jobs it sees and submits; `None`: all.
    pub tenant: Option<String>,
    /// When it was made.
    pub created_at: Wall,
    /// When it ends.
    pub expires_at: Option<Wall>,
    /// When it was revoked.
    pub revoked_at: Option<Wall>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_one_kind() {
        let kinds =
            (0..=u8::MAX).filter_map(|number| Some((number, EventKind::from_number(number)?)));
        let kinds: Vec<_> = kinds.collect();
        assert_eq!(kinds.len(), 8);
        for (number, kind) in kinds {
            assert_eq!(kind.number(), number);
        }
    }
}
