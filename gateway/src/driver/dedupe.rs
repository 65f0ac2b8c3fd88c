//! Whether another job of its identity makes a new one superfluous.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Now, Wall,
    durable::{Dedupe, DedupeScope, Then},
};

use super::{
    Driver,
    event::{Answer, NewJob},
};

/// The jobs of one request that are taken before the one that is looked at.
pub(super) struct Batch {
    next: JobId,
    /// By identity, when any of the request's jobs asks for it.
    taken: Option<BTreeMap<u64, JobId>>,
}

impl Batch {
    pub(super) fn new(next: JobId, jobs: &[NewJob]) -> Self {
        let asked = jobs.len() > 1 && jobs.iter().any(|new| new.spec.dedupe.is_some());
        Self { next, taken: asked.then(BTreeMap::new) }
    }

    pub(super) fn take(&mut self, identity: u64) {
        if let Some(taken) = &mut self.taken {
            taken.insert(identity, self.next);
        }
        self.next = JobId(self.next.0 + 1);
    }
}

impl Driver {
    /// The answer to a superfluous job.
    pub(super) fn superfluous(&self, new: &NewJob, batch: &Batch, now: Now) -> Option<Answer> {
        let dedupe = new.spec.dedupe.as_ref()?;
        let identity = self.jobs.identity(&new.spec.tenant, &new.spec.identity);
        let in_batch = || batch.taken.as_ref().and_then(|taken| taken.get(&identity)).copied();
        let done = || {
            (dedupe.scope == DedupeScope::Done)
                .then(|| self.done_lately(identity, dedupe, new, now))
        };
        let job = in_batch()
            .or_else(|| self.unfinished(identity, dedupe, now))
            .or_else(|| done().flatten())?;
        Some(match dedupe.then {
            Then::Reject => Answer::Duplicate { job },
            Then::Coalesce => Answer::Coalesced { job },
        })
    }

    /// The newest unfinished job of the identity, submitted within the window. One that is being ended does not count.
    fn unfinished(&self, identity: u64, dedupe: &Dedupe, now: Now) -> Option<JobId> {
        let counts = |at: Wall| dedupe.window.is_none_or(|window| now.wall.since(at) <= window);
        let mut young = self.jobs.alike(identity).take_while(|(_, job)| counts(job.submitted_at));
        young.find(|(_, job)| !job.kill && !job.state.is_finished()).map(|(id, _)| id)
    }

    /// A job of the identity that succeeded within the window, known here or to the store.
    fn done_lately(&self, identity: u64, dedupe: &Dedupe, new: &NewJob, now: Now) -> Option<JobId> {
        let here = self.succeeded.get(&identity);
        let counts = |at: Wall| dedupe.window.is_none_or(|window| now.wall.since(at) <= window);
        here.filter(|(_, at)| counts(*at)).map(|(id, _)| *id).or(new.done_before)
    }
}
