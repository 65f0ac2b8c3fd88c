//! What changes about a durable job.

use serde::{Deserialize, Serialize};

use crate::{
    Wall,
    durable::{Fence, Held, JobState, QueueName, Reason},
};

/// The mutable half of a job; [`crate::durable::Spec`] is the other. It is always written whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it is on its way.
    pub state: JobState,
    /// Why it ended so; `None`: it has not finished.
    pub reason: Option<Reason>,
    /// Until when it is scheduled or waits for its retry.
    pub due: Option<Wall>,
    /// The runner that it is pinned to.
    pub host: Option<String>,
    /// The queue that it is in; `None`: [`QueueName::DEFAULT`].
    #[serde(default)]
    pub queue: Option<QueueName>,
    /// The queue that it waits in when the present attempt, which is to end for that, has ended.
    #[serde(default)]
    pub moves_to: Option<QueueName>,
    /// Attempts leased so far.
    pub attempts: u32,
    /// Attempts that failed by themselves since it was submitted or retried by hand.
    pub failures: u32,
    /// Runners that were lost with it since then.
    pub crashes: u32,
    /// The present or last lease.
    pub fence: Fence,
    /// The runner that has it or had it last.
    pub runner: Option<String>,
    /// When the present or last attempt was leased.
    pub leased_at: Option<Wall>,
    /// When its process started.
    pub started_at: Option<Wall>,
    /// When the job finished.
    pub finished_at: Option<Wall>,
    /// The exit status of the last attempt that had one.
    pub exit_status: Option<i32>,
    /// The signal that ended the last attempt.
    pub signal: Option<i32>,
    /// Somebody wants it ended; the order is repeated to its runner until it is.
    pub kill: bool,
    /// It is to be ended without the polite part.
    #[serde(default)]
    pub kill_now: bool,
    /// Somebody wants its processes stopped; repeated as well.
    #[serde(default)]
    pub stop: bool,
    /// By whom and since when it is paused, or stopped; `None`: it is not, or a gateway before this one did not keep it.
    #[serde(default)]
    pub paused: Option<Held>,
    /// A hash of which process of the runner the present lease was given to; `None`: it is not known.
    #[serde(default)]
    pub incarnation: Option<u32>,
}

impl Status {
    /// A job that was just submitted.
    pub fn new(state: JobState, due: Option<Wall>, host: Option<String>) -> Self {
        Self {
            state,
            reason: None,
            due,
            host,
            queue: None,
            moves_to: None,
            attempts: 0,
            failures: 0,
            crashes: 0,
            fence: Fence(0),
            runner: None,
            leased_at: None,
            started_at: None,
            finished_at: None,
            exit_status: None,
            signal: None,
            kill: false,
            kill_now: false,
            stop: false,
            paused: None,
            incarnation: None,
        }
    }

    /// Whether the job is in this queue.
    pub fn is_in(&self, queue: &QueueName) -> bool {
        match &self.queue {
            None => queue.is_default(),
            Some(own) => own == queue,
        }
    }
}
