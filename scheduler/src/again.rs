//! Jobs that come back to their places: those that came before them are before them again, and nobody takes their slots in between.
//!
//! Where a job stands is a number ([`Arrival`]) that whoever submits it says, or else its number among all submits.

use ostler_job::{JobId, Mono};

use crate::event::{Arrival, Left, Submit};
use crate::jobs::Job;
use crate::resources::Claim;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A place behind all that came before.
    pub(crate) fn next_arrival(&mut self, since: Mono) -> Arrival {
        self.submits += 1;
        Arrival { place: self.submits, since }
    }

    /// Where the job stands, for it to come back to; `None`: it is not known here.
    pub fn arrival(&self, job: JobId) -> Option<Arrival> {
        Some(arrived(&self.jobs[self.jobs.find(job)?]))
    }

    /// As [`Scheduler::handle_submit_claiming`], of a job that stands there, where it may have stood before. Either all jobs say
    /// where, or none does.
    ///
    /// # Panics
    /// As [`Scheduler::handle_submit`].
    pub fn handle_submit_again(
        &mut self,
        submit: Submit,
        claims: &[Claim],
        arrival: Option<Arrival>,
        now: Mono,
    ) {
        self.submit(submit, claims, arrival, now);
    }

    /// A waiting job waits in another way from now on, wherever its new submit says. What it has of its resources it keeps, and its
    /// place in their lines and among all: nobody goes ahead in between.
    ///
    /// # Panics
    /// When its queue is not known.
    pub fn handle_resubmit(&mut self, submit: Submit, claims: &[Claim], now: Mono) {
        let arrival = self.arrival(submit.job);
        if self.drop_staying(submit.job) {
            self.pump(now);
        }
        self.submit(submit, claims, arrival, now);
    }

    /// Forgets a job that waits, but for its place in the lines of its resources. Answers whether it did.
    pub(crate) fn drop_staying(&mut self, job: JobId) -> bool {
        let Some(ix) = self.jobs.find(job).filter(|&ix| self.jobs[ix].is_waiting()) else {
            return false;
        };
        self.resources.stay(job);
        self.jobs[ix].claims = false;
        self.drop_waiting(ix);
        true
    }

    /// A granted job waits again, wherever its new submit says, whatever the limits on waiting jobs are: its slot is free once it
    /// stands in its place. One that is not granted is submitted.
    ///
    /// # Panics
    /// As [`Scheduler::handle_submit`].
    pub fn handle_again(&mut self, submit: Submit, claims: &[Claim], left: Left, now: Mono) {
        let Some(ix) = self.find_granted(submit.job) else {
            return self.handle_submit_claiming(submit, claims, now);
        };
        let (arrival, flow) = (arrived(&self.jobs[ix]), self.jobs[ix].flow);
        match left {
            Left::Over => self.end_granted(ix, now),
            Left::Unstarted => {
                let it = &self.jobs[ix];
                self.tree.give_back(it, &self.granted[it.position as usize]);
                self.release(ix, None, now);
            }
        }
        if self.jobs[ix].claims {
            self.resources.end(submit.job);
        }
        self.remove(ix, flow);
        let flow = self.tree.find(submit.queue, submit.tenant);
        let ix = self.insert(&submit, Some(arrival), flow, now);
        self.jobs[ix].claims = !claims.is_empty();
        if claims.is_empty() || self.resources.enter(submit.job, claims) {
            self.enter_waiting(ix);
        } else {
            self.park(ix);
        }
        self.pump(now);
        self.mutated();
    }
}

/// Where the job stands, and since when it could have run.
const fn arrived(job: &Job) -> Arrival {
    Arrival { place: job.seq, since: job.arrival }
}
