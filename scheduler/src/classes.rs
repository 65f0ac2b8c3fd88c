//! Jobs that are pinned to a host: one discipline for each such host, beside the general one.
//!
//! A slot of a host is filled from the host's own class or from the general one. A class exists while it has a job; its
//! jobs never stand before others, so one that waits for a busy or an absent host holds nobody up. While both classes
//! want the slots of one host, they share its slot time by the weights of the flows that wait in each; with another
//! host's slot free, the general job goes there instead.
//!
//! Which class a job is in is kept here and not in its entry, so that queues without pins pay nothing for them.

use std::collections::BTreeMap;

use ostler_job::{HostId, Span};

use crate::config::Config;
use crate::discipline::{self, Discipline, Tag};
use crate::jobs::{JobIx, Jobs, State};
use crate::tenants::TenantIx;

/// The class of one host.
pub(crate) struct Class {
    pub(crate) host: HostId,
    pub(crate) order: Box<dyn Discipline>,
    /// Jobs, waiting and granted, by tenant; a tenant without any is one that owes.
    tenants: BTreeMap<u32, u32>,
    jobs: u32,
    /// Slot time of the host that the class, and the general class beside it, have been given while both wanted it.
    own: Tag,
    general: Tag,
    /// Its host may have a free slot.
    dirty: bool,
}

impl Class {
    /// Whether the class and not the general one is given the slot that both want.
    pub(crate) fn is_first(&self, general: &dyn Discipline) -> bool {
        match (self.order.first(), general.first()) {
            (Some(own), Some(general)) => own < general,
            _ => self.own <= self.general,
        }
    }

    /// Charges who was given the slot; what the other did not want earns it nothing.
    pub(crate) fn charge(&mut self, own: bool, cost: Span, weight: u64, wanted: bool) {
        let (served, other) = if own {
            (&mut self.own, &mut self.general)
        } else {
            (&mut self.general, &mut self.own)
        };
        if !wanted {
            *other = (*other).max(*served);
        }
        *served = served.plus(Tag::of(cost, weight.max(1)));
    }
}

/// Every class.
#[derive(Default)]
pub(crate) struct Classes {
    table: Vec<Option<Class>>,
    free: Vec<u32>,
    by_host: BTreeMap<HostId, u32>,
    of_job: BTreeMap<u32, u32>,
    dirty: Vec<u32>,
    forgotten: Vec<TenantIx>,
    live: u32,
    waiting: usize,
}

impl Classes {
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Waiting jobs of all classes.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a job of the host's class could be had.
    pub(crate) fn is_runnable(&self, host: HostId) -> bool {
        self.by_host.get(&host).is_some_and(|&at| self.at(at).order.is_runnable())
    }

    /// The class of a pinned job.
    #[cold]
    pub(crate) fn of(&mut self, job: JobIx) -> &mut Class {
        let at = self.of_job[&job.0];
        self.at_mut(at)
    }

    /// Adds a job to its host's class. Answers the class, and how many jobs its tenant had there if it had a flow.
    pub(crate) fn enter(
        &mut self,
        job: JobIx,
        tenant: TenantIx,
        host: HostId,
        config: &Config,
    ) -> (&mut Class, Option<u32>) {
        let at = self.by_host.get(&host).copied().unwrap_or_else(|| self.open(host, config));
        // A flow that was forgotten since is opened anew.
        self.gather(at);
        self.of_job.insert(job.0, at);
        let class = self.at_mut(at);
        class.jobs += 1;
        let before = class.tenants.get(&tenant.0).copied();
        *class.tenants.entry(tenant.0).or_default() += 1;
        (class, before)
    }

    /// The job waits.
    pub(crate) fn enqueue(&mut self, jobs: &Jobs, job: JobIx) {
        self.waiting += 1;
        let class = self.of(job);
        if class.order.len() == 0 {
            class.own = class.own.max(class.general);
        }
        class.order.enqueue(jobs, job);
        let host = class.host;
        self.mark(host);
    }

    /// One of the waiting jobs does not any more.
    pub(crate) fn count_left(&mut self) {
        self.waiting -= 1;
    }

    /// The job, whose class this was, is forgotten; so are flows, and the class, that need not be remembered.
    pub(crate) fn leave(&mut self, job: JobIx, tenant: TenantIx) {
        let Some(at) = self.of_job.remove(&job.0) else { return };
        let class = self.at_mut(at);
        class.jobs -= 1;
        let left = class.tenants.get_mut(&tenant.0).expect("a job's tenant is known to its class");
        *left -= 1;
        if *left == 0 {
            class.order.settle(tenant);
        }
        if class.jobs == 0 {
            class.order.forgive();
        }
        self.gather(at);
        if self.at(at).jobs == 0 {
            self.close(at);
        }
    }

    pub(crate) fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    /// A tenant that a class need not remember.
    pub(crate) fn poll_forgotten(&mut self) -> Option<TenantIx> {
        self.forgotten.pop()
    }

    /// Takes the flows out of the class that it need not remember.
    fn gather(&mut self, at: u32) {
        while let Some(tenant) = self.at_mut(at).order.poll_forgotten() {
            self.at_mut(at).tenants.remove(&tenant.0);
            self.forgotten.push(tenant);
        }
    }

    /// The host may have a free slot.
    #[cold]
    pub(crate) fn mark(&mut self, host: HostId) {
        let Some(&at) = self.by_host.get(&host) else { return };
        if !std::mem::replace(&mut self.at_mut(at).dirty, true) {
            self.dirty.push(at);
        }
    }

    /// A class whose host may have a free slot.
    pub(crate) fn poll_marked(&mut self) -> Option<u32> {
        let at = self.dirty.pop()?;
        self.at_mut(at).dirty = false;
        Some(at)
    }

    /// The tenant's flows take part, or do not.
    pub(crate) fn set_blocked(&mut self, tenant: TenantIx, blocked: bool) {
        for at in 0..self.table.len() as u32 {
            let Some(class) = &mut self.table[at as usize] else { continue };
            if class.tenants.get(&tenant.0).is_some_and(|&jobs| jobs > 0) {
                class.order.set_blocked(tenant, blocked);
                let host = class.host;
                self.mark(host);
            }
        }
    }

    pub(crate) fn at(&self, at: u32) -> &Class {
        self.table[at as usize].as_ref().expect("a class stays while it has a job")
    }

    pub(crate) fn at_mut(&mut self, at: u32) -> &mut Class {
        self.table[at as usize].as_mut().expect("a class stays while it has a job")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Class> {
        self.table.iter().flatten()
    }

    fn open(&mut self, host: HostId, config: &Config) -> u32 {
        let class = Class {
            host,
            order: discipline::make(config),
            tenants: BTreeMap::new(),
            jobs: 0,
            own: Tag::default(),
            general: Tag::default(),
            dirty: false,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.table.push(None);
            self.table.len() as u32 - 1
        });
        self.table[at as usize] = Some(class);
        self.by_host.insert(host, at);
        self.live += 1;
        at
    }

    fn close(&mut self, at: u32) {
        if let Some(class) = self.table[at as usize].take() {
            self.by_host.remove(&class.host);
            self.free.push(at);
            self.dirty.retain(|&it| it != at);
            self.live -= 1;
        }
    }

    /// Asserts that the counts are those of the jobs; answers how many flows each tenant has here.
    pub(crate) fn check(&self, jobs: &Jobs) -> BTreeMap<u32, u32> {
        let mut counted: BTreeMap<u32, (u32, usize)> = BTreeMap::new();
        let mut waiting = 0;
        for (ix, job) in jobs.iter() {
            let class = self.of_job.get(&ix.0);
            assert_eq!(class.is_some(), job.pinned, "pinned jobs, and only they, are in a class");
            if let Some(&at) = class {
                let it = counted.entry(at).or_default();
                let waits = usize::from(job.state == State::Waiting);
                *it = (it.0 + 1, it.1 + waits);
                waiting += waits;
            }
        }
        assert_eq!(waiting, self.waiting, "waiting pinned jobs are counted");
        let mut flows = BTreeMap::new();
        let mut live = 0;
        for (at, class) in self.table.iter().enumerate() {
            let Some(class) = class else { continue };
            live += 1;
            let now = counted.get(&(at as u32)).copied().unwrap_or_default();
            assert_eq!((class.jobs, class.order.len()), now, "a class counts its jobs");
            assert!(class.jobs > 0, "a class without a job is forgotten");
            assert_eq!(class.tenants.values().sum::<u32>(), class.jobs, "so does each tenant");
            class.order.check(jobs);
            for &tenant in class.tenants.keys() {
                *flows.entry(tenant).or_default() += 1;
            }
        }
        assert_eq!(live, self.live, "the classes are counted");
        flows
    }
}
