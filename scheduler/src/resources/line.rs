//! The line at one resource: who holds it, and who waits for it in the order of the jobs' ids.
//!
//! Who may have it next are always the first of the line: shared claims up to the first exclusive one, or that one alone once
//! nobody holds the resource. So one bound says who is admitted, and a change touches those between the old bound and the new.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::JobId;

/// One line.
#[derive(Default)]
pub(super) struct Line {
    /// Jobs that hold it; true: exclusively.
    holders: BTreeMap<JobId, bool>,
    exclusive_holders: usize,
    /// Jobs that wait for it, or for another of their resources; true: exclusively.
    waiting: BTreeMap<JobId, bool>,
    waiting_exclusive: BTreeSet<JobId>,
    /// Waiting jobs below this id may have it.
    bound: u64,
}

/// Jobs that may have the resource from now on, and those that may not any more.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) admitted: Vec<JobId>,
    pub(super) excluded: Vec<JobId>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.waiting.is_empty()
    }

    /// The job waits here; answers whether it may have the resource, and what that changes for others.
    pub(super) fn enter(&mut self, job: JobId, exclusive: bool) -> (bool, Moved) {
        if self.is_empty() {
            self.bound = self.limit();
        }
        self.waiting.insert(job, exclusive);
        if exclusive {
            self.waiting_exclusive.insert(job);
        }
        let was = job.0 < self.bound;
        let mut moved = self.update();
        // Counted for the job itself by what is answered.
        let excluded = |jobs: &mut Vec<JobId>| {
            let at = jobs.iter().position(|&it| it == job);
            at.map(|at| jobs.swap_remove(at)).is_some()
        };
        let is_admitted =
            if was { !excluded(&mut moved.excluded) } else { excluded(&mut moved.admitted) };
        (is_admitted, moved)
    }

    /// The waiting job, which may, holds it from now on.
    pub(super) fn hold(&mut self, job: JobId) -> Moved {
        let exclusive = self.waiting.remove(&job).expect("only who waits comes to hold");
        self.waiting_exclusive.remove(&job);
        self.holders.insert(job, exclusive);
        self.exclusive_holders += usize::from(exclusive);
        self.update()
    }

    /// The job holds it, whoever else does.
    pub(super) fn force(&mut self, job: JobId, exclusive: bool) -> Moved {
        self.holders.insert(job, exclusive);
        self.exclusive_holders += usize::from(exclusive);
        self.update()
    }

    /// The job is in the line no more.
    pub(super) fn leave(&mut self, job: JobId) -> Moved {
        if let Some(exclusive) = self.holders.remove(&job) {
            self.exclusive_holders -= usize::from(exclusive);
        } else {
            self.waiting.remove(&job);
            self.waiting_exclusive.remove(&job);
        }
        self.update()
    }

    /// Whether a waiting job may have it.
    pub(super) fn admits(&self, job: JobId) -> bool {
        job.0 < self.bound
    }

    /// A job that stands in the way of a waiting one.
    pub(super) fn blocker(&self, job: JobId) -> Option<JobId> {
        if self.admits(job) {
            return None;
        }
        let exclusive = self.waiting.get(&job).copied()?;
        // Who shares it with many others is not to look through all of them.
        let some = exclusive || self.exclusive_holders > 0;
        let mut holders = self.holders.iter().filter(|_| some);
        let holder = holders.find(|&(_, &held)| exclusive || held).map(|(&it, _)| it);
        let before = if exclusive {
            self.waiting.keys().next().copied()
        } else {
            self.waiting_exclusive.first().copied()
        };
        holder.or_else(|| before.filter(|&it| it < job))
    }

    fn limit(&self) -> u64 {
        if self.exclusive_holders > 0 {
            return 0;
        }
        let Some(&first) = self.waiting_exclusive.first() else { return u64::MAX };
        let is_next = self.holders.is_empty() && self.waiting.keys().next() == Some(&first);
        if is_next { first.0 + 1 } else { first.0 }
    }

    fn update(&mut self) -> Moved {
        let (old, new) = (self.bound, self.limit());
        self.bound = new;
        let between = |from: u64, to: u64| {
            self.waiting.range(JobId(from)..JobId(to)).map(|(&job, _)| job).collect()
        };
        if new > old {
            Moved { admitted: between(old, new), excluded: Vec::new() }
        } else {
            Moved { admitted: Vec::new(), excluded: between(new, old) }
        }
    }

    pub(super) fn check(&self) {
        assert_eq!(self.bound, self.limit(), "who is admitted follows from who holds and waits");
        let exclusive = self.holders.values().filter(|&&it| it).count();
        assert_eq!(exclusive, self.exclusive_holders, "exclusive holders are counted");
        let waiting = self.waiting.iter().filter(|&(_, &it)| it).map(|(&job, _)| job);
        assert!(waiting.eq(self.waiting_exclusive.iter().copied()), "exclusive claims are listed");
    }
}
