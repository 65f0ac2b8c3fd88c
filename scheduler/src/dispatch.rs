//! What follows from every event: expired jobs leave, free slots are filled.

use ostler_job::{Mono, Span};

use crate::event::Action;
use crate::jobs::{JobIx, State};
use crate::scheduler::Scheduler;

/// How often running jobs are charged for what they exceed their estimates by, while others wait.
const SWEEP_EVERY: Span = Span::from_secs(1);

impl Scheduler {
    /// Lets expired jobs go and fills free slots.
    pub(crate) fn pump(&mut self, now: Mono) {
        self.expire(now);
        while self.discipline.is_runnable() && self.fleet.has_room() {
            self.charge_overruns(now);
            let Some(job) = self.discipline.dequeue(&mut self.jobs, now) else { break };
            self.leave_waiting(job);
            self.grant(job, now);
        }
        self.expiry.tidy(&self.jobs, self.discipline.len());
        self.elders.tidy(&self.jobs, self.discipline.len());
        self.forget_tenants();
    }

    /// Lets the jobs go whose queue deadline has passed.
    pub(crate) fn expire(&mut self, now: Mono) {
        while let Some(job) = self.expiry.pop_due(&self.jobs, now) {
            self.actions.push_back(Action::Expire { job: self.jobs[job].id });
            self.drop_waiting(job);
            // At once: the event that goes on after this may be about the same tenant.
            self.forget_tenants();
            self.elders.tidy(&self.jobs, self.discipline.len());
        }
    }

    /// Gives the job the best place; there is one.
    pub(crate) fn grant(&mut self, job: JobIx, now: Mono) {
        let place = self.fleet.take(job).expect("a job is granted only while the fleet has room");
        let it = &mut self.jobs[job];
        it.state = if place.prefetched { State::Prefetched } else { State::Running };
        it.started = now;
        it.charged = it.cost;
        it.supplier = place.supplier;
        it.position = self.granted.len() as u32;
        self.granted.push(job);
        let tenant = it.tenant;
        self.actions.push_back(Action::Grant {
            job: it.id,
            supplier: place.id,
            prefetched: place.prefetched,
            waited: now - it.arrival,
        });
        self.tenants[tenant].running += 1;
        if self.config.tenant_slots_max == Some(self.tenants[tenant].running) {
            self.discipline.set_blocked(tenant, true);
        }
    }

    /// The job waits, for the first time or again.
    pub(crate) fn enter_waiting(&mut self, job: JobIx) {
        self.jobs[job].state = State::Waiting;
        self.tenants[self.jobs[job].tenant].waiting += 1;
        self.work_waiting += u128::from(self.jobs[job].cost.0);
        self.discipline.enqueue(&self.jobs, job);
        self.expiry.watch(&self.jobs, job);
        self.elders.push(&self.jobs, job);
    }

    /// A waiting job is forgotten.
    pub(crate) fn drop_waiting(&mut self, job: JobIx) {
        let (tenant, late) = (self.jobs[job].tenant, self.jobs[job].late);
        self.leave_waiting(job);
        self.jobs.remove(job);
        self.discipline.remove(&self.jobs, tenant, late);
        self.settle(tenant);
    }

    fn leave_waiting(&mut self, job: JobIx) {
        self.tenants[self.jobs[job].tenant].waiting -= 1;
        self.work_waiting -= u128::from(self.jobs[job].cost.0);
    }

    /// Charges running jobs for what they exceed, so that a long one does not look cheap until it ends. Before a
    /// dispatch is the only time when that matters, and once a second is often enough to be a small part of the work.
    fn charge_overruns(&mut self, now: Mono) {
        if now - self.swept < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for at in 0..self.granted.len() {
            let it = &mut self.jobs[self.granted[at]];
            let held = now - it.started;
            if it.state == State::Running && held > it.charged {
                let (tenant, late, charged) = (it.tenant, it.late, it.charged);
                it.charged = held;
                self.discipline.correct(tenant, late, charged, held);
            }
        }
    }

    /// Forgets tenants that the discipline need not remember.
    pub(crate) fn forget_tenants(&mut self) {
        if self.granted.is_empty() && self.discipline.len() == 0 {
            self.discipline.forgive();
        }
        while let Some(tenant) = self.discipline.poll_forgotten() {
            self.tenants.remove(tenant);
        }
    }
}
