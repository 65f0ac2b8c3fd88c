//! Whether jobs that runners have at once may have what they name: a serial key, or a resource, is one job's, or of those that share it.
//!
//! Who was here first is what counts: a job that its runner brings back after it was given up may find others at what it names.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{
    JobId,
    durable::{JobState, ResourceMode, Resources, Status},
};

/// What the jobs name, and which of them runners have.
#[derive(Clone, Default)]
pub(crate) struct Claims {
    named: BTreeMap<JobId, Resources>,
    out: BTreeSet<JobId>,
    /// Those that were out before the commit that is written now.
    before: BTreeSet<JobId>,
    /// Those that it gave to a runner, and those that a runner brought back.
    given: BTreeSet<JobId>,
    back: BTreeSet<JobId>,
}

impl Claims {
    /// A new job.
    pub(crate) fn submitted(&mut self, job: JobId, needs: &Resources) {
        if !needs.is_empty() {
            self.named.insert(job, needs.clone());
        }
    }

    /// The job was written so.
    pub(crate) fn status(&mut self, job: JobId, status: &Status, is_new: bool) {
        if !self.named.contains_key(&job) {
            return;
        }
        let was_out = self.out.remove(&job);
        if !status.state.is_out() {
            return;
        }
        self.out.insert(job);
        if is_new && status.state == JobState::Leased {
            self.given.insert(job);
        } else if !was_out {
            self.back.insert(job);
        }
    }

    /// A commit is whole; what is wrong with it.
    pub(crate) fn committed(&mut self) -> Option<String> {
        let before = std::mem::replace(&mut self.before, self.out.clone());
        let given = std::mem::take(&mut self.given);
        let back = std::mem::take(&mut self.back);
        let out = |it: &&JobId| self.out.contains(it);
        let new = given.iter().filter(out).find_map(|job| {
            let met = self.met(job, |it| before.contains(it) || given.contains(it))?;
            Some(format!("job {job} is given to a runner, and job {met} has what it names"))
        });
        let late = || {
            back.iter().filter(out).find_map(|job| {
                let met = self.met(job, |it| before.contains(it))?;
                Some(format!("job {job} goes on at its runner, and job {met} has what it names"))
            })
        };
        new.or_else(late)
    }

    /// One of these that has what the job names.
    fn met(&self, job: &JobId, counts: impl Fn(&JobId) -> bool) -> Option<JobId> {
        let mut others = self.out.iter().filter(|it| *it != job && counts(it));
        others.find(|other| self.exclude(job, other)).copied()
    }

    fn exclude(&self, one: &JobId, other: &JobId) -> bool {
        let (one, other) = (&self.named[one], &self.named[other]);
        let is_own = |mode: &ResourceMode| *mode == ResourceMode::Exclusive;
        let meets = |(name, mode): (&String, &ResourceMode)| {
            other.resources.get(name).is_some_and(|it| is_own(it) || is_own(mode))
        };
        (one.serial.is_some() && one.serial == other.serial) || one.resources.iter().any(meets)
    }
}
