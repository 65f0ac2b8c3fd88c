//! What follows from every event: expired jobs leave, free slots are filled.

use ostler_job::{HostId, Mono, Span};

use crate::event::Action;
use crate::fleet::Place;
use crate::jobs::{Granted, JobIx, State};
use crate::lane::Lane;
use crate::scheduler::Scheduler;

/// How often running jobs are charged for what they exceed their estimates by, while others wait.
const SWEEP_EVERY: Span = Span::from_secs(1);

impl Scheduler {
    /// Lets expired jobs go, opens gates and fills free slots.
    pub(crate) fn pump(&mut self, now: Mono) {
        self.expire(now);
        if !self.resources.is_empty() {
            self.unpark();
        }
        self.tree.open_gates(now);
        self.fill_marked(now);
        while self.tree.is_runnable(Lane::USUAL) && self.fleet.has_room() {
            self.charge_overruns(now);
            let Some(job) = self.tree.dequeue(&mut self.jobs, &[Lane::USUAL], now) else { break };
            self.leave_waiting(job);
            self.grant(job, None, now);
        }
        let waiting = self.waiting();
        self.expiry.tidy(&self.jobs, waiting);
        self.arrivals.tidy(&self.jobs, waiting);
        self.forget_tenants();
    }

    /// Fills free slots of hosts that jobs are pinned to, with those or with others, in fair order.
    fn fill_marked(&mut self, now: Mono) {
        while let Some(lane) = self.tree.poll_touched() {
            match lane.host() {
                Some(host) => self.marks.mark(host),
                None => self.touched_sets.push(lane),
            }
        }
        while let Some(host) = self.marks.poll() {
            while self.fill(host, now) {}
        }
        if !self.touched_sets.is_empty() {
            self.fill_sets(now);
        }
    }

    /// The same of sets of hosts in whose lanes there is something new, the least busy one of each first.
    #[cold]
    fn fill_sets(&mut self, now: Mono) {
        let mut sets = std::mem::take(&mut self.touched_sets);
        sets.sort_unstable();
        sets.dedup();
        for lane in sets.drain(..) {
            while self.tree.is_runnable(lane)
                && let Some(hosts) = self.tree.reach.hosts(lane)
                && let Some(host) = self.fleet.best_of(hosts.iter().copied())
                && self.fill(host, now)
            {}
        }
        self.touched_sets = sets;
    }

    /// Fills one free slot of a host, if it has one and somebody wants that one; whether it did.
    fn fill(&mut self, host: HostId, now: Mono) -> bool {
        let free = self.fleet.free_at(host);
        if free == 0 {
            return false;
        }
        let mut lanes = std::mem::take(&mut self.lanes);
        lanes.clear();
        lanes.extend(self.tree.reach.lanes_at(host));
        let job = if lanes.iter().any(|&lane| self.tree.is_runnable(lane)) {
            self.charge_overruns(now);
            // The others want this slot, unless they have another.
            let wanted = self.tree.is_runnable(Lane::USUAL) && self.fleet.free() == free;
            self.dequeue_at(host, &mut lanes, wanted, now)
        } else {
            None
        };
        self.lanes = lanes;
        let Some(job) = job else { return false };
        self.leave_waiting(job);
        self.grant(job, Some(host), now);
        true
    }

    /// Takes out the job that a free slot of a host goes to, which serves these lanes and the usual one.
    fn dequeue_at(
        &mut self,
        host: HostId,
        lanes: &mut Vec<Lane>,
        wanted: bool,
        now: Mono,
    ) -> Option<JobIx> {
        let own = Lane::of(Some(host));
        if lanes.len() > 1 && self.marks.owes_set(host) {
            let job = self.tree.dequeue_left_behind(&mut self.jobs, &lanes[1..], now);
            if let Some(job) = job {
                self.marks.charge_aged(host, self.jobs[job].cost);
                return Some(job);
            }
        }
        let aged = self.tree.eldest(&[own]).is_some_and(|(flow, lane)| {
            let cost = self.tree.next_cost(&self.jobs, flow, lane);
            self.marks.take_aged(host, cost)
        });
        lanes.extend(wanted.then_some(Lane::USUAL));
        let job = match aged {
            true => self.tree.dequeue_eldest(&self.jobs, &[own], now),
            false => self.tree.dequeue(&mut self.jobs, lanes, now),
        }?;
        self.marks.count(host, self.jobs[job].cost);
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
        it.position = self.granted.len() as u32;
        let supplier = place.supplier;
        let charged = self.tree.charged(it);
        self.granted.push(Granted { job, supplier, charged, started: now });
        let tenant = self.tree.tenant(it.flow);
        self.tenants[tenant].running += 1;
        if self.config.tenant_slots_max == Some(self.tenants[tenant].running) {
            self.set_blocked(tenant, true);
        }
    }

    /// The job waits for a resource.
    pub(crate) fn park(&mut self, job: JobIx) {
        self.waits += 1;
        let it = &mut self.jobs[job];
        (it.state, it.position) = (State::Parked, self.waits as u32);
        self.tenants[self.tree.tenant(it.flow)].waiting += 1;
        self.work_waiting += u128::from(it.cost.0);
        self.parked += 1;
        self.expiry.watch(&self.jobs, job);
        self.arrivals.push(&self.jobs, job);
    }

    /// The job waits, for the first time or again.
    pub(crate) fn enter_waiting(&mut self, job: JobIx) {
        self.waits += 1;
        let it = &mut self.jobs[job];
        (it.state, it.position) = (State::Waiting, self.waits as u32);
        self.tenants[self.tree.tenant(it.flow)].waiting += 1;
        self.work_waiting += u128::from(it.cost.0);
        self.tree.enqueue(&self.jobs, job);
        self.expiry.watch(&self.jobs, job);
        self.arrivals.push(&self.jobs, job);
    }

    /// A waiting job is forgotten.
    pub(crate) fn drop_waiting(&mut self, job: JobIx) {
        let it = &self.jobs[job];
        let (id, flow, lane, late) = (it.id, it.flow, it.lane, it.late);
        let (was, claims) = (it.state, it.claims);
        self.leave_waiting(job);
        // Its flow looks into the table, which must say that it waits no more.
        self.jobs[job].state = State::Free;
        if was == State::Parked {
            self.parked -= 1;
        } else {
            self.tree.remove(&self.jobs, flow, lane, late);
        }
        if claims {
            self.resources.leave(id);
        }
        self.remove(job, flow);
    }

    pub(crate) fn leave_waiting(&mut self, job: JobIx) {
        let it = &self.jobs[job];
        self.tenants[self.tree.tenant(it.flow)].waiting -= 1;
        self.work_waiting -= u128::from(it.cost.0);
        self.expiry.leave(it.expires);
        self.arrivals.leave(it.arrival);
    }

    /// Charges running jobs for what they exceed, so that a long one does not look cheap until it ends. Before a
    /// dispatch is the only time when that matters, and once a second is often enough to be a small part of the work.
    fn charge_overruns(&mut self, now: Mono) {
        if now - self.swept < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for at in 0..self.granted.len() {
            let &Granted { job, charged, started, .. } = &self.granted[at];
            let (it, held) = (&self.jobs[job], now - started);
            if it.state == State::Running && held > charged.cost {
                self.tree.correct(it, charged, held);
                self.granted[at].charged.cost = held;
            }
        }
    }

    /// Forgets tenants that no queue need remember.
    #[inline]
    pub(crate) fn forget_tenants(&mut self) {
        if self.granted.is_empty() && self.waiting() == 0 {
            self.tree.reset();
            if !self.marks.is_clear() {
                self.marks.clear();
            }
        }
        if self.tree.may_forget() {
            self.forget_retired();
        }
    }

    fn forget_retired(&mut self) {
        while let Some(ix) = self.tree.poll_forgotten(&mut self.tenants) {
            if self.tenants[ix].flows.is_empty() {
                self.tenants.remove(ix);
            }
        }
    }
}
