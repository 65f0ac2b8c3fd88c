//! The waiting jobs of one flow: a priority queue with lazy deletion, smallest key first.
//!
//! A job that is cancelled leaves its entry behind; entries whose job no longer waits are dropped when they come to
//! the head, and all at once when they outnumber the live ones. So nothing has to track positions, and a cancel costs
//! no search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ostler_job::Mono;

use crate::jobs::{Job, JobIx, Jobs};

/// Jobs that are looked at, at most, to tell how much goes before another.
const SAMPLE: usize = 2048;

/// A waiting job and what it is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: Mono,
    pub(crate) seq: u64,
    pub(crate) job: JobIx,
    /// Which time it waits, of all jobs and times.
    turn: u32,
}

impl Entry {
    /// That of a job which waits, by this key.
    #[inline]
    pub(crate) fn of(key: Mono, job: &Job, ix: JobIx) -> Self {
        Self { key, seq: job.seq, job: ix, turn: job.position }
    }

    #[inline]
    fn waits(&self, jobs: &Jobs) -> bool {
        jobs.waits(self.job, (self.seq, self.turn))
    }
}

/// Waiting jobs by `(key, seq)`. The head, if there is one, always waits.
#[derive(Default)]
pub(crate) struct Waitlist {
    heap: BinaryHeap<Reverse<Entry>>,
    live: u32,
}

impl Waitlist {
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub(crate) fn head(&self) -> Option<Entry> {
        self.heap.peek().map(|&Reverse(entry)| entry)
    }

    /// The cost of all jobs that go before one with this key. Of many, some stand for all.
    pub(crate) fn ahead(&self, jobs: &Jobs, of: (Mono, u64)) -> u128 {
        let entries = self.heap.as_slice();
        // Odd, so that it does not follow the heap's levels.
        let step = entries.len().div_ceil(SAMPLE) | 1;
        let sample = entries.iter().step_by(step).map(|Reverse(entry)| entry);
        let before = sample.filter(|it| (it.key, it.seq) < of && it.waits(jobs));
        before.map(|it| u128::from(jobs[it.job].cost.0) * step as u128).sum()
    }

    /// How many jobs go before one with this key, and whether that is exact. Of many, about so many entries stand for all.
    pub(crate) fn before(&self, jobs: &Jobs, (key, seq): (Mono, u64), looks: usize) -> (u32, bool) {
        let entries = self.heap.as_slice();
        let step = if entries.len() <= looks { 1 } else { entries.len().div_ceil(looks) | 1 };
        let is_clean = entries.len() == self.live as usize;
        let sample = entries.iter().step_by(step).map(|Reverse(entry)| entry);
        let before =
            sample.filter(|it| (it.key, it.seq) < (key, seq) && (is_clean || it.waits(jobs)));
        let counted = u32::try_from(before.count() * step).unwrap_or(u32::MAX);
        // It is one of them itself.
        (counted.min(self.live.saturating_sub(1)), step == 1)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.heap.push(Reverse(entry));
        self.live += 1;
    }

    pub(crate) fn pop(&mut self, jobs: &Jobs) -> Option<Entry> {
        let Reverse(entry) = self.heap.pop()?;
        self.live -= 1;
        self.drop_stale(jobs);
        Some(entry)
    }

    /// One of its jobs no longer waits.
    pub(crate) fn lose(&mut self, jobs: &Jobs) {
        self.live -= 1;
        if self.heap.len() > 2 * self.live as usize + 16 {
            self.heap.retain(|Reverse(entry)| entry.waits(jobs));
        }
        self.drop_stale(jobs);
    }

    /// Back to a new one's state, keeping a small buffer for the next flow.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.heap.shrink_to(4);
        self.live = 0;
    }

    fn drop_stale(&mut self, jobs: &Jobs) {
        // The usual list has none, and then the head's entry in the table is not touched: it would be a cache miss.
        if self.heap.len() == self.live as usize {
            return;
        }
        while let Some(entry) = self.head() {
            if entry.waits(jobs) {
                return;
            }
            self.heap.pop();
        }
    }

    /// Asserts that the live count is true and that the head waits.
    pub(crate) fn check(&self, jobs: &Jobs) {
        let live = self.heap.iter().filter(|Reverse(entry)| entry.waits(jobs));
        assert_eq!(live.count(), self.live as usize, "a list's count is that of its waiting jobs");
        if let Some(head) = self.head() {
            assert!(head.waits(jobs), "a list's head waits");
        }
        assert!(self.heap.len() <= 2 * self.live as usize + 17, "stale entries are bounded");
    }
}
