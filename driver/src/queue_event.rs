//! What is done to queues, and what is told of them.

use std::{collections::BTreeSet, sync::Arc};

use ostler_job::Selector;
use ostler_job::durable::{Held, Queue, QueueName, QueueShape, TreeFault};

/// What an operator does to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueVerb {
    /// It is made, or its shape changed. It stays paused and drained if it is.
    Put(Box<QueueShape>),
    /// Its jobs may go to the runners that these mean, too; and to one alone at any time, or to several, if that is said.
    Attach {
        /// More of them.
        selectors: BTreeSet<Selector>,
        /// `None`: as before.
        exclusive: Option<bool>,
    },
    /// Not by these any more; `None`: its jobs may go to every runner.
    Detach(Option<BTreeSet<Selector>>),
    /// Nothing of it starts; it takes new jobs.
    Pause,
    /// It takes nothing new; what waits is worked off.
    Drain,
    /// Neither paused nor drained.
    Resume,
    /// What waited was cancelled, so many jobs: for the audit trail.
    Purged(u64),
    /// It goes, unless it has jobs.
    Delete,
}

/// A queue with its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// What it is.
    pub queue: Arc<Queue>,
    /// The queues that it is below, from the top down.
    pub above: Vec<QueueName>,
    /// How many jobs it has.
    pub places: Places,
    /// The runners that it is for.
    pub attachment: Box<Attachment>,
    /// It was made just now.
    pub is_new: bool,
}

/// Unfinished jobs of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Those that wait, for whatever.
    pub waiting: u64,
    /// Those that a runner has.
    pub running: u64,
}

/// The runners that a queue's jobs may go to, as things are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// What it is attached by; none: to all runners.
    pub selectors: Vec<Met>,
    /// One runner alone has jobs of it at any time.
    pub exclusive: bool,
    /// That one; `None`: there is none, or it is not exclusive.
    pub holder: Option<Arc<str>>,
    /// Runners whose jobs of it end before that one starts any.
    pub awaited: Vec<Arc<str>>,
}

/// A selector, and who it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// It.
    pub selector: Selector,
    /// The runners that are connected and are meant; none: its jobs wait for one.
    pub runners: Vec<Arc<str>>,
}

/// Why a queue was not changed, or takes a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRefusal {
    /// There is none of that name.
    Unknown,
    /// It takes nothing new.
    Drained(Held),
    /// Its shape is the configuration's.
    OfFile,
    /// It has jobs.
    HasJobs(Places),
    /// These queues are below it.
    HasQueues(Vec<QueueName>),
    /// The tree of queues cannot have it so.
    Misplaced(TreeFault),
    /// It is the one that is always there.
    Default,
    /// It is attached by others, and not by this one.
    NotAttached {
        /// Which was to go.
        selector: Selector,
        /// Those that it is attached by.
        attach: BTreeSet<Selector>,
    },
    /// Nothing would be left, and every runner would work it.
    LastSelector,
    /// It would be attached by more than may be.
    TooManySelectors(usize),
    /// There are as many queues as may be.
    TooMany(usize),
}
