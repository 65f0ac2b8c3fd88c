//! When waiting jobs give up: their queue deadlines, earliest first.
//!
//! An entry is true while its job waits with just that deadline; others are dropped as they surface, and all at once
//! when they outnumber the waiting jobs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ostler_job::Mono;

use crate::jobs::{JobIx, Jobs, NEVER};

/// The queue deadlines of waiting jobs.
#[derive(Default)]
pub(crate) struct Expiry {
    heap: BinaryHeap<Reverse<(Mono, JobIx)>>,
    /// The head may be true no more: else its job is not looked at, which would be a cache miss.
    stale: bool,
}

impl Expiry {
    pub(crate) fn watch(&mut self, jobs: &Jobs, job: JobIx) {
        let at = jobs[job].expires;
        if at != NEVER {
            self.heap.push(Reverse((at, job)));
        }
    }

    /// A job with this deadline waits no more.
    #[inline]
    pub(crate) fn leave(&mut self, expires: Mono) {
        self.stale |= expires != NEVER && self.first() == Some(expires);
    }

    /// The earliest deadline; clean the head with [`Expiry::tidy`] after every change.
    pub(crate) fn first(&self) -> Option<Mono> {
        self.heap.peek().map(|&Reverse((at, _))| at)
    }

    /// The next job whose deadline has come.
    pub(crate) fn pop_due(&mut self, jobs: &Jobs, now: Mono) -> Option<JobIx> {
        while let Some(&Reverse((at, job))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            self.stale = true;
            if is_true(jobs, at, job) {
                return Some(job);
            }
        }
        None
    }

    /// Drops what is no longer true from the head, and everywhere when there is much of it.
    pub(crate) fn tidy(&mut self, jobs: &Jobs, waiting: usize) {
        if self.heap.len() > 2 * waiting + 64 {
            self.heap.retain(|&Reverse((at, job))| is_true(jobs, at, job));
        }
        if !std::mem::take(&mut self.stale) {
            return;
        }
        while let Some(&Reverse((at, job))) = self.heap.peek() {
            if is_true(jobs, at, job) {
                return;
            }
            self.heap.pop();
        }
    }

    /// Asserts that every waiting job with a deadline is watched.
    pub(crate) fn check(&self, jobs: &Jobs) {
        let mut watched: Vec<_> = self.heap.iter().map(|&Reverse(entry)| entry).collect();
        watched.sort_unstable();
        let first = watched.first().is_none_or(|&(at, job)| self.stale || is_true(jobs, at, job));
        assert!(first, "the earliest deadline is one of a job that waits");
        for (ix, job) in jobs.iter() {
            if job.state.is_waiting() && job.expires != NEVER {
                let found = watched.binary_search(&(job.expires, ix)).is_ok();
                assert!(found, "waiting job {} has its deadline watched", job.id);
            }
        }
    }
}

fn is_true(jobs: &Jobs, at: Mono, job: JobIx) -> bool {
    jobs[job].state.is_waiting() && jobs[job].expires == at
}
