//! Who has waited longest: the waiting jobs in the order they were submitted, for the one metric that asks.
//!
//! Entries of jobs that no longer wait are dropped when they come to the front, and all at once when they outnumber
//! the waiting ones.

use std::collections::VecDeque;

use crate::jobs::{JobIx, Jobs};

/// Waiting jobs by submit.
#[derive(Default)]
pub(crate) struct Arrivals {
    queue: VecDeque<(u64, JobIx)>,
    /// The front may have gone: else its job is not looked at, which would be a cache miss.
    stale: bool,
}

impl Arrivals {
    pub(crate) fn push(&mut self, jobs: &Jobs, job: JobIx) {
        let seq = jobs[job].seq;
        if self.queue.back().is_none_or(|&(last, _)| last < seq) {
            self.queue.push_back((seq, job));
        } else if let Err(at) = self.queue.binary_search(&(seq, job)) {
            // A returned job whose entry is already dropped; it is rare, and near the front.
            self.queue.insert(at, (seq, job));
        }
    }

    /// The job of this submit waits no more.
    #[inline]
    pub(crate) fn leave(&mut self, seq: u64) {
        self.stale |= self.queue.front().is_some_and(|&(first, _)| first == seq);
    }

    /// The job that has waited longest; true after [`Arrivals::tidy`].
    pub(crate) fn first(&self) -> Option<JobIx> {
        self.queue.front().map(|&(_, job)| job)
    }

    pub(crate) fn tidy(&mut self, jobs: &Jobs, waiting: usize) {
        if self.queue.len() > 2 * waiting + 64 {
            self.queue.retain(|&(seq, job)| jobs.stays(job, seq));
        }
        if !std::mem::take(&mut self.stale) {
            return;
        }
        while let Some(&(seq, job)) = self.queue.front() {
            if jobs.stays(job, seq) {
                return;
            }
            self.queue.pop_front();
        }
    }

    /// Asserts the order and that the front waits.
    pub(crate) fn check(&self, jobs: &Jobs, waiting: usize) {
        assert!(self.queue.iter().is_sorted(), "arrivals are in the order they were submitted");
        let live = self.queue.iter().filter(|&&(seq, job)| jobs.stays(job, seq)).count();
        assert_eq!(live, waiting, "every waiting job is among the arrivals once");
        if let Some(&(seq, job)) = self.queue.front() {
            assert!(self.stale || jobs.stays(job, seq), "the eldest waits");
        }
    }
}
