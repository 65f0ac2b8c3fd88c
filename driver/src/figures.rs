//! Numbers for the metrics.

use std::sync::Arc;

use ostler_job::{
    Now, Since,
    durable::{Fate, JobState, Queue},
};

use super::{Driver, event::Figures};

/// What has happened in this life.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) submitted: u64,
    pub(super) started: u64,
    /// By state, in the order of [`JobState::ALL`].
    pub(super) finished: Vec<u64>,
    pub(super) retried: u64,
    pub(super) lost: u64,
    pub(super) quarantined: u64,
    pub(super) fence_rejected: u64,
    /// Firings by what became of them, in the order of [`Fate::ALL`].
    pub(super) firings: Vec<u64>,
}

impl Default for Counters {
    fn default() -> Self {
        let finished = vec![0; JobState::ALL.len()];
        Self {
            submitted: 0,
            started: 0,
            finished,
            retried: 0,
            lost: 0,
            quarantined: 0,
            fence_rejected: 0,
            firings: vec![0; Fate::ALL.len()],
        }
    }
}

impl Driver {
    /// The present numbers.
    pub fn figures(&self, now: Now) -> Figures {
        let eldest = self.scheduler.eldest().map(|id| &self.jobs[id]);
        let since = |job| Since::ago(self.runnable(job, now), now.mono);
        let counters = &self.counters;
        let queues = self.queues.iter();
        let places =
            |(number, queue): (u32, &Arc<Queue>)| (queue.clone(), self.jobs.counts.places(number));
        Figures {
            queues: queues.map(places).collect(),
            states: self.jobs.counts.states.clone(),
            oldest_runnable: eldest.map(since),
            slots: self.slots(),
            submitted: counters.submitted,
            started: counters.started,
            finished: counters.finished.clone(),
            retried: counters.retried,
            leases_lost: counters.lost,
            quarantined: counters.quarantined,
            fence_rejected: counters.fence_rejected,
            schedules: self.schedule_figures(),
        }
    }

    /// Slots of all runners that take jobs, and those that are taken.
    pub(super) fn slots(&self) -> (u32, u32) {
        let (mut slots, mut busy) = (0, 0);
        for (number, runner) in self.runners.iter() {
            slots += if self.resting { 0 } else { self.runners.offered(number) };
            busy += runner.leased.len() as u32;
        }
        (slots, busy)
    }
}
