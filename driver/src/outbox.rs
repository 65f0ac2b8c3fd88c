//! What the event that is being handled has changed, gathered into one action.
//!
//! A job that changes twice in one event is written once; a job that is over is forgotten when it has been written.

use std::sync::Arc;

use ostler_job::durable::{Change, EventKind};
use ostler_job::{
    JobId, Mono, Now, TenantId, Wall,
    durable::{Fence, JobState, Order, Reason, Spec, Status},
};

use super::{
    Driver,
    event::{Action, Effect},
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Jobs that changed, each with the fence that the store has, or the spec that it has not.
    touched: Vec<(JobId, RunTerms)>,
    /// What is written after the jobs.
    changes: Vec<Change>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum RunTerms {
    New(Arc<Spec>),
    Fence(Fence),
}

impl Outbox {
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.changes.is_empty() && self.effects.is_empty()
    }

    /// What changed about the job, which was touched last, is known to the store.
    pub(super) fn forgive(&mut self, job: JobId) {
        self.touched.retain(|(it, _)| *it != job);
    }

    pub(super) fn event(
        &mut self,
        (at, kind): (Wall, EventKind),
        job: Option<JobId>,
        who: Option<&str>,
        detail: &serde_json::Value,
    ) {
        let detail = if detail.is_null() { String::new() } else { detail.to_string() };
        let who = who.map(str::to_owned);
        self.change(Change::Event { at, kind, job, who, detail });
    }
}

impl Driver {
    /// The job is new: the store gets its spec, too.
    pub(super) fn touch_new(&mut self, id: JobId, spec: Arc<Spec>) {
        self.jobs[id].touched = true;
        self.outbox.touched.push((id, RunTerms::New(spec)));
    }

    /// The job is about to change; the store knows it by its fence until then.
    pub(super) fn touch(&mut self, id: JobId) {
        let job = &mut self.jobs[id];
        if !std::mem::replace(&mut job.touched, true) {
            self.outbox.touched.push((id, RunTerms::Fence(job.fence)));
        }
    }

    /// Makes an action of everything that the event changed, and forgets jobs that are over.
    pub(super) fn flush(&mut self, now: Now) {
        if self.outbox.is_empty() {
            return;
        }
        let outbox = std::mem::take(&mut self.outbox);
        let mut changes = Vec::with_capacity(outbox.touched.len() + outbox.changes.len());
        let mut effects = outbox.effects;
        for (job, known) in outbox.touched {
            let status = Box::new(self.status(job, now.wall));
            let over = status.state.is_finished();
            self.jobs[job].touched = false;
            changes.push(match known {
                RunTerms::New(spec) => {
                    Change::Submit { job, spec, status, at: self.jobs[job].submitted_at }
                }
                RunTerms::Fence(expect) => Change::Update { job, expect, status },
            });
            effects.push(Effect::Changed { job });
            if over {
                self.forget(job, now.mono);
            }
        }
        changes.extend(outbox.changes);
        self.actions.push_back(Action { changes, effects });
    }

    /// The job's status as the store keeps it.
    fn status(&self, id: JobId, now: Wall) -> Status {
        let job = &self.jobs[id];
        let host = job.host().map(|host| self.hosts.name(host).to_string());
        let mut status = Status::new(job.state, (job.due != Wall(0)).then_some(job.due), host);
        status.reason = job.reason;
        status.paused = self.pauses.get(&id).cloned();
        let gone = self.queues_gone.get(&id).cloned();
        status.queue = gone.or_else(|| self.queues.name(job.queue));
        (status.attempts, status.failures, status.crashes) =
            (job.attempts, job.failures, job.crashes);
        (status.fence, status.kill) = (job.fence, job.kill);
        let ended = job.run.as_ref().and_then(|run| run.finished_at);
        status.finished_at = job.state.is_finished().then(|| ended.unwrap_or(now));
        if let Some(run) = &job.run {
            status.runner = Some(self.hosts.name(run.runner).to_string());
            status.leased_at = Some(run.leased_at);
            // One that was ended while it waited for another attempt did not run until then.
            let ran_last = !job.state.is_finished() || ended.is_some();
            status.started_at = run.started_at.filter(|_| ran_last);
            (status.exit_status, status.signal) = (run.exit_status, run.signal);
            if job.state.is_out() {
                status.kill_now = run.kill == Some(Order::KillNow);
                (status.stop, status.incarnation) = (run.stop, run.incarnation);
                status.moves_to = run.to.map(|to| self.queues.get(to).name.clone());
            }
        }
        status
    }

    /// A job that is over and written.
    fn forget(&mut self, id: JobId, now: Mono) {
        let Some(job) = self.jobs.remove(id) else { return };
        self.queues_gone.remove(&id);
        self.gone.put(id, Some(job.fence));
        if job.state == JobState::Succeeded && job.reason == Some(Reason::Ok) {
            self.succeeded.put(job.same, (id, now));
        }
        let (tenant, host) = (job.tenant, job.host());
        let needs = job.claims.as_ref().map(|claims| self.resources.needs(claims));
        if let Some(claims) = &job.claims {
            self.resources.release(claims);
        }
        let runner = job.run.as_ref().map(|run| run.runner);
        self.remember_lost(id, job, needs);
        // What the tenant owes is remembered under its number.
        let owes = |tenant| self.scheduler.remembers(TenantId(tenant));
        self.tenants.release(tenant, owes);
        for held in host.into_iter().chain(runner) {
            self.hosts.release(held, |_| false);
        }
    }
}
