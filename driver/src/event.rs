//! What the driver is told, and what it answers.

use std::sync::Arc;

use ostler_job::durable::{Change, Edit, Queue, QueueName, ScheduleName};
use ostler_job::{
    JobId, Labels, Since, Span,
    durable::{AttemptKey, JobState, Order, Report, Spec},
};

use super::queue_event::{Places, QueueRefusal, QueueVerb, QueueView};
use super::schedule_event::{ScheduleFigures, ScheduleRefusal, ScheduleView};
use super::ticket::Ticket;

/// A runner's name, which its certificate or its socket vouches for.
pub type RunnerName = Arc<str>;

/// A request to take jobs.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Whose request it is.
    pub ticket: Ticket,
    /// The token's name, for the events.
    pub who: String,
    /// Idempotency key, with whose it is, and the hash of the request. The caller has looked into the store for it
    /// already; the driver knows those of the last minutes, so that two at once are noticed.
    pub key: Option<(String, String)>,
    /// The jobs, in order.
    pub jobs: Vec<NewJob>,
    /// Refusing one refuses all.
    pub all_or_none: bool,
}

/// A job to take.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it is.
    pub spec: Arc<Spec>,
    /// It begins paused.
    pub paused: bool,
    /// That it does not start before a moment was said as a length of time: no clock moves it.
    pub delayed: bool,
    /// For a dedupe scope of `done`: the job that the store knows to have succeeded within the window.
    pub done_before: Option<JobId>,
}

/// A request to do something to jobs.
#[derive(Clone, Debug)]
pub struct Steer {
    /// Whose request it is.
    pub ticket: Ticket,
    /// The token's name, for the audit trail.
    pub who: String,
    /// What to do.
    pub verb: Verb,
    /// To which jobs. Those that are finished are not in the driver's memory, hence whole.
    pub jobs: Vec<SteerJob>,
}

/// A job that something is to be done to.
#[derive(Clone, Debug)]
pub struct SteerJob {
    /// Its id.
    pub id: JobId,
    /// Its record, when the store said that it is finished: needed to retry or delete it.
    pub finished: Option<Box<ostler_job::durable::Job>>,
}

/// What an operator does to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Waiting: cancelled. Running: killed politely, and then cancelled. Finished: nothing.
    Cancel,
    /// The same, without the polite part.
    Kill,
    /// Waiting: kept from starting. Running: its processes are stopped.
    Pause,
    /// The opposite.
    Resume,
    /// Finished: it waits anew, its failures and crashes forgotten. Scheduled or waiting for a retry: due now.
    Retry,
    /// Pinned to a runner or with `None` to no runner, or put into another queue, or both. A running one is not moved, unless it is
    /// to be ended for that.
    Move { host: Option<Option<String>>, queue: Option<QueueName>, relocate: bool },
    /// Waiting: another thing is asked for from now on.
    Edit(Box<Edit>),
    /// Waiting in this queue: cancelled. Anything else is left alone.
    Purge(QueueName),
    /// Finished: forgotten with its attempts and logs.
    Delete,
}

/// A request to do something to a queue.
#[derive(Clone, Debug)]
pub struct QueueOrder {
    /// Whose request it is.
    pub ticket: Ticket,
    /// The token's name, for the audit trail.
    pub who: String,
    /// Which.
    pub queue: QueueName,
    /// What to do.
    pub verb: QueueVerb,
}

/// A request to tell of queues.
#[derive(Clone, Debug)]
pub struct QueueLook {
    /// Whose request it is.
    pub ticket: Ticket,
    /// Which; `None`: all of them.
    pub queue: Option<QueueName>,
    /// Only jobs of this tenant are counted; `None`: all jobs.
    pub tenant: Option<String>,
}

/// What the driver has decided. The changes are committed first; the effects happen when that has returned, and not at
/// all when it failed. Actions without changes keep their place in the order: their answers may lean on those before.
#[derive(Clone, Debug, Default)]
pub struct Action {
    /// What the store is to write.
    pub changes: Vec<Change>,
    /// What is to be done then.
    pub effects: Vec<Effect>,
}

/// What is done once the changes are safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The runner gets the job; its spec is fetched by whoever carries this out.
    Run {
        /// Who.
        runner: RunnerName,
        /// What.
        key: AttemptKey,
        /// How long it had waited since it could have run.
        waited: Span,
        /// How much of that was beyond the window of its promise.
        late: Span,
    },
    /// The runner may forget the attempt; when it is `fenced` and still runs there, it is killed.
    Settle {
        /// Who.
        runner: RunnerName,
        /// What.
        key: AttemptKey,
        /// It lost its lease: nothing that it did counts.
        fenced: bool,
    },
    /// The runner is lost with the attempt, as far as anybody knows: if it has it still, it will say so when it is back.
    Lost {
        /// Who.
        runner: RunnerName,
        /// What.
        key: AttemptKey,
    },
    /// The runner cannot start what it is given, and gets nothing new but a try; or it can again.
    Broken {
        /// Who.
        runner: RunnerName,
        /// What the last attempt there said; `None`: it can.
        why: Option<String>,
    },
    /// The log of an attempt that the runner has has grown: it may be fetched.
    Log {
        /// Who.
        runner: RunnerName,
        /// What.
        key: AttemptKey,
        /// Bytes of it that are there.
        bytes: u64,
        /// It gets no more, and the runner keeps it until it is whole here.
        ended: bool,
    },
    /// The runner does something to a running attempt.
    Steer {
        /// Who.
        runner: RunnerName,
        /// What.
        key: AttemptKey,
        /// What to do.
        order: Order,
    },
    /// A schedule has fired by its times.
    Fired {
        /// How long after it was due, its jitter aside.
        late: Span,
    },
    /// The clock was set back by hours and has stayed so: whoever has the store orders [`crate::ScheduleVerb::SetBack`] of each schedule.
    SetBack,
    /// A request is answered.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// With what, one for each job in order.
        answers: Vec<Answer>,
    },
    /// A job's record changed: who waits for it or follows it looks again.
    Changed {
        /// Which.
        job: JobId,
    },
    /// A job is gone; so are its logs.
    Deleted {
        /// Which.
        job: JobId,
    },
}

/// What became of one job of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken, or steered: its state now.
    Done {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
    /// Taken, although the promise that it asks for cannot be kept, as far as that can be told.
    Late {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
        /// When it is expected to be done.
        expected: Span,
    },
    /// Another job stands for it.
    Coalesced {
        /// That one.
        job: JobId,
    },
    /// Another job of its identity makes it superfluous, and it asked to be refused then.
    Duplicate {
        /// That one.
        job: JobId,
    },
    /// The same of a batch that is refused whole: the job that makes it superfluous would have been this one of the batch.
    Repeated {
        /// Its place.
        of: usize,
    },
    /// As many jobs wait as may, of all or in one queue.
    QueueFull {
        /// Which; `None`: in all together.
        queue: Option<QueueName>,
        /// When to try again.
        retry_after: Span,
    },
    /// The idempotency key was used for these jobs, by the same request (`true`) or another. It stands alone, for the
    /// whole request.
    Keyed {
        /// Its jobs.
        jobs: Vec<JobId>,
        /// It was the same request.
        same: bool,
    },
    /// One of the others of an all-or-none request was refused.
    WithOthers,
    /// There is no such job, or the record that came with it is older than what has happened since: whoever has read it
    /// reads again.
    Unknown,
    /// A queue as it is now.
    Queue(QueueView),
    /// A schedule as it is now.
    Schedule(Box<ScheduleView>),
    /// Nothing was done to the schedule.
    ScheduleRefused {
        /// Which.
        schedule: ScheduleName,
        /// Why.
        why: ScheduleRefusal,
    },
    /// The queue was not changed, or takes no job.
    QueueRefused {
        /// Which.
        queue: QueueName,
        /// Why.
        why: QueueRefusal,
    },
    /// The job was not edited, although it waits.
    EditRefused {
        /// Which.
        job: JobId,
        /// Why.
        why: EditRefusal,
    },
    /// The verb has no meaning in the job's state.
    NotNow {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
}

/// Why a waiting job was not edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditRefusal {
    /// So many attempts have failed that no other would be left.
    Spent {
        /// That many.
        failures: u32,
    },
    /// It was started before: a moment before which it does not start has no meaning any more.
    Begun,
    /// It may start once only, and it may have started.
    Once,
}

/// What a runner says of itself when it connects and every 5 s after that.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Who.
    pub runner: RunnerName,
    /// On which link, by its number.
    pub link: u64,
    /// Which process of that name: a new one has none of the old one's attempts.
    pub incarnation: String,
    /// Jobs that it may have at once, the running ones included; 0 while it drains, or an operator lets it take nothing new.
    pub slots: u32,
    /// It was found broken, maybe by an earlier memory, and nobody has woken it.
    pub is_broken: bool,
    /// What it says of its host.
    pub labels: Arc<Labels>,
    /// Every attempt that it has, finished ones included until they are settled.
    pub held: Vec<AttemptKey>,
}

/// An operator changed what a runner may take.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which.
    pub runner: RunnerName,
    /// What is told of it; `None`: it was so before.
    pub news: Option<&'static str>,
    /// Whatever was found broken of it is the operator's to judge from now on.
    pub wakes: bool,
    /// Jobs that it may have at once from now on.
    pub slots: u32,
}

/// Reports of one runner, in the order in which they happened.
#[derive(Clone, Debug)]
pub struct Reports {
    /// Who.
    pub runner: RunnerName,
    /// On which link, by its number.
    pub link: u64,
    /// What. `Report::Log` does not come here.
    pub reports: Vec<Report>,
}

/// Numbers for the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Jobs in memory by state, in the order of [`JobState::ALL`].
    pub states: Vec<u64>,
    /// Every queue with its jobs.
    pub queues: Vec<(Arc<Queue>, Places)>,
    /// Since when the job that has waited longest could have run.
    pub oldest_runnable: Option<Since>,
    /// Slots of all runners that take jobs, and those in use.
    pub slots: (u32, u32),
    /// Jobs taken in this life of the store.
    pub submitted: u64,
    /// Attempts that were reported as started.
    pub started: u64,
    /// Jobs that finished, by state, in the order of [`JobState::ALL`].
    pub finished: Vec<u64>,
    /// Attempts that failed and are followed by another.
    pub retried: u64,
    /// Attempts whose runner was lost.
    pub leases_lost: u64,
    /// Jobs that too many runners were lost with.
    pub quarantined: u64,
    /// Finishes of attempts that had lost their lease.
    pub fence_rejected: u64,
    /// What is to be said of schedules.
    pub schedules: ScheduleFigures,
}
