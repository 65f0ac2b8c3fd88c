//! The orders that jobs are listed in, and where a page of one ends.
//!
//! There are those that a store has an index of, so that a page costs the same wherever it begins. A cursor is that of a job and not a
//! number of jobs before it: what comes or finishes between two pages neither hides a job nor shows one twice.

use super::Job;
use crate::{JobId, Wall};

/// In which order jobs are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Whatever came last goes first: by id, downwards.
    #[default]
    Newest,
    /// By id, upwards.
    Oldest,
    /// What finished last goes first; jobs that have not finished are not in it.
    LastFinished,
    /// What finished first goes first, and so on.
    FirstFinished,
}

/// Where a job is in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When it finished; zero where that does not matter.
    pub at: Wall,
    /// Its id.
    pub id: JobId,
}

impl Cursor {
    /// In an order of ids.
    pub const fn of_id(id: JobId) -> Self {
        Self { at: Wall(0), id }
    }
}

impl Sort {
    /// Whether it is one of what has finished.
    pub const fn is_by_finish(self) -> bool {
        matches!(self, Self::LastFinished | Self::FirstFinished)
    }

    /// Whether what is greater comes first.
    pub const fn is_downwards(self) -> bool {
        matches!(self, Self::Newest | Self::LastFinished)
    }

    /// Where a job is; `None`: it is not in this order.
    pub fn cursor(self, job: &Job) -> Option<Cursor> {
        match self {
            Self::Newest | Self::Oldest => Some(Cursor::of_id(job.id)),
            Self::LastFinished | Self::FirstFinished => {
                job.status.finished_at.map(|at| Cursor { at, id: job.id })
            }
        }
    }

    /// Whether one comes after another.
    pub fn is_after(self, one: Cursor, other: Cursor) -> bool {
        if self.is_downwards() { one < other } else { one > other }
    }
}
