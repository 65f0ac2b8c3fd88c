//! Jobs that are pinned to a host: for each such host the backlogs of their tenants, beside the general queue.
//!
//! A slot of a host is filled from the host's own class or from the general queue, whichever has the job that stands
//! first; a tenant has one account for both, so that pinning gains it nothing and costs it nothing. A class exists while
//! it has a job; its jobs never stand before others, so one that waits for a busy or an absent host holds nobody up.
//! With another host's slot free, the general job goes there instead. A slot that is given to a pinned job costs a look at
//! each tenant with one there.
//!
//! One part in [`AGED`] of a host's slot time goes to the job that has waited longest for it, whoever's it is: where others
//! are left behind for ever because they may run nowhere else, a tenant that is served elsewhere still gets that.
//!
//! Which class a job is in is kept here and not in its entry, so that queues without pins pay nothing for them.

use std::collections::BTreeMap;

use ostler_job::{HostId, Mono, Span};

use crate::discipline::{Backlog, Discipline, Rank, Tag};
use crate::jobs::{JobIx, Jobs, State};
use crate::tenants::TenantIx;
use crate::waitlist::Entry;

/// See the module.
const AGED: u64 = 32;
/// What such a job takes of it at least.
const AGED_COST_MIN: u64 = 1_000_000;
/// Jobs of a tenant that are found to be late in one dispatch, at most.
const DEMOTIONS_MAX: u32 = 128;

/// The class of one host.
pub(crate) struct Class {
    pub(crate) host: HostId,
    tenants: BTreeMap<u32, Pinned>,
    /// Jobs, waiting and granted, and those that wait.
    jobs: u32,
    waiting: u32,
    /// Slot time, in nanoseconds, that the job which has waited longest may have.
    aged: u64,
    /// Its host may have a free slot.
    dirty: bool,
}

/// One tenant's jobs that are pinned to the host.
#[derive(Default)]
struct Pinned {
    backlog: Backlog,
    /// Waiting and granted.
    jobs: u32,
}

impl Class {
    /// The tenants that have a waiting job here and are not blocked, with what they were charged.
    fn ready<'a>(
        &'a self,
        order: &'a dyn Discipline,
    ) -> impl Iterator<Item = (TenantIx, &'a Pinned, Tag)> {
        let waiting = self.tenants.iter().filter(|(_, it)| !it.backlog.is_empty());
        waiting.filter_map(|(&ix, it)| Some((TenantIx(ix), it, order.tag(TenantIx(ix))?)))
    }

    /// Whether a job could be had.
    pub(crate) fn is_runnable(&self, order: &dyn Discipline) -> bool {
        self.waiting > 0 && self.ready(order).next().is_some()
    }

    /// The smallest tag of those that have a job which could be had.
    pub(crate) fn least(&self, order: &dyn Discipline) -> Option<Tag> {
        self.ready(order).map(|(_, _, tag)| tag).min()
    }

    /// Whose job is next, and how it stands.
    pub(crate) fn best(
        &mut self,
        jobs: &mut Jobs,
        now: Mono,
        order: &dyn Discipline,
    ) -> Option<(Rank, TenantIx)> {
        for it in self.tenants.values_mut() {
            for _ in 0..DEMOTIONS_MAX {
                if !it.backlog.head().is_some_and(|head| order.has_missed(head, now)) {
                    break;
                }
                it.backlog.demote(jobs);
            }
        }
        let heads = || {
            self.ready(order).filter_map(|(ix, it, _)| {
                Some((it.backlog.head()?, jobs[it.backlog.next()?.job].cost, ix))
            })
        };
        let (oldest, cost, whose) = heads().min_by_key(|(head, ..)| head.seq)?;
        let cost = cost.0.max(AGED_COST_MIN);
        if self.aged >= cost {
            self.aged -= cost;
            return Some((Rank::LeftBehind(Tag::default(), oldest.seq), whose));
        }
        heads().map(|(head, cost, ix)| (order.rank(ix, head, cost), ix)).min()
    }

    /// A job of this cost was given a slot of the host.
    pub(crate) fn count(&mut self, cost: Span) {
        self.aged += cost.0 / AGED;
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
    pub(crate) fn is_runnable(&self, host: HostId, order: &dyn Discipline) -> bool {
        self.by_host.get(&host).is_some_and(|&at| self.at(at).is_runnable(order))
    }

    /// Adds a job to its host's class.
    #[cold]
    pub(crate) fn enter(&mut self, job: JobIx, tenant: TenantIx, host: HostId) {
        let at = self.by_host.get(&host).copied().unwrap_or_else(|| self.open(host));
        self.of_job.insert(job.0, at);
        let class = self.at_mut(at);
        class.jobs += 1;
        class.tenants.entry(tenant.0).or_default().jobs += 1;
    }

    /// The job waits.
    #[cold]
    pub(crate) fn enqueue(&mut self, tenant: TenantIx, late: bool, entry: Entry) {
        let at = self.of_job[&entry.job.0];
        self.waiting += 1;
        let class = self.at_mut(at);
        class.waiting += 1;
        class.tenants.entry(tenant.0).or_default().backlog.push(late, entry);
        let host = class.host;
        self.mark(host);
    }

    /// Takes out the tenant's next job.
    pub(crate) fn take(&mut self, at: u32, tenant: TenantIx, jobs: &Jobs) -> Option<JobIx> {
        let class = self.at_mut(at);
        let (job, _) = class.tenants.get_mut(&tenant.0)?.backlog.pop(jobs)?;
        class.waiting -= 1;
        self.waiting -= 1;
        Some(job)
    }

    /// A waiting job does so no more, for another reason; its entry says so already.
    #[cold]
    pub(crate) fn lose(&mut self, jobs: &Jobs, job: JobIx, tenant: TenantIx, late: bool) {
        let class = self.at_mut(self.of_job[&job.0]);
        class.waiting -= 1;
        if let Some(it) = class.tenants.get_mut(&tenant.0) {
            it.backlog.lose(jobs, late);
        }
        self.waiting -= 1;
    }

    /// A granted job was charged something else than it turns out to cost.
    #[cold]
    pub(crate) fn correct(
        &mut self,
        job: JobIx,
        (tenant, late): (TenantIx, bool),
        charged: Span,
        actual: Span,
    ) {
        let class = self.at_mut(self.of_job[&job.0]);
        if let Some(it) = class.tenants.get_mut(&tenant.0) {
            it.backlog.correct(late, charged, actual);
        }
    }

    /// The job, whose class this was, is forgotten; so is the class with its last.
    #[cold]
    pub(crate) fn leave(&mut self, job: JobIx, tenant: TenantIx) {
        let Some(at) = self.of_job.remove(&job.0) else { return };
        let class = self.at_mut(at);
        class.jobs -= 1;
        if let Some(it) = class.tenants.get_mut(&tenant.0) {
            it.jobs -= 1;
            if it.jobs == 0 {
                class.tenants.remove(&tenant.0);
            }
        }
        if class.jobs == 0 {
            self.close(at);
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

    /// The tenant's jobs may be had, or may not any more.
    #[cold]
    pub(crate) fn mark_of(&mut self, tenant: TenantIx) {
        for at in 0..self.table.len() {
            let with = self.table[at].as_ref().filter(|it| it.tenants.contains_key(&tenant.0));
            if let Some(host) = with.map(|class| class.host) {
                self.mark(host);
            }
        }
    }

    /// A class whose host may have a free slot.
    pub(crate) fn poll_marked(&mut self) -> Option<u32> {
        let at = self.dirty.pop()?;
        self.at_mut(at).dirty = false;
        Some(at)
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

    fn open(&mut self, host: HostId) -> u32 {
        let tenants = BTreeMap::new();
        let class = Class { host, tenants, jobs: 0, waiting: 0, aged: 0, dirty: false };
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

    /// Asserts that the counts are those of the jobs; answers how many jobs of each tenant wait here.
    pub(crate) fn check(&self, jobs: &Jobs) -> BTreeMap<u32, u32> {
        let mut counted: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        let mut of_tenants: BTreeMap<u32, u32> = BTreeMap::new();
        let mut waiting = 0;
        for (ix, job) in jobs.iter() {
            let class = self.of_job.get(&ix.0);
            assert_eq!(class.is_some(), job.pinned, "pinned jobs, and only they, are in a class");
            if let Some(&at) = class {
                let it = counted.entry(at).or_default();
                let waits = u32::from(job.state == State::Waiting);
                *it = (it.0 + 1, it.1 + waits);
                *of_tenants.entry(job.tenant.0).or_default() += waits;
                waiting += waits as usize;
            }
        }
        assert_eq!(waiting, self.waiting, "waiting pinned jobs are counted");
        let mut live = 0;
        for (at, class) in self.table.iter().enumerate() {
            let Some(class) = class else { continue };
            live += 1;
            let now = counted.get(&(at as u32)).copied().unwrap_or_default();
            assert_eq!((class.jobs, class.waiting), now, "a class counts its jobs");
            assert!(class.jobs > 0, "a class without a job is forgotten");
            let tenants = class.tenants.values();
            assert_eq!(
                tenants.clone().map(|it| it.jobs).sum::<u32>(),
                class.jobs,
                "by tenant, too"
            );
            assert_eq!(tenants.clone().map(|it| it.backlog.len()).sum::<u32>(), class.waiting);
            tenants.for_each(|it| it.backlog.check(jobs));
        }
        assert_eq!(live, self.live, "the classes are counted");
        of_tenants
    }
}
