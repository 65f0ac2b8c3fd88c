//! What the scheduler is told, and what it answers.

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};

/// A job that asks for a slot.
#[derive(Clone, Copy, Debug)]
pub struct Submit {
    /// Its identity, which no other known job may have.
    pub job: JobId,
    /// The queue it waits in, which is known.
    pub queue: QueueId,
    /// Whose share it is charged to.
    pub tenant: TenantId,
    /// The tenant's weight in that queue from here on; zero counts as one.
    pub weight: u32,
    /// What was promised; it decides the order.
    pub promise: Promise,
    /// When waiting any longer is useless: still waiting then, it expires.
    pub expires: Option<Mono>,
    /// The one host whose suppliers may run it, known or not; `None`: any. Pinned jobs are not prefetched.
    pub host: Option<HostId>,
    /// How long it is expected to hold its slot.
    pub estimate: Estimate,
}

/// How long a job is expected to hold its slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    /// The median: what its tenant is charged until the truth is known.
    pub p50: Span,
    /// The ninetieth percentile: how early it must start to keep its promise.
    pub p90: Span,
}

/// Where a job stands among all, however often it left and came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Jobs with smaller numbers go first, where nothing else decides. No two have the same, and it is below 2^56.
    pub place: u64,
    /// Since when it could have run.
    pub since: Mono,
}

/// How a job that waits again left its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its attempt is over, however it ended.
    Over,
    /// It provably never started.
    Unstarted,
}

/// What a supplier offers, in absolute numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// The host it is on.
    pub host: HostId,
    /// Jobs that it can run at once.
    pub slots: u32,
    /// Jobs that it may hold beyond that, bound early.
    pub prefetch: u32,
}

/// What the owner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the job there; it holds a slot until it is finished or returned.
    Grant {
        /// The job.
        job: JobId,
        /// Where.
        supplier: SupplierId,
        /// It is held behind the jobs that run there: no slot was free anywhere.
        prefetched: bool,
        /// Time since it was submitted.
        waited: Span,
    },
    /// The job was not taken and is forgotten.
    Refuse {
        /// The job.
        job: JobId,
        /// Why.
        reason: Refusal,
    },
    /// The job's queue deadline passed while it waited; it is forgotten.
    Expire {
        /// The job.
        job: JobId,
    },
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many jobs wait as may.
    QueueFull,
    /// As many jobs of this tenant wait as may.
    TenantFull,
}

/// Where a cancelled job was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited; it is forgotten and its place is free.
    Waiting,
    /// It is granted; it keeps its slot until it is finished or returned, and will not wait again.
    Running,
    /// No such job.
    Unknown,
}
