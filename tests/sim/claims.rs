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
    /// Those that it gave to a runner.
    given: BTreeSet<JobId>,
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
        if status.state.is_out() {
            self.out.insert(job);
        } else {
            self.out.remove(&job);
        }
        if is_new && status.state == JobState::Leased {
            self.given.insert(job);
        }
    }

    /// A commit is whole; what is wrong with it.
    pub(crate) fn committed(&mut self) -> Option<String> {
        let before = std::mem::replace(&mut self.before, self.out.clone());
        let given = std::mem::take(&mut self.given);
        let known = |it: &&JobId| before.contains(it) || given.contains(it);
        given.iter().filter(|it| self.out.contains(it)).find_map(|job| {
            let others = self.out.iter().filter(|it| *it != job).filter(known);
            let met = others.filter(|other| self.exclude(job, other)).min()?;
            Some(format!("job {job} is given to a runner, and job {met} has what it names"))
        })
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
