//! Jobs that arrive, run for their time and end, around one scheduler with a virtual clock.

use std::collections::BTreeSet;

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, Estimate, QueueConfig, Scheduler, Submit, Supply};

/// How many jobs run at once.
pub(crate) const SLOTS: u32 = 8;

/// A job, and what became of it.
#[derive(Clone)]
pub(crate) struct Job {
    /// Whose it is; below `htb`, where each tenant has a queue, also which queue it is in.
    pub(crate) tenant: u32,
    pub(crate) queue: QueueId,
    pub(crate) arrives: Mono,
    pub(crate) takes: Span,
    pub(crate) promise: Promise,
    /// Whether nobody wants it any more if it has not started a third of a second after it came.
    pub(crate) expires: bool,
    pub(crate) started: Option<Mono>,
}

impl Job {
    fn submit(&self, job: JobId) -> Submit {
        Submit {
            job,
            queue: self.queue,
            tenant: TenantId(self.tenant),
            weight: 1,
            promise: self.promise,
            expires: self.expires.then(|| self.arrives + Span::from_millis(333)),
            host: None,
            estimate: Estimate { p50: self.takes, p90: self.takes },
        }
    }

    /// Whether what it was promised was kept; `None`: it was promised nothing but to be done sometime.
    pub(crate) fn is_kept(&self) -> Option<bool> {
        let Promise::Within(window) = self.promise else { return None };
        Some(self.started.is_some_and(|at| at + self.takes <= self.arrives + window))
    }
}

/// Lets everything happen until the last job has come, and notes in `jobs` when each of them started.
pub(crate) fn run(queues: &[(QueueId, QueueConfig)], jobs: &mut [Job]) {
    jobs.sort_by_key(|job| job.arrives);
    let config =
        Config { waiting_max: u32::MAX, tenant_waiting_max: u32::MAX, ..Config::default() };
    let mut scheduler = Scheduler::new(config);
    for (id, queue) in queues {
        scheduler.handle_queue(*id, queue, Mono(0));
    }
    let supply = Supply { host: HostId(1), slots: SLOTS, prefetch: 0 };
    scheduler.handle_supply(SupplierId(1), supply, Mono(0));
    let (mut next, mut ends) = (0, BTreeSet::new());
    while next < jobs.len() {
        let ended = ends.first().copied();
        let wakes = scheduler.poll_timeout().map(|(at, _)| at);
        let arrives = jobs.get(next).map(|job| job.arrives);
        let moments = [ended.map(|(at, _)| at), wakes, arrives];
        let now = moments.into_iter().flatten().min().expect("a job is to come");
        if let Some((at, job)) = ended.filter(|&(at, _)| at == now) {
            ends.remove(&(at, job));
            scheduler.handle_finish(job, now);
        } else if wakes == Some(now) {
            scheduler.handle_timeout(now);
        } else {
            scheduler.handle_submit(jobs[next].submit(JobId(next as u64)), now);
            next += 1;
        }
        while let Some(action) = scheduler.poll_action() {
            if let Action::Grant { job, .. } = action {
                let granted = &mut jobs[job.0 as usize];
                granted.started = Some(now);
                ends.insert((now + granted.takes, job));
            }
        }
    }
}

/// The slots that a tenant's jobs had in each second, on the average.
pub(crate) fn slots(jobs: &[Job], tenant: u32, seconds: usize) -> Vec<f64> {
    let mut used = vec![0; seconds];
    for job in jobs.iter().filter(|job| job.tenant == tenant) {
        let Some(started) = job.started else { continue };
        let ends = started + job.takes;
        for (second, used) in used.iter_mut().enumerate() {
            let from = second as u64 * SECOND;
            let (from, to) = (started.0.max(from), ends.0.min(from + SECOND));
            *used += to.saturating_sub(from);
        }
    }
    used.into_iter().map(|nanos| nanos as f64 / SECOND as f64).collect()
}

/// In nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;
