//! Jobs that suppliers have, granted before anybody here knew of them, or knew it any more.

use ostler_job::{HostId, Mono, SupplierId};

use crate::event::{Arrival, Submit};
use crate::resources::Claim;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A supplier has the job already, granted at `since`, before anybody here knew of it: its tenant is charged from now on, its
    /// queue's rate as of then, and the job holds a slot, within what the supplier offers or beyond.
    ///
    /// # Panics
    /// When a job of that id is known.
    pub fn handle_adopt(
        &mut self,
        submit: Submit,
        at: (SupplierId, HostId),
        since: Mono,
        now: Mono,
    ) {
        self.adopt(&submit, None, at, (since, now));
    }

    pub(crate) fn adopt(
        &mut self,
        submit: &Submit,
        arrival: Option<Arrival>,
        (supplier, at): (SupplierId, HostId),
        (since, now): (Mono, Mono),
    ) {
        let flow = self.tree.find(submit.queue, submit.tenant);
        let job = self.insert(submit, arrival, flow, now);
        self.tree.adopt(&self.jobs[job], since, now);
        let place = self.fleet.adopt(supplier, at, job);
        self.hold(job, &place, now);
        self.pump(now);
        self.mutated();
    }

    /// The same of a job that has these resources, and stood there if it was here before. One that waits does so no more, and nobody else
    /// gets in between what it has of them.
    ///
    /// # Panics
    /// When a job of that id is granted.
    pub fn handle_adopt_claiming(
        &mut self,
        submit: Submit,
        claims: &[Claim],
        arrival: Option<Arrival>,
        at: (SupplierId, HostId),
        (since, now): (Mono, Mono),
    ) {
        let job = submit.job;
        self.drop_staying(job);
        if !claims.is_empty() {
            self.resources.force(job, claims);
        }
        self.adopt(&submit, arrival, at, (since, now));
        if let Some(ix) = self.jobs.find(job) {
            self.jobs[ix].claims = !claims.is_empty();
        }
    }
}
