//! The table of all known jobs, waiting and granted.
//!
//! Paged, so that it grows without copying and costs what it holds; entries are reused, so steady traffic allocates
//! nothing.

use std::ops::{Index, IndexMut};

use ostler_job::{JobId, Mono, Span};

use crate::hash::IdMap;
use crate::lane::Lane;
use crate::tenants::FlowIx;

const PAGE_BITS: u32 = 9;
const PAGE: usize = 1 << PAGE_BITS;
const NONE: u32 = u32::MAX;

/// The moment that never comes: a job without a queue deadline.
pub(crate) const NEVER: Mono = Mono(u64::MAX);

/// Where a job is in the table; valid while the job is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobIx(pub(crate) u32);

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The entry is unused.
    Free,
    /// Queued.
    Waiting,
    /// It waits for a resource, in no queue yet.
    Parked,
    /// Granted, behind the jobs that hold the supplier's slots.
    Prefetched,
    /// Granted, holding a slot.
    Running,
}

impl State {
    /// Not granted, for whatever reason.
    pub(crate) fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting | Self::Parked)
    }
}

/// One known job, in a cache line of its own.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// Its place among all (`Arrival`): breaks ties.
    pub(crate) seq: u64,
    /// Since when it could have run.
    pub(crate) arrival: Mono,
    /// Latest start time: the order key.
    pub(crate) lst: Mono,
    pub(crate) expires: Mono,
    /// What its tenant is charged at dispatch.
    pub(crate) cost: Span,
    pub(crate) flow: FlowIx,
    pub(crate) lane: Lane,
    /// Its place among the granted ones while it is, and while it waits which time it does: lists are cleaned lazily, and what one has
    /// of another time, or of the entry's earlier tenants, is none of its entries. The next free entry while free.
    pub(crate) position: u32,
    pub(crate) state: State,
    /// It missed its latest start and waits, or waited, in its flow's late list.
    pub(crate) late: bool,
    /// Nobody wants it: when returned it is forgotten.
    pub(crate) cancelled: bool,
    /// It names resources.
    pub(crate) claims: bool,
}

/// What a granted job was charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    pub(crate) cost: Span,
    /// A bit for each level of its way, from its queue up: whether it used there what others do not.
    pub(crate) borrows: u32,
}

impl Charged {
    /// Levels further up share the last bit.
    pub(crate) fn bit(level: usize) -> u32 {
        1 << level.min(31)
    }

    pub(crate) fn has_borrowed(self, level: usize) -> bool {
        self.borrows & Self::bit(level) != 0
    }
}

/// What is known of a job while it is granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) job: JobIx,
    /// Index of its supplier.
    pub(crate) supplier: u32,
    /// What its tenant has been charged.
    pub(crate) charged: Charged,
    /// When it began to hold its slot.
    pub(crate) started: Mono,
}

/// Every known job, by index and by id.
pub(crate) struct Jobs {
    pages: Vec<Box<[Job; PAGE]>>,
    free: u32,
    by_id: IdMap<JobId, JobIx>,
}

impl Job {
    /// One that waits, and is like any other: the job of this submit, of that flow.
    #[cfg(test)]
    pub(crate) fn waiting(seq: u64, flow: FlowIx) -> Self {
        Self { id: JobId(seq), seq, flow, state: State::Waiting, ..Self::BLANK }
    }

    /// An entry that nobody has used.
    const BLANK: Self = Self {
        id: JobId(0),
        seq: 0,
        arrival: Mono(0),
        lst: Mono(0),
        expires: NEVER,
        cost: Span::ZERO,
        flow: FlowIx(0),
        lane: Lane::USUAL,
        position: NONE,
        state: State::Free,
        late: false,
        cancelled: false,
        claims: false,
    };

    /// Whether it was not granted yet.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting | State::Parked)
    }
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: NONE, by_id: IdMap::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn find(&self, id: JobId) -> Option<JobIx> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn insert(&mut self, job: Job) -> JobIx {
        let ix = if self.free == NONE { self.grow() } else { JobIx(self.free) };
        let known = self.by_id.insert(job.id, ix);
        assert!(known.is_none(), "job {} was submitted while a job of that id is known", job.id);
        self.free = self[ix].position;
        self[ix] = job;
        ix
    }

    #[inline]
    pub(crate) fn remove(&mut self, ix: JobIx) {
        let next = self.free;
        let job = &mut self[ix];
        job.state = State::Free;
        job.position = next;
        let id = job.id;
        self.by_id.remove(&id);
        self.free = ix.0;
    }

    /// Whether the entry still holds the job of this place, and that waits for this time: what lazily cleaned lists ask.
    pub(crate) fn waits(&self, ix: JobIx, (seq, turn): (u64, u32)) -> bool {
        let job = &self[ix];
        (job.seq, job.position) == (seq, turn) && job.state == State::Waiting
    }

    /// The same of one that may also wait for a resource.
    pub(crate) fn stays(&self, ix: JobIx, turn: u32) -> bool {
        let job = &self[ix];
        job.position == turn && job.state.is_waiting()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (JobIx, &Job)> {
        let all = self.pages.iter().flat_map(|page| page.iter()).enumerate();
        all.filter(|(_, job)| job.state != State::Free).map(|(at, job)| (JobIx(at as u32), job))
    }

    /// Adds a page and chains its entries as free; answers the first.
    fn grow(&mut self) -> JobIx {
        let base = (self.pages.len() * PAGE) as u32;
        assert!(
            base < NONE - PAGE as u32,
            "the job table holds fewer jobs than an index can count"
        );
        let next = |at: usize| if at + 1 == PAGE { NONE } else { base + at as u32 + 1 };
        let blank = |at: usize| Job { position: next(at), ..Job::BLANK };
        let page: Box<[Job]> = (0..PAGE).map(blank).collect();
        self.pages.push(page.try_into().unwrap_or_else(|_| unreachable!("a page has that many")));
        self.free = base;
        JobIx(base)
    }
}

impl Index<JobIx> for Jobs {
    type Output = Job;

    fn index(&self, ix: JobIx) -> &Job {
        &self.pages[(ix.0 >> PAGE_BITS) as usize][ix.0 as usize % PAGE]
    }
}

impl IndexMut<JobIx> for Jobs {
    fn index_mut(&mut self, ix: JobIx) -> &mut Job {
        &mut self.pages[(ix.0 >> PAGE_BITS) as usize][ix.0 as usize % PAGE]
    }
}
