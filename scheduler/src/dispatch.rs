//! What follows from every event: expired jobs leave, free slots are filled.

use ostler_job::{HostId, Mono, Span};

use crate::event::Action;
use crate::fleet::Place;
use crate::jobs::{JobIx, State};
use crate::scheduler::Scheduler;

/// How often running jobs are charged for what they exceed their estimates by, while others wait.
const SWEEP_EVERY: Span = Span::from_secs(1);

impl Scheduler {
    /// Lets expired jobs go and fills free slots.
    pub(crate) fn pump(&mut self, now: Mono) {
        self.expire(now);
        if !self.classes.is_empty() {
            self.fill_pinned(now);
        }
        while self.discipline.is_runnable() && self.fleet.has_room() {
            self.charge_overruns(now);
            let Some(job) = self.discipline.dequeue(&mut self.jobs, now) else { break };
            self.leave_waiting(job);
            self.grant(job, None, now);
        }
        let waiting = self.waiting();
        self.expiry.tidy(&self.jobs, waiting);
        self.arrivals.tidy(&self.jobs, waiting);
        self.forget_tenants();
    }

    /// Fills free slots of hosts that jobs are pinned to, with those or with others, in fair order.
    #[cold]
    fn fill_pinned(&mut self, now: Mono) {
        while let Some(at) = self.classes.poll_marked() {
            let host = self.classes.at(at).host;
            while self.classes.at(at).is_runnable(&*self.discipline) {
                let free = self.fleet.free_at(host);
                if free == 0 {
                    break;
                }
                self.charge_overruns(now);
                // The others want this slot, unless they have another.
                let wanted = self.discipline.is_runnable() && self.fleet.free() == free;
                let Some(job) = self.dequeue_at(at, wanted, now) else { break };
                self.leave_waiting(job);
                self.grant(job, Some(host), now);
            }
        }
    }

    /// Takes out the job that a free slot of a class's host goes to, and charges its tenant.
    fn dequeue_at(&mut self, at: u32, wanted: bool, now: Mono) -> Option<JobIx> {
        let least = self.classes.at(at).least(&*self.discipline);
        let general = self.discipline.best(&mut self.jobs, now, least);
        let class = self.classes.at_mut(at);
        let (own, tenant) = class.best(&mut self.jobs, now, &*self.discipline)?;
        let is_general = wanted && general.is_some_and(|general| general < own);
        let job = match is_general {
            true => self.discipline.dequeue(&mut self.jobs, now),
            false => self.classes.take(at, tenant, &self.jobs),
        }?;
        let cost = self.jobs[job].cost;
        self.classes.at_mut(at).count(cost);
        if !is_general {
            self.discipline.unpin(tenant);
            self.discipline.charge(tenant, cost);
        }
        Some(job)
    }

    /// Lets the jobs go whose queue deadline has passed.
    pub(crate) fn expire(&mut self, now: Mono) {
        while let Some(job) = self.expiry.pop_due(&self.jobs, now) {
            self.actions.push_back(Action::Expire { job: self.jobs[job].id });
            self.drop_waiting(job);
            // At once: the event that goes on after this may be about the same tenant.
            self.forget_tenants();
            self.arrivals.tidy(&self.jobs, self.waiting());
        }
    }

    /// Gives the job the best place, or the best of a host; there is one.
    pub(crate) fn grant(&mut self, job: JobIx, host: Option<HostId>, now: Mono) {
        let place = match host {
            None => self.fleet.take(job),
            Some(host) => self.fleet.take_at(host, job),
        };
        let place = place.expect("a job is granted only while there is room for it");
        self.hold(job, &place, now);
        let it = &self.jobs[job];
        self.actions.push_back(Action::Grant {
            job: it.id,
            supplier: place.id,
            prefetched: place.prefetched,
            waited: now - it.arrival,
        });
    }

    /// The job, which its tenant was charged for, is in its place.
    #[inline]
    pub(crate) fn hold(&mut self, job: JobIx, place: &Place, now: Mono) {
        let it = &mut self.jobs[job];
        it.state = if place.prefetched { State::Prefetched } else { State::Running };
        it.started = now;
        it.charged = it.cost;
        it.supplier = place.supplier;
        it.position = self.granted.len() as u32;
        self.granted.push(job);
        let tenant = it.tenant;
        self.tenants[tenant].running += 1;
        if self.config.tenant_slots_max == Some(self.tenants[tenant].running) {
            self.set_blocked(tenant, true);
        }
    }

    /// The job waits, for the first time or again.
    pub(crate) fn enter_waiting(&mut self, job: JobIx) {
        let it = &mut self.jobs[job];
        it.state = State::Waiting;
        self.tenants[it.tenant].waiting += 1;
        self.work_waiting += u128::from(it.cost.0);
        if it.pinned {
            let (tenant, late) = (it.tenant, it.late);
            self.discipline.pin(tenant);
            self.classes.enqueue(tenant, late, self.discipline.entry(&self.jobs, job));
        } else {
            self.discipline.enqueue(&self.jobs, job);
        }
        self.expiry.watch(&self.jobs, job);
        self.arrivals.push(&self.jobs, job);
    }

    /// A waiting job is forgotten.
    pub(crate) fn drop_waiting(&mut self, job: JobIx) {
        let it = &self.jobs[job];
        let (tenant, late, pinned) = (it.tenant, it.late, it.pinned);
        self.leave_waiting(job);
        // Its flow looks into the table, which must say that it waits no more.
        self.jobs[job].state = State::Free;
        if pinned {
            self.classes.lose(&self.jobs, job, tenant, late);
            self.discipline.unpin(tenant);
        } else {
            self.discipline.remove(&self.jobs, tenant, late);
        }
        self.remove(job, tenant, pinned);
    }

    fn leave_waiting(&mut self, job: JobIx) {
        let it = &self.jobs[job];
        self.tenants[it.tenant].waiting -= 1;
        self.work_waiting -= u128::from(it.cost.0);
    }

    /// Charges running jobs for what they exceed, so that a long one does not look cheap until it ends. Before a
    /// dispatch is the only time when that matters, and once a second is often enough to be a small part of the work.
    fn charge_overruns(&mut self, now: Mono) {
        if now - self.swept < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for at in 0..self.granted.len() {
            let job = self.granted[at];
            let it = &mut self.jobs[job];
            let held = now - it.started;
            if it.state == State::Running && held > it.charged {
                self.correct(job, held);
                self.jobs[job].charged = held;
            }
        }
    }

    /// Forgets tenants that the discipline need not remember.
    #[inline]
    pub(crate) fn forget_tenants(&mut self) {
        if self.granted.is_empty() && self.waiting() == 0 {
            self.discipline.reset();
        }
        while let Some(ix) = self.discipline.poll_forgotten() {
            self.tenants.remove(ix);
        }
    }
}
