//! What must hold between events.

use crate::hash::IdMap;
use crate::jobs::State;
use crate::lane::Lane;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Asserts everything that holds between two events. It looks at every job; debug builds call it by themselves,
    /// after every event while little is known and more seldom with more.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub fn check_invariants(&self) {
        let mut per_supplier: IdMap<u32, (u32, u32)> = IdMap::default();
        let mut per_tenant: IdMap<u32, (u32, u32)> = IdMap::default();
        let (mut waiting, mut parked, mut granted, mut work) = (0, 0, 0, 0);
        for (ix, job) in self.jobs.iter() {
            let tenant = per_tenant.entry(self.tree.tenant(job.flow).0).or_default();
            match job.state {
                State::Running | State::Prefetched => {}
                State::Waiting | State::Parked | State::Free => {
                    waiting += 1;
                    parked += usize::from(job.state == State::Parked);
                    work += u128::from(job.cost.0);
                    tenant.0 += 1;
                    assert!(!job.cancelled, "a cancelled job does not wait");
                    continue;
                }
            }
            let listed = self.granted.get(job.position as usize).filter(|it| it.job == ix);
            let supplier = listed.expect("a granted job is listed").supplier;
            let supplier = per_supplier.entry(supplier).or_default();
            granted += 1;
            tenant.1 += 1;
            if job.state == State::Running {
                supplier.0 += 1;
            } else {
                supplier.1 += 1;
            }
        }
        assert_eq!(parked, self.parked, "the jobs that wait for resources are counted");
        assert_eq!(waiting, self.waiting(), "the disciplines hold the waiting jobs");
        assert_eq!(granted, self.granted.len(), "the granted jobs are listed once");
        assert_eq!(waiting + granted, self.jobs.len(), "every job waits or is granted");
        assert_eq!(work, self.work_waiting, "the waiting work is that of the waiting jobs");
        for (ix, tenant) in self.tenants.iter() {
            let counted = per_tenant.remove(&ix.0).unwrap_or_default();
            assert_eq!((tenant.waiting, tenant.running), counted, "a tenant counts its jobs");
            // What was adopted may be more than that: then nothing is granted, which the class and the queue look at.
            let within = self.config.tenant_slots_max.is_none_or(|max| tenant.running <= max);
            assert!(within || tenant.blocked, "no tenant is given more slots than it may have");
        }
        assert!(per_tenant.is_empty(), "every job's tenant is known");
        let stuck = self.tree.is_runnable(Lane::USUAL) && self.fleet.has_room();
        assert!(!stuck, "no slot is free while a job that may run waits");
        for lane in self.tree.other_lanes() {
            let hosts = self.tree.reach.hosts(lane).into_iter().flat_map(|it| it.iter().copied());
            let mut hosts = hosts.chain(lane.host());
            let stuck = hosts.any(|host| self.fleet.free_at(host) > 0);
            assert!(!stuck, "no slot is free while a job that may run just there waits");
        }
        self.fleet.check(&per_supplier);
        self.tree.check(&self.jobs);
        self.resources.check();
        self.expiry.check(&self.jobs);
        self.arrivals.check(&self.jobs, waiting);
    }

    /// In debug builds, checks often enough to find a broken invariant near its cause, and seldom enough to cost a
    /// constant per event.
    #[cfg(debug_assertions)]
    pub(crate) fn mutated(&mut self) {
        self.unchecked += 1;
        if self.unchecked >= (self.jobs.len() + self.tenants.places()) / 16 {
            self.unchecked = 0;
            self.check_invariants();
        }
    }

    /// Release builds do not check by themselves.
    #[cfg(not(debug_assertions))]
    #[inline]
    pub(crate) fn mutated(&mut self) {}
}
