//! What is told of a waiting job's place: the queues above it, its line, its tenant's account.

use ostler_job::{Mono, QueueId};

use crate::config::{DisciplineKind, Rate};

/// A queue above a job, and what it lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which; `None`: the root, which orders the queues at the top.
    pub queue: Option<QueueId>,
    /// The order among what waits in it.
    pub discipline: DisciplineKind,
    /// Jobs that wait in it and below for a slot.
    pub waiting: u32,
    /// Jobs of it and below that are granted.
    pub running: u32,
    /// Nothing of it is granted.
    pub paused: bool,
    /// Jobs of it that may be granted at once.
    pub concurrency: Option<u32>,
    /// How often one of them may be.
    pub rate: Option<Rate>,
    /// Until when the rate lets none go.
    pub closed_until: Option<Mono>,
    /// Its weight, and that of all beside it that could use a slot now, itself among them; `None`: there are no shares there.
    pub share: Option<(u64, u64)>,
    /// Slots that it has before others borrow them, in thousandths.
    pub guarantee: u32,
    /// Slots that it may have, in thousandths.
    pub ceiling: Option<u32>,
    /// It has used what its ceiling gives it, for now.
    pub has_used_ceiling: bool,
}

impl Level {
    /// As many are granted as may be.
    pub fn is_full(&self) -> bool {
        self.concurrency.is_some_and(|max| self.running >= max)
    }

    /// Whether anything of it may be granted now.
    pub fn is_open(&self) -> bool {
        !self.paused && !self.is_full() && self.closed_until.is_none() && !self.has_used_ceiling
    }
}

/// Where a job stands among those of its tenant in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Jobs that go before it as things are now.
    pub before: u32,
    /// So many; false: about so many.
    pub is_exact: bool,
    /// It has missed its latest start, and has a smaller share with the others that have.
    pub is_late: bool,
}

/// What a tenant may use in a queue, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its weight there.
    pub weight: u32,
    /// The same, and that of all tenants that could use a slot now, itself among them; `None`: there are no shares.
    pub share: Option<(u64, u64)>,
    /// Nanoseconds of slot time that it has had beyond its share, and below zero what it is behind; `None`: that is not kept.
    pub lead: Option<i64>,
    /// It has all the slots that it may have.
    pub is_capped: bool,
}
