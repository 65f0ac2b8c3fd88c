//! What is kept of jobs.

use super::{Scheduling, Spec, Status, Token};
use crate::{JobId, Wall};

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    pub spec: Spec,
    /// Where it is.
    pub status: Status,
    /// When it came.
    pub submitted_at: Wall,
}

/// A job that has not finished, as far as it matters for deciding when and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub id: JobId,
    /// When it came.
    pub submitted_at: Wall,
    /// What was asked for.
    pub scheduling: Scheduling,
    /// Where it is.
    pub status: Status,
}

impl From<Job> for Unfinished {
    fn from(job: Job) -> Self {
        let Job { id, spec, status, submitted_at } = job;
        Self { id, submitted_at, scheduling: spec.into(), status }
    }
}

/// What makes two jobs the same to a dedupe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same<'a> {
    /// The identity that was named; it is nobody's who named none.
    Identity(&'a str),
    /// The whole work, [`Spec::content`], of jobs of this identity.
    Content(u64, &'a str),
}

impl<'a> Same<'a> {
    /// What other jobs are to be the same as.
    pub const fn of(identity: &'a str, content: Option<u64>) -> Self {
        match content {
            Some(content) => Self::Content(content, identity),
            None => Self::Identity(identity),
        }
    }
}

/// What the store has beside the jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The id of the next job; above every one ever given, deleted ones included.
    pub next_job: JobId,
    /// Sequence number of the last event.
    pub last_event: u64,
    /// The moment of the last [`super::Change::Forget`].
    pub kept_at: Option<Wall>,
    /// All tokens.
    pub tokens: Vec<Token>,
}
