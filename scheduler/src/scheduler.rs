//! The scheduler's events: what each one changes.

use std::collections::{BTreeSet, VecDeque};

use ostler_job::{HostId, JobId, Mono, QueueId, Span, SupplierId};

use crate::arrivals::Arrivals;
use crate::config::{Config, QueueConfig};
use crate::event::{Action, Arrival, Cancelled, Refusal, Submit, Supply};
use crate::expiry::Expiry;
use crate::fleet::Fleet;
use crate::jobs::{Granted, Job, JobIx, Jobs, NEVER, State};
use crate::lane::Lane;
use crate::marks::Marks;
use crate::reach::HostSet;
use crate::resources::{Claim, Resources};
use crate::tenants::{FlowIx, TenantIx, Tenants};
use crate::tree::Tree;

/// Queues of waiting jobs and the suppliers that they feed.
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) jobs: Jobs,
    pub(crate) tenants: Tenants,
    pub(crate) fleet: Fleet,
    /// The waiting jobs, and what everybody was charged.
    pub(crate) tree: Tree,
    pub(crate) marks: Marks,
    pub(crate) resources: Resources,
    /// Jobs that wait for one of them.
    pub(crate) parked: usize,
    pub(crate) expiry: Expiry,
    pub(crate) arrivals: Arrivals,
    /// Granted jobs, in no particular order.
    pub(crate) granted: Vec<Granted>,
    /// When running jobs were last charged for what they exceed.
    pub(crate) swept: Mono,
    /// Charges that the waiting jobs will bring.
    pub(crate) work_waiting: u128,
    /// Room for the lanes that the slots of a host serve.
    pub(crate) lanes: Vec<Lane>,
    /// Lanes of sets of hosts in which there is something new.
    pub(crate) touched_sets: Vec<Lane>,
    pub(crate) actions: VecDeque<Action>,
    /// Places that were given.
    pub(crate) submits: u64,
    /// How often jobs began to wait.
    pub(crate) waits: u64,
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
            tree: Tree::new(&config),
            marks: Marks::default(),
            resources: Resources::default(),
            parked: 0,
            expiry: Expiry::default(),
            arrivals: Arrivals::default(),
            granted: Vec::new(),
            swept: Mono(0),
            work_waiting: 0,
            lanes: Vec::new(),
            touched_sets: Vec::new(),
            actions: VecDeque::new(),
            submits: 0,
            waits: 0,
            #[cfg(debug_assertions)]
            unchecked: 0,
            config,
        }
    }

    /// A job arrived: it is granted at once, waits, or is refused.
    ///
    /// # Panics
    /// When a job of that id is known, or its queue is not: ids are the caller's to keep apart.
    pub fn handle_submit(&mut self, submit: Submit, now: Mono) {
        self.handle_submit_claiming(submit, &[], now);
    }

    /// The same for a job that names resources, each once: it waits in no queue before it has them all, and has them until
    /// it is over. What it keeps from before it still has.
    ///
    /// # Panics
    /// As [`Scheduler::handle_submit`].
    pub fn handle_submit_claiming(&mut self, submit: Submit, claims: &[Claim], now: Mono) {
        self.submit(submit, claims, None, now);
    }

    /// `arrival`: where the job stands, if it was here before.
    pub(crate) fn submit(
        &mut self,
        submit: Submit,
        claims: &[Claim],
        arrival: Option<Arrival>,
        now: Mono,
    ) {
        self.expire(now);
        if self.tree.opens().is_some_and(|at| at <= now) || self.resources.has_ready() {
            self.pump(now);
        }
        let slots_max = self.config.tenant_slots_max.unwrap_or(u32::MAX);
        let flow = self.tree.find(submit.queue, submit.tenant);
        let tenant = match flow {
            Some(flow) => Some(self.tree.tenant(flow)),
            None => self.tenants.find(submit.tenant),
        };
        let (waiting, running) = tenant.map_or((0, 0), |ix| {
            let tenant = &self.tenants[ix];
            (tenant.waiting, tenant.running)
        });
        let at_once = claims.is_empty() && running < slots_max && self.may_pass(&submit, flow, now);
        if submit.expires.is_some_and(|at| at <= now) {
            self.actions.push_back(Action::Expire { job: submit.job });
        } else if at_once {
            let job = self.insert(&submit, arrival, flow, now);
            self.tree.pass(&self.jobs[job], now);
            self.grant(job, submit.host, now);
        } else if !claims.is_empty() {
            self.submit_claiming(&submit, claims, (arrival, waiting), now);
        } else if let Some(reason) = self.refusal(waiting) {
            self.actions.push_back(Action::Refuse { job: submit.job, reason });
        } else {
            let job = self.insert(&submit, arrival, flow, now);
            self.enter_waiting(job);
            if self.tree.is_limited(submit.queue) {
                self.pump(now);
            }
        }
        self.forget_tenants();
        self.mutated();
    }

    /// A granted job is over, however it ended: its slot is free and its tenant pays what it really took. Unknown jobs
    /// are ignored.
    pub fn handle_finish(&mut self, job: JobId, now: Mono) {
        let Some(ix) = self.find_granted(job) else { return };
        let flow = self.jobs[ix].flow;
        self.end_granted(ix, now);
        if self.jobs[ix].claims {
            self.resources.end(job);
        }
        self.remove(ix, flow);
        self.pump(now);
        self.mutated();
    }

    /// Frees the slot of a granted job that is over.
    #[inline]
    pub(crate) fn end_granted(&mut self, ix: JobIx, now: Mono) {
        let it = &self.jobs[ix];
        // A prefetched job that its supplier never freed a slot for cannot be measured; its estimate stands.
        let granted = &self.granted[it.position as usize];
        let served = (it.state == State::Running).then(|| now - granted.started);
        self.tree.finish(it, granted.charged, served);
        self.release(ix, served, now);
    }

    /// A granted job provably never started: its slot is free, its charge is undone and it waits with its old key,
    /// whatever the limits on waiting jobs are. A cancelled one is forgotten.
    pub fn handle_return(&mut self, job: JobId, now: Mono) {
        let Some(ix) = self.find_granted(job) else { return };
        let it = &self.jobs[ix];
        let (flow, cancelled) = (it.flow, it.cancelled);
        self.tree.give_back(it, &self.granted[it.position as usize]);
        self.release(ix, None, now);
        if cancelled {
            if self.jobs[ix].claims {
                self.resources.end(job);
            }
            self.remove(ix, flow);
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
            State::Waiting | State::Parked => {
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
        let (jobs, granted) = (&mut self.jobs, &mut self.granted);
        self.fleet.supply(supplier, supply, |job| begin(jobs, granted, job, now));
        self.mark(supply.host);
        self.pump(now);
        self.mutated();
    }

    /// A supplier takes nothing more; the jobs granted there stay known until they are finished or returned.
    pub fn handle_supply_gone(&mut self, supplier: SupplierId, now: Mono) {
        self.fleet.supply_gone(supplier);
        self.pump(now);
        self.mutated();
    }

    /// A queue is new or another one than it was. None of its jobs is lost. Its parent is known, and not below it.
    pub fn handle_queue(&mut self, queue: QueueId, config: &QueueConfig, now: Mono) {
        self.tree.put(queue, config, &mut self.jobs, now);
        self.pump(now);
        self.mutated();
    }

    /// A queue is gone.
    ///
    /// # Panics
    /// When it has jobs or queues below, or is the default one.
    pub fn handle_queue_gone(&mut self, queue: QueueId, now: Mono) {
        self.tree.delete(queue, &mut self.tenants);
        self.pump(now);
        self.mutated();
    }

    /// Queues are limited to these hosts from now on; `None`: to none in particular. Jobs that were granted elsewhere stay there. A queue
    /// below another may use what both of them may.
    pub fn handle_limits(
        &mut self,
        limits: impl IntoIterator<Item = (QueueId, Option<BTreeSet<HostId>>)>,
        now: Mono,
    ) {
        for (queue, hosts) in limits {
            self.tree.limit(queue, hosts.map(HostSet::new));
        }
        self.pump(now);
        self.mutated();
    }

    /// The moment of [`Scheduler::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.pump(now);
        self.mutated();
    }

    pub(crate) fn refusal(&self, tenant_waiting: u32) -> Option<Refusal> {
        if self.waiting() >= self.config.waiting_max as usize {
            Some(Refusal::QueueFull)
        } else if tenant_waiting >= self.config.tenant_waiting_max {
            Some(Refusal::TenantFull)
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn insert(
        &mut self,
        submit: &Submit,
        arrival: Option<Arrival>,
        known: Option<FlowIx>,
        now: Mono,
    ) -> JobIx {
        let of = (submit.queue, submit.tenant, known);
        let flow = self.tree.open(of, submit.weight, &mut self.tenants);
        let Arrival { place, since } = arrival.unwrap_or_else(|| self.next_arrival(now));
        let window = submit.promise.window();
        // An estimate takes at most a quarter of the longest window off, or a wild one would end all order.
        let lead = submit.estimate.p90.0.min(ostler_job::Promise::SOMETIME.0 / 4);
        self.jobs.insert(Job {
            id: submit.job,
            seq: place,
            arrival: since,
            lst: Mono((now + window).0.saturating_sub(lead)),
            expires: submit.expires.unwrap_or(NEVER),
            cost: submit.estimate.p50.min(COST_MAX),
            flow,
            lane: Lane::of(submit.host),
            claims: false,
            position: 0,
            state: State::Waiting,
            late: false,
            cancelled: false,
        })
    }

    /// Whether the job would go straight to a slot.
    fn may_pass(&self, submit: &Submit, flow: Option<FlowIx>, now: Mono) -> bool {
        if self.tree.is_limited(submit.queue) {
            return false;
        }
        let there = match submit.host {
            None => !self.tree.is_runnable(Lane::USUAL) && self.fleet.has_room(),
            host @ Some(it) => self.fleet.free_at(it) > 0 && !self.tree.is_runnable(Lane::of(host)),
        };
        there && self.tree.may_pass(submit.queue, flow, now)
    }

    pub(crate) fn find_granted(&self, job: JobId) -> Option<JobIx> {
        let ix = self.jobs.find(job)?;
        matches!(self.jobs[ix].state, State::Running | State::Prefetched).then_some(ix)
    }

    /// Takes a granted job off its supplier; who was prefetched behind it begins.
    pub(crate) fn release(&mut self, ix: JobIx, served: Option<Span>, now: Mono) {
        let it = &self.jobs[ix];
        let position = it.position as usize;
        let supplier = self.granted[position].supplier;
        let tenant = self.tree.tenant(it.flow);
        if !self.tree.is_plain() {
            self.marks.mark(self.fleet.host_of(supplier));
        }
        if it.state == State::Prefetched {
            self.fleet.release_prefetched(supplier, ix);
        } else if let Some(next) = self.fleet.release(supplier, served) {
            begin(&mut self.jobs, &mut self.granted, next, now);
        }
        self.granted.swap_remove(position);
        if let Some(moved) = self.granted.get(position) {
            self.jobs[moved.job].position = position as u32;
        }
        let slots_max = self.config.tenant_slots_max;
        if slots_max == Some(self.tenants[tenant].running) {
            self.set_blocked(tenant, false);
        }
        self.tenants[tenant].running -= 1;
    }

    /// The tenant may not run more, or may again.
    pub(crate) fn set_blocked(&mut self, tenant: TenantIx, blocked: bool) {
        self.tenants[tenant].blocked = blocked;
        for at in 0..self.tenants[tenant].flows.len() {
            self.tree.set_blocked(self.tenants[tenant].flows[at], blocked);
        }
    }

    /// The host may have a free slot, which matters where somebody waits for just that.
    fn mark(&mut self, host: HostId) {
        if !self.tree.is_plain() {
            self.marks.mark(host);
        }
    }

    /// Forgets a job that neither waits nor is granted any more, and its flow, now or when its debt is paid, if that has no
    /// other.
    #[inline]
    pub(crate) fn remove(&mut self, job: JobIx, flow: FlowIx) {
        self.jobs.remove(job);
        self.tree.close(flow);
    }
}

/// The job holds a slot from `now` on.
fn begin(jobs: &mut Jobs, granted: &mut [Granted], job: JobIx, now: Mono) {
    jobs[job].state = State::Running;
    granted[jobs[job].position as usize].started = now;
}
