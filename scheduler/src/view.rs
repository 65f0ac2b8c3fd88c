//! What can be asked.

use ostler_job::{JobId, Mono, QueueId, Span, TenantId};

use crate::event::Action;
use crate::jobs::State;
use crate::lane::Lane;
use crate::scheduler::Scheduler;
use crate::tenants::Tenant;

impl Scheduler {
    /// The next thing to do; to be drained to `None` after every event.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Scheduler::handle_timeout`], and why. It changes with every event.
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        let expires = self.expiry.first().map(|at| (at, "a waiting job expires"));
        let opens = self.tree.opens().map(|at| (at, "a rate lets a queue go on"));
        expires.into_iter().chain(opens).min()
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.tree.waiting() + self.parked
    }

    /// Waiting and granted jobs of a queue; `None`: there is no such queue.
    pub fn queue(&self, id: QueueId) -> Option<(u32, u32)> {
        self.tree.counts(id)
    }

    /// Jobs that are granted and not over, prefetched ones included.
    pub fn running(&self) -> usize {
        self.granted.len()
    }

    /// Slots that a job could have at once.
    pub fn free(&self) -> u32 {
        self.fleet.free()
    }

    /// How long the job that has waited longest has done so.
    pub fn oldest_wait(&self, now: Mono) -> Option<Span> {
        self.arrivals.first().map(|job| now - self.jobs[job].arrival)
    }

    /// The job that has waited longest.
    pub fn eldest(&self) -> Option<JobId> {
        self.arrivals.first().map(|job| self.jobs[job].id)
    }

    /// Every remembered tenant with its waiting and its granted jobs, in an order that the inputs alone decide.
    pub fn tenants(&self) -> impl Iterator<Item = (TenantId, u32, u32)> {
        let known = self.tenants.iter().filter(|(_, tenant)| self.is_remembered(tenant));
        known.map(|(_, tenant)| (tenant.id, tenant.waiting, tenant.running))
    }

    /// Whether the tenant has a job here, or owes something: a name that comes back is to have the same number then.
    pub fn remembers(&self, tenant: TenantId) -> bool {
        self.tenants.find(tenant).is_some_and(|ix| self.is_remembered(&self.tenants[ix]))
    }

    fn is_remembered(&self, tenant: &Tenant) -> bool {
        tenant.flows.iter().any(|&flow| self.tree.remembers(flow))
    }

    /// Roughly how long a job submitted now would wait: what waits and half of what runs, over the slots. Without any
    /// slot it is as if there were one.
    pub fn next_start(&self, now: Mono) -> Span {
        if self.fleet.free() > 0 && self.waiting() == 0 {
            return Span::ZERO;
        }
        let waiting = self.work_waiting / u128::from(self.fleet.slots().max(1));
        Span(narrow(waiting).saturating_add(self.mean_left(now)))
    }

    /// Roughly how long a waiting job has to wait for what goes before it: the jobs of its tenant that must start sooner, as
    /// often as there are tenants, and queues beside its own, and what runs, over the slots. `None`: that cannot be told.
    pub fn ahead_of(&self, job: JobId, now: Mono) -> Option<Span> {
        let it = &self.jobs[self.jobs.find(job)?];
        let slots = self.fleet.slots();
        let elsewhere = it.lane != Lane::USUAL || self.tree.is_limited_flow(it.flow);
        if it.state != State::Waiting || elsewhere || slots == 0 {
            return None;
        }
        let work = self.tree.ahead(&self.jobs, it)?;
        let left = u128::from(self.mean_left(now));
        Some(Span(narrow((work + left) / u128::from(slots))))
    }

    /// What running jobs have left, on the average. A few stand for all, so that a refusal costs the same with a thousand
    /// slots.
    fn mean_left(&self, now: Mono) -> u64 {
        let sample = self.granted.iter().take(RUNNING_SAMPLE).map(|it| {
            let held = now - it.started;
            it.charged.cost.0.saturating_sub(held.0)
        });
        let sampled = self.granted.len().clamp(1, RUNNING_SAMPLE) as u64;
        sample.fold(0_u64, u64::saturating_add) / sampled
    }
}

fn narrow(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Running jobs that are asked for what they have left.
const RUNNING_SAMPLE: usize = 16;
