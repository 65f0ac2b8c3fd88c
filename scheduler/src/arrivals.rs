//! Who has waited longest: the waiting jobs in the order they were submitted, for the one metric that asks.
//!
//! Entries of jobs that no longer wait are dropped when they come to the front, and all at once when they outnumber
//! the waiting ones.

use std::collections::{BTreeSet, VecDeque};

use crate::event::Arrival;
use crate::jobs::{JobIx, Jobs};

/// Waiting jobs by submit.
#[derive(Default)]
pub(crate) struct Arrivals {
    queue: VecDeque<(u64, JobIx)>,
    /// The same of jobs that came back to their places among those.
    back: BTreeSet<(u64, JobIx)>,
    /// The front may have gone: else its job is not looked at, which would be a cache miss.
    stale: bool,
}

impl Arrivals {
    pub(crate) fn push(&mut self, jobs: &Jobs, job: JobIx) {
        let seq = jobs[job].seq;
        if self.queue.back().is_none_or(|&(last, _)| last < seq) {
            self.queue.push_back((seq, job));
            return;
        }
        let Err(at) = self.queue.binary_search(&(seq, job)) else { return };
        // Of a job that left its place just now, the entry is there.
        match at.checked_sub(1).and_then(|before| self.queue.get_mut(before)) {
            Some(entry) if Arrival(entry.0).is_of(Arrival(seq)) => *entry = (seq, job),
            Some(_) | None => {
                self.back.insert((seq, job));
            }
        }
    }

    /// The job of this submit waits no more.
    #[inline]
    pub(crate) fn leave(&mut self, seq: u64) {
        self.stale |= self.queue.front().is_some_and(|&(first, _)| first == seq);
        self.stale |= self.back.first().is_some_and(|&(first, _)| first == seq);
    }

    /// The job that has waited longest; true after [`Arrivals::tidy`].
    pub(crate) fn first(&self) -> Option<JobIx> {
        let firsts = [self.queue.front(), self.back.first()];
        firsts.into_iter().flatten().min().map(|&(_, job)| job)
    }

    pub(crate) fn tidy(&mut self, jobs: &Jobs, waiting: usize) {
        let is_true = |&(seq, job): &(u64, JobIx)| jobs.stays(job, seq);
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
        assert!(self.queue.iter().is_sorted(), "arrivals are in the order they were submitted");
        let is_true = |&&(seq, job): &&(u64, JobIx)| jobs.stays(job, seq);
        let live = self.queue.iter().chain(&self.back).filter(is_true).count();
        assert_eq!(live, waiting, "every waiting job is among the arrivals once");
        for first in [self.queue.front(), self.back.first()].into_iter().flatten() {
            assert!(self.stale || is_true(&first), "the eldest waits");
        }
    }
}
