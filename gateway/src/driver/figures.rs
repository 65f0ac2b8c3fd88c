//! Numbers for the metrics, and the runners as the API shows them.

use ostler_job::{Now, Since, Wall, durable::JobState};

use super::{
    Driver,
    event::{Figures, RunnerState},
};

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
        }
    }
}

impl Driver {
    /// The present numbers.
    pub fn figures(&self, now: Now) -> Figures {
        let eldest = self.scheduler.eldest().map(|id| &self.jobs[id]);
        let since = |job| Since::ago(self.runnable(job, now), now.mono);
        let (mut slots, mut busy) = (0, 0);
        for (_, runner) in self.runners.iter() {
            slots += if self.resting { 0 } else { runner.offered() };
            busy += runner.jobs.len() as u32;
        }
        let counters = &self.counters;
        Figures {
            states: self.jobs.counts.clone(),
            oldest_runnable: eldest.map(since),
            slots: (slots, busy),
            submitted: counters.submitted,
            started: counters.started,
            finished: counters.finished.clone(),
            retried: counters.retried,
            leases_lost: counters.lost,
            quarantined: counters.quarantined,
            fence_rejected: counters.fence_rejected,
        }
    }

    /// Runners that are connected, or have jobs.
    pub fn runners(&self) -> Vec<RunnerState> {
        let shown = self.runners.iter().filter(|(_, it)| it.connected || !it.jobs.is_empty());
        let state = |(number, it): (u32, &super::runners::Runner)| RunnerState {
            name: self.hosts.name(number).clone(),
            connected: it.connected && !it.is_lost(),
            draining: it.draining,
            slots: it.slots,
            running: it.jobs.iter().copied().collect(),
            heard_at: (it.heard_at != Wall(0)).then_some(it.heard_at),
        };
        shown.map(state).collect()
    }
}
