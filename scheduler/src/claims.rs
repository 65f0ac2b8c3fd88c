//! Jobs that name resources: parked until they have them all, and what they have is given back.

use ostler_job::{JobId, Mono};

use crate::event::{Action, Arrival, Submit};
use crate::jobs::State;
use crate::resources::{Claim, ResourceId};
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A job keeps the resources that it has when its slot is gone, until it is submitted again or gives them up.
    pub fn handle_keep(&mut self, job: JobId) {
        self.resources.keep(job);
    }

    /// A job that is not submitted yet has these resources from before, and keeps them until it is, or gives them up.
    pub fn handle_hold(&mut self, job: JobId, claims: &[Claim]) {
        self.resources.force(job, claims);
        self.resources.keep(job);
    }

    /// A waiting job waits no more until it is submitted again. What it has of its resources it keeps; one that has not all that it
    /// named leaves the lines.
    pub fn handle_set_aside(&mut self, job: JobId, now: Mono) {
        if self.resources.has(job) && self.drop_staying(job) {
            self.pump(now);
            self.mutated();
        } else {
            self.handle_cancel(job, now);
        }
    }

    /// A job gives up what it keeps.
    pub fn handle_release(&mut self, job: JobId, now: Mono) {
        if self.jobs.find(job).is_none() {
            self.resources.leave(job);
            self.pump(now);
            self.mutated();
        }
    }

    /// For which resource a job waits, and a job that stands in its way.
    pub fn blocker(&self, job: JobId) -> Option<(ResourceId, JobId)> {
        self.resources.blocker(job)
    }

    /// A job that has one of these resources, and beside which this one may not have it: it runs, waits for a slot or keeps what it has.
    pub fn excluder(&self, job: JobId, claims: &[Claim]) -> Option<JobId> {
        self.resources.excludes(job, claims)
    }

    /// Whether the job has all the resources that it named: it waits for its slot, runs, or keeps them.
    pub fn has_resources(&self, job: JobId) -> bool {
        self.resources.has(job)
    }

    /// Takes a job that names resources, unless there are too many: in its queue, or parked.
    pub(crate) fn submit_claiming(
        &mut self,
        submit: &Submit,
        claims: &[Claim],
        (arrival, tenant_waiting): (Option<Arrival>, u32),
        now: Mono,
    ) {
        if let Some(reason) = self.refusal(tenant_waiting) {
            self.actions.push_back(Action::Refuse { job: submit.job, reason });
            return;
        }
        let flow = self.tree.find(submit.queue, submit.tenant);
        let ix = self.insert(submit, arrival, flow, now);
        self.jobs[ix].claims = true;
        if self.resources.enter(submit.job, claims) {
            self.enter_waiting(ix);
        } else {
            self.park(ix);
        }
        // One that comes before others may let them go or hold them up.
        self.pump(now);
    }

    /// Lets jobs into their queues that have all the resources they waited for.
    pub(crate) fn unpark(&mut self) {
        while let Some(job) = self.resources.poll_ready() {
            let ix = self.jobs.find(job).expect("only a known job waits for a resource");
            debug_assert_eq!(self.jobs[ix].state, State::Parked, "who waited was parked");
            // It is counted, and watched, since it was parked.
            self.parked -= 1;
            self.jobs[ix].state = State::Waiting;
            self.tree.enqueue(&self.jobs, ix);
        }
    }
}
