//! What must hold between events.

use std::collections::BTreeMap;

use ostler_job::durable::JobState;

use super::{Driver, counts::Counts};

/// Jobs that are asked for their reasons in one look, about.
const REASONS: u64 = 64;

impl Driver {
    /// Asserts everything that holds between two events. It looks at every job.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub fn check_invariants(&self) {
        let mut counts = Counts::default();
        let mut held: BTreeMap<u32, usize> = BTreeMap::new();
        let (mut expiring, mut out, mut paused) = (0, 0, 0);
        for (id, job) in self.jobs.iter() {
            counts.add(job.whose(), job.state, 1);
            counts.redirect(None, job.moves_to());
            assert!(!job.state.is_finished(), "job {id} is over and forgotten");
            assert!(!job.touched, "job {id} is written");
            expiring += usize::from(self.timers.awaits_end(id, job.expires));
            if let Some(runner) = job.at() {
                *held.entry(runner).or_default() += 1;
                out += 1;
            }
            // Of many some stand for all: each looks at its line.
            if id.0 % (1 + self.jobs.len() as u64 / REASONS) == 0 {
                let is_told = self.why(id, self.timers.seen()).is_some();
                assert!(is_told, "job {id} waits, and has a reason");
            }
            let is_held =
                job.state == JobState::Paused || job.run.as_ref().is_some_and(|it| it.stop);
            assert!(is_held || !self.pauses.contains_key(&id), "job {id} is paused by somebody");
            paused += usize::from(self.pauses.contains_key(&id));
            assert!(job.attempts == 0 || job.run.is_some(), "job {id} knows its last attempt");
        }
        assert_eq!(counts, self.jobs.counts, "jobs are counted by state, tenant and queue");
        let counts = counts.states;
        let (scheduled, retrying, awaited) = self.timers.lens();
        assert_eq!(scheduled as u64, counts[JobState::Scheduled as usize], "scheduled jobs wait");
        assert_eq!(retrying as u64, counts[JobState::Retrying as usize], "retrying jobs wait");
        assert_eq!(paused, self.pauses.len(), "only jobs that are known are paused by somebody");
        assert_eq!(expiring, awaited, "only jobs that are known are awaited");
        let pending = counts[JobState::Pending as usize];
        assert_eq!(self.scheduler.waiting() as u64, pending, "pending jobs are queued");
        assert_eq!(self.scheduler.running(), out, "leased jobs hold their slots");
        for (number, runner) in self.runners.iter() {
            let counted = held.remove(&number).unwrap_or_default();
            assert_eq!(runner.leased.len(), counted, "a runner has its jobs");
            assert!(!runner.is_lost() || runner.leased.is_empty(), "a lost runner has none");
        }
        assert!(held.is_empty(), "every job that is out is at a known runner");
        self.schedules.check(|job| self.jobs.get(job).is_some());
        self.runners.check();
        self.check_attached();
        self.scheduler.check_invariants();
    }

    /// In debug builds, checks often while there are few jobs, and more seldom with more.
    #[cfg(debug_assertions)]
    pub(super) fn mutated(&mut self) {
        self.unchecked += 1;
        if self.unchecked > (self.jobs.len() + self.schedules.len()) / 16 {
            self.unchecked = 0;
            self.check_invariants();
        }
    }

    /// Release builds do not check by themselves.
    #[cfg(not(debug_assertions))]
    #[inline]
    pub(super) fn mutated(&mut self) {}
}
