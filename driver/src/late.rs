//! Runners that come back after their leases have run out. While nobody else was given a job's next lease, nothing can have been
//! done twice: what its runner still has, or has ended, counts as if it had been heard all the time. What others have by then stays
//! theirs: it does not go on beside a job that was given its key, or an exclusive queue's next runner.

use std::sync::Arc;

use ostler_job::{
    JobId, Now,
    durable::{AttemptKey, JobState, Order, QueueName, Reason, Resources},
};

use super::{Driver, jobs::Job, queues::DEFAULT};

/// A job that was given up with its runner, and might come back: it may start once only.
#[derive(Debug)]
pub(super) struct GivenUp {
    job: Job,
    tenant: Arc<str>,
    host: Option<Arc<str>>,
    queue: QueueName,
    needs: Option<Resources>,
}

impl Driver {
    /// Takes up an attempt that was given up, if this runner had it and no lease followed. The job is out again then.
    /// `ended`: how, if it did.
    pub(super) fn take_up(
        &mut self,
        key: AttemptKey,
        number: u32,
        ended: Option<Reason>,
        now: Now,
    ) -> bool {
        let id = key.job;
        let was = |job: &Job| {
            let lost = job.run.as_ref().is_some_and(|run| run.lost && run.runner == number);
            lost && (job.fence, job.attempts) == (key.fence, key.attempt)
        };
        // By an operator, before it was lost or since: it is out again, and stands still there.
        let paused = self.jobs.get(id).is_some_and(|job| job.state == JobState::Paused);
        let waits = |job: &Job| matches!(job.state, JobState::Pending | JobState::Paused);
        let known = match self.jobs.get(id) {
            Some(job) => Some(job).filter(|job| waits(job)),
            None => self.given_up.get(&id).map(|it| &it.job),
        };
        let Some(queue) = known.filter(|job| was(job)).map(|job| job.queue) else { return false };
        // What has ended works no queue beside anybody, and needs nothing any more.
        let needs = self.given_up.get(&id).and_then(|it| it.needs.as_ref());
        let is_apart = || self.is_worked_by_another(queue, number) || self.is_excluded(id, needs);
        // Where its queue is gone it goes on in none, and waits in none: what could not be started may have to.
        let is_gone = !self.queues.contains(queue);
        let may_wait = ended.is_none_or(|reason| reason == Reason::Unstartable);
        if (is_gone && may_wait) || (ended.is_none() && is_apart()) {
            return false;
        }
        if self.jobs.get(id).is_none() {
            self.come_back(id);
        }
        self.touch(id);
        let job = &mut self.jobs[id];
        job.crashes = job.crashes.saturating_sub(1);
        let run = job.run_mut();
        (run.lost, run.finished_at) = (false, None);
        run.stop |= paused;
        let began = run.started_at.is_some();
        self.shift(id, if began { JobState::Running } else { JobState::Leased });
        // It had given its slot away, and waits no more.
        self.hold_slot(id, number, now);
        if paused {
            self.order(id, Order::Stop);
        }
        if self.jobs[id].moves_to().is_some() {
            self.order(id, Order::Kill);
        }
        true
    }

    /// A job that is over is remembered if its runner was lost with it and it may not start again.
    pub(super) fn remember_lost(&mut self, id: JobId, job: Job, needs: Option<Resources>) {
        let lost = job.reason == Some(Reason::Lost) && job.policy.once;
        if lost && job.run.as_ref().is_some_and(|run| run.lost) {
            let tenant = self.tenants.name(job.tenant).clone();
            let host = job.host().map(|host| self.hosts.name(host).clone());
            let queue = self.queues.get(job.queue).name.clone();
            self.given_up.put(id, GivenUp { job, tenant, host, queue, needs });
        }
    }

    fn come_back(&mut self, id: JobId) {
        let Some(GivenUp { mut job, tenant, host, queue, needs }) = self.given_up.take(&id) else {
            return;
        };
        if !self.queues.contains(job.queue) {
            // For the moment, and its record goes on to say which one it was.
            job.queue = self.queues.find(Some(&queue)).unwrap_or(DEFAULT);
            self.queues_gone.insert(id, queue);
        }
        job.tenant = self.tenants.hold(&tenant);
        job.pin(host.map(|host| self.hosts.hold(&host)));
        job.claims = needs.and_then(|needs| self.resources.hold(&needs));
        let runner = job.run_mut().runner;
        let name = self.hosts.name(runner).clone();
        self.hosts.hold(&name);
        job.policy = self.jobs.keep_policy(job.policy);
        // For the moment: it is taken up at once.
        (job.state, job.reason) = (JobState::Paused, None);
        self.timers.expire(id, job.expires);
        self.jobs.insert(id, job);
    }
}
