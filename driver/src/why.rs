//! Why a job waits, with what there is to say of it. Sentences are made of it by whoever knows who reads them.

use std::sync::Arc;

use ostler_job::durable::{Held, JobState, QueueDiscipline, QueueName, Rate, WaitReason};
use ostler_job::{JobId, Selector, Span, Wall};
pub use ostler_scheduler::{Place, Standing};

use super::{event::RunnerName, queue_event::Places};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The store cannot be written.
    Store {
        /// What it says.
        problem: String,
    },
    /// The gateway is about to end.
    Ending,
    /// It has been given to a runner.
    Starting {
        /// Which.
        runner: RunnerName,
        /// When.
        since: Wall,
    },
    /// The job itself is paused.
    Paused {
        /// By whom, since when.
        held: Option<Held>,
    },
    /// Its time has not come.
    NotBefore {
        /// When it will.
        until: Wall,
    },
    /// The time of its next attempt has not come.
    Retry {
        /// When it will.
        until: Wall,
        /// Which one that is, from 1.
        attempt: u32,
        /// The one before never began: runners gave the job back.
        came_back: bool,
    },
    /// A queue is paused.
    QueuePaused {
        /// Which.
        queue: QueueName,
        /// By whom, since when.
        held: Option<Held>,
    },
    /// Its queue is another runner's to work once the one before has ended its jobs.
    Exclusive {
        /// Which queue.
        queue: QueueName,
        /// Whose it is then; `None`: nobody's yet.
        holder: Option<RunnerName>,
        /// The ones before.
        awaited: Vec<RunnerName>,
    },
    /// No runner that may run it takes anything.
    NoRunner {
        /// Which may.
        wanted: Wanted,
        /// What is with them.
        absence: Absence,
    },
    /// It waits for its serial key or a resource.
    Resource {
        /// As the job names it.
        name: String,
        /// It is a serial key.
        is_serial: bool,
        /// A job that stands in its way.
        blocker: Option<Blocker>,
    },
    /// Its tenant runs as many jobs as it may.
    TenantCap {
        /// In which queue.
        queue: QueueName,
        /// So many.
        running: u64,
    },
    /// A queue runs as many jobs as it may.
    Concurrency {
        /// Which.
        queue: QueueName,
        /// So many run.
        running: u32,
        /// So many may.
        max: u32,
    },
    /// A queue has used the slots that it may use.
    Ceiling {
        /// Which.
        queue: QueueName,
        /// How many, in thousandths.
        millislots: u32,
    },
    /// A queue's rate is used up.
    Rate {
        /// Which.
        queue: QueueName,
        /// What it is.
        rate: Rate,
        /// Until when.
        until: Wall,
    },
    /// Others of its tenant go before it.
    Behind {
        /// In which queue.
        queue: QueueName,
        /// How many.
        place: Place,
    },
    /// The runners that may run it have no slot free.
    RunnerFull {
        /// Which may.
        wanted: Wanted,
        /// Slots of the one that it is pinned to.
        slots: Option<u32>,
    },
    /// No runner has a slot free.
    SlotsBusy {
        /// Slots of all runners.
        slots: u64,
    },
}

impl Why {
    /// The one word for it.
    pub const fn word(&self) -> WaitReason {
        match self {
            Self::Store { .. } => WaitReason::Store,
            Self::Ending => WaitReason::Ending,
            Self::Starting { .. } => WaitReason::Starting,
            Self::Paused { .. } => WaitReason::Paused,
            Self::NotBefore { .. } => WaitReason::NotBefore,
            Self::Retry { .. } => WaitReason::Retry,
            Self::QueuePaused { .. } => WaitReason::QueuePaused,
            Self::Exclusive { .. } => WaitReason::Exclusive,
            Self::NoRunner { absence, .. } => absence.word(),
            Self::Resource { .. } => WaitReason::Resource,
            Self::TenantCap { .. } => WaitReason::TenantCap,
            Self::Concurrency { .. } => WaitReason::Concurrency,
            Self::Ceiling { .. } => WaitReason::Ceiling,
            Self::Rate { .. } => WaitReason::Rate,
            Self::Behind { .. } => WaitReason::Behind,
            Self::RunnerFull { .. } => WaitReason::RunnerFull,
            Self::SlotsBusy { .. } => WaitReason::SlotsBusy,
        }
    }
}

/// Which runners may run a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whichever.
    Any,
    /// The one that it is pinned to.
    Host(RunnerName),
    /// The one that works an exclusive queue.
    Holder {
        /// Its own, or one above.
        queue: QueueName,
        /// Which.
        runner: RunnerName,
    },
    /// Those that a queue is attached to.
    Attached {
        /// Its own, or one above.
        queue: QueueName,
        /// By what; nothing: to all.
        selectors: Vec<Selector>,
        /// Queues above that one, which are attached, too: whoever runs it is meant by all of them.
        above: Vec<(QueueName, Vec<Selector>)>,
    },
}

/// Why no runner of several takes anything: of the one that is nearest to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// None was heard of.
    Unknown,
    /// The one that it is pinned to is none of those that its queue is attached to.
    Elsewhere,
    /// None is connected.
    Away,
    /// Those that are connected cannot start what they are given.
    Broken,
    /// Those that are connected take nothing new.
    Drained,
}

impl Absence {
    const fn word(self) -> WaitReason {
        match self {
            Self::Unknown | Self::Elsewhere => WaitReason::NoRunner,
            Self::Away => WaitReason::RunnerAway,
            Self::Drained => WaitReason::RunnerDrained,
            Self::Broken => WaitReason::RunnerBroken,
        }
    }
}

/// A job that stands in another one's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Which.
    pub job: JobId,
    /// Whose.
    pub tenant: Arc<str>,
    /// Where it is.
    pub state: JobState,
    /// It has what the other one waits for; false: it is to have it before.
    pub has_it: bool,
}

/// All that is to be said of a job's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Everything that holds it up, the first of which is its reason.
    pub whys: Vec<Why>,
    /// Its queue and those above, from there up.
    pub levels: Vec<Level>,
    /// Where it stands in its line; `None`: it waits for no slot.
    pub place: Option<Place>,
    /// What its tenant may use in the queue, and has; `None`: it does not wait there.
    pub standing: Option<Standing>,
    /// Its tenant's jobs in the queue.
    pub own: Places,
    /// How long it will wait about, until it starts; `None`: that cannot be told.
    pub start: Option<Span>,
    /// How long jobs of its kind run, half of them and nine of ten; `None`: none has run here.
    pub takes: Option<(Span, Span)>,
    /// Slots of all runners that take jobs, and those that are taken.
    pub slots: (u32, u32),
}

/// A queue on the way from a job to the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which; `None`: what orders the queues at the top.
    pub queue: Option<QueueName>,
    /// How it orders what waits in it.
    pub discipline: QueueDiscipline,
    /// Jobs that wait there for a slot, those below among them.
    pub waiting: u32,
    /// Jobs that have one.
    pub running: u32,
    /// Those of the job's tenant, as many as wait for a slot and as have one.
    pub own: (u32, u32),
    /// Jobs of its tenant that may run in it at once; of its own queue alone.
    pub tenant_max: Option<u32>,
    /// Nothing of it starts.
    pub paused: Option<Held>,
    /// Jobs that may run at once.
    pub concurrency: Option<u32>,
    /// How often one may start.
    pub rate: Option<Rate>,
    /// Until when the rate holds the next one.
    pub closed_until: Option<Wall>,
    /// Its weight, and that of all beside it that have jobs for a slot, itself among them.
    pub share: Option<(u64, u64)>,
    /// Slots that it has before others borrow them, in thousandths.
    pub guarantee: u32,
    /// Slots that it may have, in thousandths.
    pub ceiling: Option<u32>,
    /// Something of it may start now.
    pub is_open: bool,
}
