//! What is done once its changes are safe: frames to runners, answers to whoever asked.

use std::{collections::HashMap, sync::Arc};

use ostler_job::{
    JobId,
    durable::{AttemptKey, Ending, Reason, Report, Spec},
};

use super::{act::Act, link::Outgoing};
use crate::driver::{Effect, Reports, RunnerName};

impl Act {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut frames = Outgoing::default();
        for effect in effects {
            match effect {
                Effect::Run { runner, key, waited, late } => {
                    self.shared.metrics.leased(waited, late);
                    self.shared.runners.note(&runner, key.job, true);
                    frames.run(runner, key);
                }
                Effect::Settle { runner, key, fenced } => {
                    self.shared.runners.note(&runner, key.job, false);
                    // After a restart the driver does not know what an earlier life has recorded.
                    let fenced = fenced && !self.is_recorded(key);
                    self.shared.metrics.settled(fenced);
                    if fenced {
                        self.shared.bytes.forget(key);
                    }
                    // A log that is not whole yet is waited for; then the mover settles.
                    if fenced || !self.shared.bytes.settle(key) {
                        frames.settle(runner, key, fenced);
                    }
                }
                Effect::Steer { runner, key, order } => frames.steer(runner, key, order),
                Effect::Answer { ticket, answers } => {
                    if let Some(asker) = self.asked.remove(&ticket) {
                        // Who asked may have gone.
                        let _ = asker.send(Ok(answers));
                    }
                }
                Effect::Changed { job } => self.shared.watches.poke(job),
                Effect::Deleted { job } => {
                    self.shared.watches.poke(job);
                    self.shared.bytes.delete(job);
                }
            }
        }
        let specs = self.specs_of(&frames.wanted());
        self.take_back(frames.send(&self.shared.runners, &specs));
    }

    /// Whether the end of an attempt is in the store as its runner told it. One that was given up when its lease ran out
    /// is there as well, without a word of its runner: if it still runs, it is to be killed.
    fn is_recorded(&self, key: AttemptKey) -> bool {
        let attempts = self.shared.store.attempts(key.job).unwrap_or_default();
        let told = |ending: &Ending| ending.reason != Reason::Lost || ending.detail.is_some();
        attempts.iter().any(|it| it.key == key && it.ending.as_ref().is_some_and(told))
    }

    /// What could not be sent was not started.
    fn take_back(&mut self, unsent: Vec<(RunnerName, AttemptKey)>) {
        for (runner, key) in unsent {
            let reports = vec![Report::NotStarted { key }];
            self.hear_reports(Reports { runner, reports });
        }
        self.collect();
    }

    /// The specs of jobs that are to run: from memory, the others from the store.
    fn specs_of(&mut self, jobs: &[JobId]) -> HashMap<JobId, Arc<Spec>> {
        let mut found: HashMap<_, _> =
            jobs.iter().filter_map(|job| Some((*job, self.specs.take(*job)?))).collect();
        let missing: Vec<JobId> =
            jobs.iter().copied().filter(|job| !found.contains_key(job)).collect();
        if !missing.is_empty() {
            match self.shared.store.jobs(&missing) {
                Ok(jobs) => found.extend(jobs.into_iter().map(|job| (job.id, Arc::new(job.spec)))),
                // They are taken back, and granted again.
                Err(error) => self.shared.warn(format!("jobs cannot be read: {error}")),
            }
        }
        found
    }
}
