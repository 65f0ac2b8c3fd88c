//! The children that serve one app, wherever they are, and the fair queue before them; which requests are held back from them.
//!
//! A job waits here, unbound, until a slot is free; the scheduler decides, this crate carries its decisions out. The
//! order of locks is pool, carrier, passing job; what is decided is carried out after the pool's is released.
//!
//! It deliberately lacks an HTTP server, links and processes: a job is a frame, a child is a socket or somebody's closure that takes frames. It is
//! separate so that what a link, a request and a scrape may do to a pool is what is public here.
#![deny(unsafe_code)]

pub mod carrier;
mod config;
mod demand;
pub mod drive;
mod head_of_line;
mod invariants;
pub mod passing;
mod prefetch;
pub mod quarantine;
mod report;
mod saturation;
mod supply;
mod tenants;
#[cfg(test)]
mod tests;
mod timeouts;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, Termination};
use ostler_machine::clock;
use ostler_scheduler::{Action, Cancelled, Estimate, IdMap, Refusal, Scheduler, Submit};
use ostler_wire::Reset;
use tokio::sync::Notify;

use self::{
    carrier::{Carrier, Ended, Passing},
    demand::Demand,
    head_of_line::Suspended,
    passing::Failure,
    prefetch::Prefetch,
    saturation::Saturation,
    tenants::Tenants,
    timeouts::{Entered, Timeouts},
};
pub use self::{
    config::{App, Discipline, PoolCounts},
    report::AppState,
    timeouts::TimedOut,
};

/// The pools of all apps, by name.
pub type Pools = Arc<BTreeMap<String, Arc<Pool>>>;

/// What a job asks of the queue.
#[derive(Debug)]
pub struct Entry<'a> {
    pub tenant: &'a [u8],
    pub weight: u32,
    pub within: Span,
    pub expires: Mono,
}

struct Inner {
    scheduler: Scheduler,
    jobs: IdMap<JobId, Entered>,
    timeouts: Timeouts,
    demand: Demand,
    suppliers: IdMap<SupplierId, Supplier>,
    tenants: Tenants,
    pace: Prefetch,
    /// What each runner says about the app.
    states: BTreeMap<String, AppState>,
    saturation: Saturation,
    /// Requests were sent ahead, and are looked after.
    relieving: bool,
    ahead: Arc<Notify>,
}

#[derive(Debug)]
struct Supplier {
    carrier: Arc<Carrier>,
    host: HostId,
    slots: u32,
    prefetches: bool,
    /// A slow request is on it: it is given nothing ahead.
    suspended: Option<Suspended>,
    /// Its child did not begin what it was given: it is given nothing before it has spoken.
    unheard: bool,
}

/// See the module.
pub struct Pool {
    pub app: String,
    counts: PoolCounts,
    inner: Mutex<Inner>,
    /// A limit comes up before the one that is slept until.
    sooner: Arc<Notify>,
    /// The number of waiting jobs is another.
    demand: Arc<Notify>,
    /// The first request is sent ahead.
    ahead: Arc<Notify>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("app", &self.app).finish_non_exhaustive()
    }
}

static NEXT_JOB: AtomicU64 = AtomicU64::new(1);

/// A decision that is carried out when the pool's lock is released.
#[derive(Debug)]
enum Effect {
    Start(Arc<Passing>, Arc<Carrier>, SupplierId),
    Fail(Arc<Passing>, Termination),
}

impl Pool {
    pub fn new(app: &str, config: &App, counts: PoolCounts) -> Self {
        let [sooner, demand, ahead] = std::array::from_fn(|_| Arc::new(Notify::new()));
        let inner = Inner {
            scheduler: Scheduler::new(scheduler_config(config)),
            jobs: IdMap::default(),
            timeouts: Timeouts::new(sooner.clone()),
            demand: Demand::new(demand.clone()),
            suppliers: IdMap::default(),
            tenants: Tenants::default(),
            pace: Prefetch::new(config.prefetch_max),
            states: BTreeMap::new(),
            saturation: Saturation::default(),
            relieving: false,
            ahead: ahead.clone(),
        };
        Self { app: app.to_owned(), counts, inner: Mutex::new(inner), sooner, demand, ahead }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds a pool")
    }

    /// An id for a new job.
    pub fn next_job() -> JobId {
        JobId(NEXT_JOB.fetch_add(1, Ordering::Relaxed))
    }

    /// Puts a job into the queue; with a free slot it is started before this returns.
    pub fn enter(&self, passing: &Arc<Passing>, entry: &Entry<'_>) {
        let now = clock::now();
        let mut inner = self.lock();
        let tenant = inner.tenants.enter(entry.tenant);
        let submit = Submit {
            job: passing.id,
            queue: QueueId::DEFAULT,
            tenant,
            weight: entry.weight,
            promise: Promise::Within(entry.within),
            expires: Some(entry.expires),
            host: None,
            estimate: inner.pace.estimate(),
        };
        inner.jobs.insert(passing.id, Entered::new(passing));
        passing.set_tenant(tenant);
        inner.scheduler.handle_submit(submit, now);
        let effects = inner.drain(now);
        inner.watch_deadline(passing);
        drop(inner);
        if passing.id.0.is_multiple_of(TIMED) {
            self.counts.decisions.observe((clock::now() - now).as_secs_f64());
        }
        self.apply(effects, now);
    }

    /// The request's task is gone: its place in the queue is free at once, its child is told.
    pub fn leave(&self, passing: &Arc<Passing>, reason: Reset) {
        let now = clock::now();
        let mut inner = self.lock();
        if !inner.jobs.contains_key(&passing.id) {
            return;
        }
        let cancelled = inner.scheduler.handle_cancel(passing.id, now);
        match cancelled {
            Cancelled::Waiting => inner.forget(passing),
            Cancelled::Running | Cancelled::Unknown => {}
        }
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
        match passing.assignment() {
            Some(assignment) => assignment.carrier.reset(assignment.stream, reason),
            None if matches!(cancelled, Cancelled::Running) => self.unhold(passing, now),
            None => {}
        }
    }

    /// A job that was granted and waits behind another's body leaves before it was sent.
    fn unhold(&self, passing: &Arc<Passing>, now: Mono) {
        let carriers: Vec<_> = self.lock().suppliers.values().map(|s| s.carrier.clone()).collect();
        if carriers.iter().any(|carrier| carrier.unhold(passing)) {
            let finished = vec![(passing.clone(), Span::ZERO)];
            self.settle(Ended { finished, ..Ended::default() }, now);
        }
    }

    /// Books what a carrier's frames ended, and starts what that makes room for.
    pub fn settle(&self, ended: Ended, now: Mono) {
        if ended.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if let Some(supplier) = ended.heard {
            inner.set_unheard(supplier, false, now);
        }
        for (passing, took) in &ended.finished {
            passing.over();
            inner.scheduler.handle_finish(passing.id, now);
            inner.forget(passing);
            // Jobs that did not run to their own end say nothing about how long they take.
            if *took > Span::ZERO && !passing.has_failed() && inner.pace.observe(*took) {
                inner.supply_again(now);
            }
        }
        for passing in &ended.returned {
            self.counts.retries.inc();
            passing.returned();
            inner.take_back(passing, now);
        }
        for passing in &ended.held {
            inner.arm(passing.id, now + passing.soonest());
        }
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
    }

    /// Carries decisions out. A start that fails is a decision to take again.
    fn apply(&self, effects: Vec<Effect>, now: Mono) {
        let mut touched: Vec<Arc<Carrier>> = Vec::new();
        let mut returned = Vec::new();
        for effect in effects {
            match effect {
                Effect::Fail(passing, termination) => passing.fail(Failure::from(termination)),
                Effect::Start(passing, carrier, supplier) => {
                    if !carrier.start(&passing, now) {
                        // Else the scheduler would offer the same slots again, for ever.
                        self.lock().withdraw(supplier, now);
                        returned.push(passing);
                    } else if !touched.iter().any(|t| Arc::ptr_eq(t, &carrier)) {
                        touched.push(carrier);
                    }
                }
            }
        }
        touched.iter().for_each(|carrier| carrier.flush());
        if !returned.is_empty() {
            self.settle(Ended { returned, ..Ended::default() }, now);
        }
    }

    /// Ends every waiting job.
    pub(crate) fn fail_waiting(&self, termination: Termination) {
        let jobs = self.lock().passing();
        for passing in jobs.into_iter().filter(|job| job.assignment().is_none()) {
            passing.fail(Failure::from(termination));
            self.leave(&passing, Reset::ClientGone);
        }
    }

    /// Ends the waiting jobs whose kind is held back.
    pub fn hold_back(&self) {
        let jobs = self.lock().passing();
        let spare = self.spare(clock::now());
        let waits = |job: &&Arc<Passing>| job.started_at().is_none();
        for job in jobs.iter().filter(waits).filter(|job| job.is_held_back(spare)) {
            job.fail(Failure::from(Termination::Quarantined));
            self.leave(job, Reset::ClientGone);
        }
    }
}

impl Inner {
    /// Turns the scheduler's actions into effects.
    fn drain(&mut self, now: Mono) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Grant { job, supplier, prefetched, .. } => {
                    if prefetched && !std::mem::replace(&mut self.relieving, true) {
                        self.ahead.notify_one();
                    }
                    let passing = self.granted(job, now);
                    let carrier = self.suppliers[&supplier].carrier.clone();
                    effects.push(Effect::Start(passing, carrier, supplier));
                }
                Action::Refuse { job, reason } => {
                    let termination = match reason {
                        Refusal::QueueFull => Termination::QueueFull,
                        Refusal::TenantFull => Termination::TenantFull,
                    };
                    effects.extend(self.refuse(job, termination));
                }
                Action::Expire { job } => {
                    effects.extend(self.refuse(job, Termination::QueueTimeout));
                }
            }
        }
        if let Some((at, _)) = self.scheduler.poll_timeout() {
            self.timeouts.expect(at);
        }
        self.demand.is(self.scheduler.waiting());
        self.decided();
        effects
    }

    fn passing(&self) -> Vec<Arc<Passing>> {
        self.jobs.values().map(|job| job.passing.clone()).collect()
    }

    /// A job that was not started waits again, unless nobody wants it any more.
    fn take_back(&mut self, passing: &Arc<Passing>, now: Mono) {
        let Some(job) = self.jobs.get_mut(&passing.id) else { return };
        job.is_granted = false;
        let unwanted = passing.has_failed();
        if unwanted {
            // Before the return, or it would be granted again.
            self.scheduler.handle_cancel(passing.id, now);
        }
        self.scheduler.handle_return(passing.id, now);
        if unwanted {
            self.forget(passing);
        }
    }

    fn refuse(&mut self, job: JobId, termination: Termination) -> Option<Effect> {
        let passing = self.jobs.get(&job)?.passing.clone();
        self.forget(&passing);
        Some(Effect::Fail(passing, termination))
    }

    fn forget(&mut self, passing: &Arc<Passing>) {
        if self.jobs.remove(&passing.id).is_some() {
            let scheduler = &self.scheduler;
            self.tenants.leave(passing.tenant(), |id| scheduler.remembers(id));
        }
    }
}

fn scheduler_config(app: &App) -> ostler_scheduler::Config {
    ostler_scheduler::Config {
        discipline: match app.discipline {
            Discipline::Promise => ostler_scheduler::DisciplineKind::Promise,
            Discipline::Fifo => ostler_scheduler::DisciplineKind::Fifo,
        },
        waiting_max: app.queue_max,
        tenant_waiting_max: app.tenant_queue_max,
        tenant_slots_max: app.tenant_slots_max,
        urgency_credit: URGENCY_CREDIT,
        ..Default::default()
    }
}

/// One job in so many has its decision timed.
const TIMED: u64 = 64;

/// How far a tenant's urgent requests may run ahead of its share, in slot time. Requests are short: more than a few
/// milliseconds of credit would let a flood with earlier promises pass a guest many times.
const URGENCY_CREDIT: Span = Span::from_millis(2);

/// What is assumed of a handler that has not run yet.
pub(crate) const FIRST_ESTIMATE: Estimate =
    Estimate { p50: Span::from_millis(5), p90: Span::from_millis(20) };
