//! The line at one resource: who holds it, and who waits for it in the order of the jobs' ids.
//!
//! Who may have it next are always the first of the line: shared claims up to the first exclusive one, or that one alone once
//! nobody holds the resource. So one bound says who is admitted, and a change touches those between the old bound and the new.

use std::collections::BTreeSet;

use ostler_job::JobId;

/// One line.
pub(super) enum Line {
    /// One job has it for itself, and nobody waits: so are nearly all.
    Alone(JobId),
    /// As it comes.
    Crowd(Box<Crowd>),
}

impl Line {
    /// The same with room for more.
    pub(super) fn crowd(&mut self) -> &mut Crowd {
        if let Self::Alone(job) = *self {
            *self = Self::Crowd(Box::new(Crowd { holders: vec![job], ..Crowd::default() }));
        }
        match self {
            Self::Crowd(it) => it,
            Self::Alone(_) => unreachable!("it was made a crowd"),
        }
    }

    /// The job is in the line no more; what that changes for others, and whether nobody is left.
    pub(super) fn leave(&mut self, job: JobId) -> (Moved, bool) {
        match self {
            Self::Alone(it) => (Moved::default(), *it == job),
            Self::Crowd(it) => (it.leave(job), it.is_empty()),
        }
    }

    /// A job that stands in the way of a waiting one.
    pub(super) fn blocker(&self, job: JobId) -> Option<JobId> {
        match self {
            Self::Alone(it) => Some(*it),
            Self::Crowd(it) => it.blocker(job),
        }
    }

    /// A job that has it, and with which this one cannot: its own place is not looked at.
    pub(super) fn excludes(&self, job: JobId, exclusive: bool) -> Option<JobId> {
        match self {
            Self::Alone(it) => Some(*it).filter(|it| *it != job),
            Self::Crowd(it) => {
                let sharers = it.sharers.iter().filter(|_| exclusive);
                it.holders.iter().chain(sharers).find(|it| **it != job).copied()
            }
        }
    }

    /// Whether a waiting job may have it.
    pub(super) fn admits(&self, job: JobId) -> bool {
        matches!(self, Self::Crowd(it) if it.admits(job))
    }

    pub(super) fn check(&self) {
        if let Self::Crowd(it) = self {
            it.check();
            assert!(!it.is_empty(), "a line is kept while it has a job");
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::Crowd(Box::default())
    }
}

/// A line with several jobs, or of those that share.
#[derive(Default)]
pub(super) struct Crowd {
    /// Jobs that hold it for themselves: one, or more where that was decided before anybody here knew of them.
    holders: Vec<JobId>,
    /// Jobs that hold it together.
    sharers: BTreeSet<JobId>,
    /// Jobs that wait for it, or for another of their resources, and want it for themselves.
    exclusive: BTreeSet<JobId>,
    /// The same of jobs that would share it.
    shared: BTreeSet<JobId>,
    /// Waiting jobs below this id may have it.
    bound: u64,
}

/// Jobs that may have the resource from now on, and those that may not any more.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) admitted: Vec<JobId>,
    pub(super) excluded: Vec<JobId>,
}

impl Crowd {
    fn is_empty(&self) -> bool {
        self.is_free() && self.exclusive.is_empty() && self.shared.is_empty()
    }

    /// Whether nobody holds it.
    fn is_free(&self) -> bool {
        self.holders.is_empty() && self.sharers.is_empty()
    }

    /// The first of those that wait.
    fn first(&self) -> Option<JobId> {
        let firsts = [self.exclusive.first(), self.shared.first()];
        firsts.into_iter().flatten().min().copied()
    }

    /// The job waits here; answers whether it may have the resource, and what that changes for others.
    pub(super) fn enter(&mut self, job: JobId, exclusive: bool) -> (bool, Moved) {
        if self.is_empty() {
            self.bound = self.limit();
        }
        if exclusive { &mut self.exclusive } else { &mut self.shared }.insert(job);
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
        let exclusive = self.exclusive.remove(&job);
        assert!(exclusive || self.shared.remove(&job), "only who waits comes to hold");
        self.force(job, exclusive)
    }

    /// The job holds it, whoever else does.
    pub(super) fn force(&mut self, job: JobId, exclusive: bool) -> Moved {
        if exclusive {
            self.holders.push(job);
        } else {
            self.sharers.insert(job);
        }
        self.update()
    }

    fn leave(&mut self, job: JobId) -> Moved {
        if let Some(at) = self.holders.iter().position(|&it| it == job) {
            self.holders.swap_remove(at);
        } else if !self.sharers.remove(&job) && !self.exclusive.remove(&job) {
            self.shared.remove(&job);
        }
        self.update()
    }

    fn admits(&self, job: JobId) -> bool {
        job.0 < self.bound
    }

    fn blocker(&self, job: JobId) -> Option<JobId> {
        if self.admits(job) {
            return None;
        }
        let (held, before) = if self.exclusive.contains(&job) {
            (self.holders.iter().min().or_else(|| self.sharers.first()), self.first())
        } else {
            (self.holders.iter().min(), self.exclusive.first().copied())
        };
        held.copied().or_else(|| before.filter(|&it| it < job))
    }

    fn limit(&self) -> u64 {
        if !self.holders.is_empty() {
            return 0;
        }
        let Some(&first) = self.exclusive.first() else { return u64::MAX };
        let is_next = self.sharers.is_empty() && self.first() == Some(first);
        if is_next { first.0 + 1 } else { first.0 }
    }

    fn update(&mut self) -> Moved {
        let (old, new) = (self.bound, self.limit());
        self.bound = new;
        if new > old {
            Moved { admitted: self.between(old, new), excluded: Vec::new() }
        } else {
            Moved { admitted: Vec::new(), excluded: self.between(new, old) }
        }
    }

    /// Who waits and has such an id, in order.
    fn between(&self, from: u64, to: u64) -> Vec<JobId> {
        let range = JobId(from)..JobId(to);
        let mut jobs: Vec<JobId> = self.exclusive.range(range.clone()).copied().collect();
        if !self.shared.is_empty() {
            jobs.extend(self.shared.range(range));
            jobs.sort_unstable();
        }
        jobs
    }

    fn check(&self) {
        assert_eq!(self.bound, self.limit(), "who is admitted follows from who holds and waits");
        let twice = self.holders.iter().any(|it| self.sharers.contains(it));
        assert!(!twice, "a job holds it once");
        assert!(self.exclusive.is_disjoint(&self.shared), "a job waits in one way");
    }
}
