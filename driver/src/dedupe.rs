//! Whether another job that is the same makes a new one superfluous.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Mono, Now, Span,
    durable::{Dedupe, DedupeScope, Spec, Then},
};

use super::{
    Driver,
    event::{Answer, NewJob},
    jobs::Job,
};

/// The jobs of one request that are taken before the one that is looked at.
pub(super) struct Batch {
    next: JobId,
    /// By what makes jobs the same, when any of the request's jobs asks for it.
    taken: Option<BTreeMap<u64, JobId>>,
}

impl Batch {
    pub(super) fn new(next: JobId, jobs: &[NewJob]) -> Self {
        let asked = jobs.len() > 1 && jobs.iter().any(|new| new.spec.dedupe.is_some());
        Self { next, taken: asked.then(BTreeMap::new) }
    }

    pub(super) fn take(&mut self, same: u64) {
        if let Some(taken) = &mut self.taken {
            taken.insert(same, self.next);
        }
        self.next = JobId(self.next.0 + 1);
    }
}

impl Driver {
    /// The answer to a superfluous job.
    pub(super) fn superfluous(&self, new: &NewJob, batch: &Batch, now: Now) -> Option<Answer> {
        let dedupe = new.spec.dedupe.as_ref()?;
        let same = self.same(&new.spec);
        let in_batch = || batch.taken.as_ref().and_then(|taken| taken.get(&same)).copied();
        let done = || {
            (dedupe.scope == DedupeScope::Done).then(|| self.done_lately(same, dedupe, new, now))
        };
        let job = in_batch()
            .or_else(|| self.unfinished(same, dedupe, now))
            .or_else(|| done().flatten())?;
        Some(match dedupe.then {
            Then::Reject => Answer::Duplicate { job },
            Then::Coalesce => Answer::Coalesced { job },
        })
    }

    /// The newest unfinished job that is the same, submitted within the window. One that is being ended does not count.
    fn unfinished(&self, same: u64, dedupe: &Dedupe, now: Now) -> Option<JobId> {
        let counts = |age: Span| dedupe.window.is_none_or(|window| age <= window);
        let young = |(_, job): &(JobId, &Job)| counts(job.since.passed(now.mono));
        let mut young = self.jobs.alike(same).take_while(young);
        young.find(|(_, job)| !job.kill && !job.state.is_finished()).map(|(id, _)| id)
    }

    /// A job that is the same and succeeded within the window, known here or, from before this life, to the store; one that was
    /// deleted, or waits anew, since the store was asked does not stand for anything.
    fn done_lately(&self, same: u64, dedupe: &Dedupe, new: &NewJob, now: Now) -> Option<JobId> {
        let counts = |at: Mono| dedupe.window.is_none_or(|window| now.mono - at <= window);
        if let Some((id, at)) = self.succeeded.get(&same) {
            return counts(*at).then_some(*id);
        }
        let stands = |id: &JobId| self.jobs.get(*id).is_none() && self.gone.get(id) != Some(&None);
        new.done_before.filter(stands)
    }

    /// What a dedupe compares of a job.
    pub(super) fn same(&self, spec: &Spec) -> u64 {
        self.jobs.same(&spec.tenant, &spec.identity, spec.content)
    }

    /// The job's success, if it was one, stands for no other any more.
    pub(super) fn forget_success(&mut self, id: JobId, spec: &Spec) {
        let same = self.same(spec);
        if self.succeeded.get(&same).is_some_and(|(job, _)| *job == id) {
            self.succeeded.take(&same);
        }
    }
}
