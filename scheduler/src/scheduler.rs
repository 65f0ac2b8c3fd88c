//! The scheduler's events: what each one changes.

use std::collections::VecDeque;

use ostler_job::{HostId, JobId, Mono, Span, SupplierId};

use crate::arrivals::Arrivals;
use crate::classes::Classes;
use crate::config::Config;
use crate::discipline::{self, Discipline};
use crate::event::{Action, Cancelled, Refusal, Submit, Supply};
use crate::expiry::Expiry;
use crate::fleet::Fleet;
use crate::jobs::{Job, JobIx, Jobs, NEVER, State};
use crate::tenants::{TenantIx, Tenants};

/// One queue of waiting jobs and the suppliers that it feeds.
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) jobs: Jobs,
    pub(crate) tenants: Tenants,
    pub(crate) fleet: Fleet,
    /// The order of the jobs that may run anywhere, and every tenant's account.
    pub(crate) discipline: Box<dyn Discipline>,
    /// The jobs that may not.
    pub(crate) classes: Classes,
    pub(crate) expiry: Expiry,
    pub(crate) arrivals: Arrivals,
    /// Granted jobs, in no particular order.
    pub(crate) granted: Vec<JobIx>,
    /// When running jobs were last charged for what they exceed.
    pub(crate) swept: Mono,
    /// Charges that the waiting jobs will bring.
    pub(crate) work_waiting: u128,
    pub(crate) actions: VecDeque<Action>,
    submits: u64,
    /// Mutations since the invariants were last checked.
    #[cfg(debug_assertions)]
    pub(crate) unchecked: usize,
}

/// What a job is charged at dispatch at most; beyond that it pays while it runs.
const COST_MAX: Span = Span::from_secs(60);

impl Scheduler {
    /// A scheduler without jobs or suppliers.
    pub fn new(config: Config) -> Self {
        Self {
            jobs: Jobs::new(),
            tenants: Tenants::default(),
            fleet: Fleet::default(),
            discipline: discipline::make(&config),
            classes: Classes::default(),
            expiry: Expiry::default(),
            arrivals: Arrivals::default(),
            granted: Vec::new(),
            swept: Mono(0),
            work_waiting: 0,
            actions: VecDeque::new(),
            submits: 0,
            #[cfg(debug_assertions)]
            unchecked: 0,
            config,
        }
    }

    /// A job arrived: it is granted at once, waits, or is refused.
    ///
    /// # Panics
    /// When a job of that id is known: ids are the caller's to keep apart.
    pub fn handle_submit(&mut self, submit: Submit, now: Mono) {
        self.expire(now);
        let slots_max = self.config.tenant_slots_max.unwrap_or(u32::MAX);
        let tenant = self.tenants.find(submit.tenant);
        let (waiting, running) = tenant.map_or((0, 0), |ix| {
            let tenant = &self.tenants[ix];
            (tenant.waiting, tenant.running)
        });
        let at_once = running < slots_max && self.may_pass(submit.host);
        if submit.expires.is_some_and(|at| at <= now) {
            self.actions.push_back(Action::Expire { job: submit.job });
        } else if at_once {
            let job = self.insert(&submit, now);
            let (tenant, cost) = (self.jobs[job].tenant, self.jobs[job].cost);
            let alone = self.classes.is_empty() || self.waiting() == 0;
            self.discipline.pass(tenant, cost, alone);
            self.grant(job, submit.host, now);
        } else if let Some(reason) = self.refusal(waiting) {
            self.actions.push_back(Action::Refuse { job: submit.job, reason });
        } else {
            let job = self.insert(&submit, now);
            self.enter_waiting(job);
        }
        self.forget_tenants();
        self.mutated();
    }

    /// A supplier has the job already, granted before anybody here knew of it: its tenant is charged from now on, and the
    /// job holds a slot, within what the supplier offers or beyond.
    ///
    /// # Panics
    /// When a job of that id is known.
    pub fn handle_adopt(&mut self, submit: Submit, supplier: SupplierId, at: HostId, now: Mono) {
        let job = self.insert(&submit, now);
        let (tenant, cost) = (self.jobs[job].tenant, self.jobs[job].cost);
        self.discipline.pass(tenant, cost, false);
        let place = self.fleet.adopt(supplier, at, job);
        self.hold(job, &place, now);
        self.pump(now);
        self.mutated();
    }

    /// A granted job is over, however it ended: its slot is free and its tenant pays what it really took. Unknown jobs
    /// are ignored.
    pub fn handle_finish(&mut self, job: JobId, now: Mono) {
        let Some(ix) = self.find_granted(job) else { return };
        let it = &self.jobs[ix];
        let (tenant, pinned) = (it.tenant, it.pinned);
        // A prefetched job that its supplier never freed a slot for cannot be measured; its estimate stands.
        let served = (it.state == State::Running).then(|| now - it.started);
        if let Some(actual) = served {
            self.correct(ix, actual);
            self.discipline.finish(tenant, actual);
        }
        self.release(ix, served, now);
        self.remove(ix, tenant, pinned);
        self.pump(now);
        self.mutated();
    }

    /// A granted job provably never started: its slot is free, its charge is undone and it waits with its old key,
    /// whatever the limits on waiting jobs are. A cancelled one is forgotten.
    pub fn handle_return(&mut self, job: JobId, now: Mono) {
        let Some(ix) = self.find_granted(job) else { return };
        let it = &self.jobs[ix];
        let (tenant, pinned, cancelled) = (it.tenant, it.pinned, it.cancelled);
        self.correct(ix, Span::ZERO);
        self.release(ix, None, now);
        if cancelled {
            self.remove(ix, tenant, pinned);
        } else {
            self.enter_waiting(ix);
        }
        self.pump(now);
        self.mutated();
    }

    /// Nobody wants the job any more. Waiting, it is forgotten at once; granted, it keeps its slot until it is finished
    /// or returned.
    pub fn handle_cancel(&mut self, job: JobId, now: Mono) -> Cancelled {
        let Some(ix) = self.jobs.find(job) else { return Cancelled::Unknown };
        let was = match self.jobs[ix].state {
            State::Waiting => {
                self.drop_waiting(ix);
                Cancelled::Waiting
            }
            State::Prefetched | State::Running => {
                self.jobs[ix].cancelled = true;
                Cancelled::Running
            }
            State::Free => Cancelled::Unknown,
        };
        self.pump(now);
        self.mutated();
        was
    }

    /// A supplier is new or offers something else, in absolute numbers. Fewer slots than it holds jobs: nothing is
    /// granted there until they fit.
    pub fn handle_supply(&mut self, supplier: SupplierId, supply: Supply, now: Mono) {
        let jobs = &mut self.jobs;
        self.fleet.supply(supplier, supply, |job| begin(jobs, job, now));
        if !self.classes.is_empty() {
            self.classes.mark(supply.host);
        }
        self.pump(now);
        self.mutated();
    }

    /// A supplier takes nothing more; the jobs granted there stay known until they are finished or returned.
    pub fn handle_supply_gone(&mut self, supplier: SupplierId, now: Mono) {
        self.fleet.supply_gone(supplier);
        self.pump(now);
        self.mutated();
    }

    /// The moment of [`Scheduler::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.pump(now);
        self.mutated();
    }

    fn refusal(&self, tenant_waiting: u32) -> Option<Refusal> {
        if self.waiting() >= self.config.waiting_max as usize {
            Some(Refusal::QueueFull)
        } else if tenant_waiting >= self.config.tenant_waiting_max {
            Some(Refusal::TenantFull)
        } else {
            None
        }
    }

    #[inline]
    fn insert(&mut self, submit: &Submit, now: Mono) -> JobIx {
        let tenant = self.tenants.find_or_insert(submit.tenant);
        self.submits += 1;
        let window = submit.promise.window();
        // An estimate takes at most a quarter of the longest window off, or a wild one would end all order.
        let lead = submit.estimate.p90.0.min(ostler_job::Promise::SOMETIME.0 / 4);
        let job = self.jobs.insert(Job {
            id: submit.job,
            seq: self.submits,
            arrival: now,
            lst: Mono((now + window).0.saturating_sub(lead)),
            expires: submit.expires.unwrap_or(NEVER),
            cost: submit.estimate.p50.min(COST_MAX),
            charged: Span::ZERO,
            started: now,
            tenant,
            supplier: 0,
            position: 0,
            state: State::Waiting,
            late: false,
            cancelled: false,
            pinned: submit.host.is_some(),
        });
        self.discipline.open(tenant, submit.weight);
        if let Some(host) = submit.host {
            self.classes.enter(job, tenant, host);
        }
        job
    }

    /// Whether a job that may run there would go straight to a slot.
    fn may_pass(&self, host: Option<HostId>) -> bool {
        match host {
            None => !self.discipline.is_runnable() && self.fleet.has_room(),
            Some(host) => {
                self.fleet.free_at(host) > 0 && !self.classes.is_runnable(host, &*self.discipline)
            }
        }
    }

    /// A granted job turns out to cost something else than it was charged.
    #[inline]
    pub(crate) fn correct(&mut self, job: JobIx, actual: Span) {
        let it = &self.jobs[job];
        let (tenant, late, charged) = (it.tenant, it.late, it.charged);
        if it.pinned {
            self.classes.correct(job, (tenant, late), charged, actual);
            self.discipline.correct(tenant, None, charged, actual);
        } else {
            self.discipline.correct(tenant, Some(late), charged, actual);
        }
    }

    fn find_granted(&self, job: JobId) -> Option<JobIx> {
        let ix = self.jobs.find(job)?;
        matches!(self.jobs[ix].state, State::Running | State::Prefetched).then_some(ix)
    }

    /// Takes a granted job off its supplier; who was prefetched behind it begins.
    fn release(&mut self, ix: JobIx, served: Option<Span>, now: Mono) {
        let it = &self.jobs[ix];
        let (supplier, position, tenant) = (it.supplier, it.position as usize, it.tenant);
        if !self.classes.is_empty() {
            let host = self.fleet.host_of(supplier);
            self.classes.mark(host);
        }
        if it.state == State::Prefetched {
            self.fleet.release_prefetched(supplier, ix);
        } else if let Some(next) = self.fleet.release(supplier, served) {
            begin(&mut self.jobs, next, now);
        }
        self.granted.swap_remove(position);
        if let Some(&moved) = self.granted.get(position) {
            self.jobs[moved].position = position as u32;
        }
        let slots_max = self.config.tenant_slots_max;
        if slots_max == Some(self.tenants[tenant].running) {
            self.set_blocked(tenant, false);
        }
        self.tenants[tenant].running -= 1;
    }

    /// The tenant may not run more, or may again.
    pub(crate) fn set_blocked(&mut self, tenant: TenantIx, blocked: bool) {
        self.discipline.set_blocked(tenant, blocked);
        if !self.classes.is_empty() {
            self.classes.mark_of(tenant);
        }
    }

    /// Forgets a job of the tenant that neither waits nor is granted any more, and the tenant, now or when its debt is
    /// paid, if that has no other.
    #[inline]
    pub(crate) fn remove(&mut self, job: JobIx, ix: TenantIx, pinned: bool) {
        self.jobs.remove(job);
        if pinned {
            self.classes.leave(job, ix);
        }
        if self.tenants[ix].is_idle() {
            self.discipline.retire(ix);
        }
    }
}

/// The job holds a slot from `now` on.
fn begin(jobs: &mut Jobs, job: JobIx, now: Mono) {
    jobs[job].state = State::Running;
    jobs[job].started = now;
}
