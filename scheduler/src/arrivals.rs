//! Who has waited longest: the waiting jobs by since when they could run, for the one metric that asks.
//!
//! Entries of jobs that no longer wait are dropped when they come to the front, and all at once when they outnumber
//! the waiting ones.

use std::collections::{BTreeSet, VecDeque};

use ostler_job::Mono;

use crate::jobs::{JobIx, Jobs};

/// A job that waits, since when, and which time it does.
type Entry = (Mono, u32, JobIx);

/// Waiting jobs by since when they could run.
#[derive(Default)]
pub(crate) struct Arrivals {
    queue: VecDeque<Entry>,
    /// The same of jobs that came back, or late.
    back: BTreeSet<Entry>,
    /// The front may have gone: else its job is not looked at, which would be a cache miss.
    stale: bool,
}

impl Arrivals {
    pub(crate) fn push(&mut self, jobs: &Jobs, job: JobIx) {
        let it = &jobs[job];
        let entry = (it.arrival, it.position, job);
        if self.queue.back().is_none_or(|&(last, ..)| last <= entry.0) {
            self.queue.push_back(entry);
        } else {
            self.back.insert(entry);
        }
    }

    /// A job that could run since then waits no more.
    #[inline]
    pub(crate) fn leave(&mut self, since: Mono) {
        self.stale |= self.queue.front().is_some_and(|&(first, ..)| first == since);
        self.stale |= self.back.first().is_some_and(|&(first, ..)| first == since);
    }

    /// The job that has waited longest; true after [`Arrivals::tidy`].
    pub(crate) fn first(&self) -> Option<JobIx> {
        let firsts = [self.queue.front(), self.back.first()];
        firsts.into_iter().flatten().min().map(|&(.., job)| job)
    }

    pub(crate) fn tidy(&mut self, jobs: &Jobs, waiting: usize) {
        let is_true = |&(_, turn, job): &Entry| jobs.stays(job, turn);
        if self.queue.len() + self.back.len() > 2 * waiting + 64 {
            self.queue.retain(is_true);
            self.back.retain(is_true);
        }
        if !std::mem::take(&mut self.stale) {
            return;
        }
        while self.queue.front().is_some_and(|it| !is_true(it)) {
            self.queue.pop_front();
        }
        while self.back.first().is_some_and(|it| !is_true(it)) {
            self.back.pop_first();
        }
    }

    /// Asserts the order and that the front waits.
    pub(crate) fn check(&self, jobs: &Jobs, waiting: usize) {
        let times = self.queue.iter().map(|&(since, ..)| since);
        assert!(times.is_sorted(), "arrivals are in the order in which they could run");
        let is_true = |&&(_, turn, job): &&Entry| jobs.stays(job, turn);
        let live = self.queue.iter().chain(&self.back).filter(is_true).count();
        assert_eq!(live, waiting, "every waiting job is among the arrivals once");
        for first in [self.queue.front(), self.back.first()].into_iter().flatten() {
            assert!(self.stale || is_true(&first), "the eldest waits");
        }
    }
}
