//! Jobs of an earlier life of the store.

use ostler_job::{
    JobId, Mono, Now, Wall,
    durable::{Fence, JobState, Order, Status},
};
use ostler_store::Unfinished;

use super::{
    Driver,
    jobs::{NEVER, Run},
};

/// Bits of a fence that count the leases of one life of the store; the life is above them. Fences stay below 2^53, which
/// every reader of JSON keeps exactly, for 32,768 lives.
const LEASE_BITS: u32 = 38;

impl Driver {
    /// Takes an unfinished job up where the store has it. Leased ones wait for their runner as long as a lease lasts.
    pub fn restore(&mut self, job: impl Into<Unfinished>, now: Now) {
        let job: Unfinished = job.into();
        self.hear(now);
        let state = job.status.state;
        if state.is_finished() {
            return;
        }
        self.enter_known(&job);
        if state.is_out() && self.jobs[job.id].run.is_some() {
            self.adopt(job.id, state, now);
        } else if state == JobState::Paused {
            self.shift(job.id, state);
        } else {
            self.wait(job.id, now);
        }
        // Nothing of this is news to the store, except a moment that came while nobody watched.
        if self.jobs.get(job.id).is_some_and(|it| it.state == state) {
            self.outbox.forgive(job.id);
            self.jobs[job.id].touched = false;
        }
        self.done(now);
    }

    /// Tells what is known only when every job of the store has been restored: the store's life, which fences begin
    /// with, and the id of the next job. Nothing can have been granted before.
    pub fn begin(&mut self, life: u64, next_job: JobId) {
        assert_eq!(self.leases, 0, "no runner has been heard before the store is loaded");
        (self.life, self.next_job) = (life, next_job);
    }

    /// The fence of the next lease, above every fence before.
    pub(super) fn next_fence(&mut self) -> Fence {
        self.leases += 1;
        // Ten thousand a second for most of a year; beyond that a later life's fences would not be above this one's.
        assert!(
            self.leases >> LEASE_BITS == 0,
            "a gateway gives 2^{LEASE_BITS} leases in one life"
        );
        Fence((self.life << LEASE_BITS) + self.leases)
    }

    /// Puts a job with its record into the table, in no place yet.
    pub(super) fn enter_known(&mut self, job: &Unfinished) {
        let Status { host, due, attempts, failures, crashes, fence, kill, .. } = &job.status;
        self.enter(job.id, &job.into(), host.as_deref(), job.submitted_at);
        let it = &mut self.jobs[job.id];
        it.due = due.unwrap_or(Wall(0));
        (it.attempts, it.failures, it.crashes) = (*attempts, *failures, *crashes);
        (it.fence, it.kill) = (*fence, *kill);
        // Retried by hand after its time: that time does not end it again.
        if it.expires < it.due && job.status.state != JobState::Scheduled {
            self.timers.unexpire(job.id, it.expires);
            it.expires = NEVER;
        }
        let runner = job.status.runner.as_ref().map(|name| self.hosts.hold(name));
        self.jobs[job.id].run = runner.map(|runner| Box::new(past(runner, &job.status)));
    }

    /// A runner has it, as far as the store knows.
    fn adopt(&mut self, id: JobId, state: JobState, now: Now) {
        self.shift(id, state);
        let kill = self.jobs[id].kill;
        let run = self.jobs[id].run_mut();
        let runner = run.runner;
        run.adopted = true;
        run.leased = now.mono;
        run.stop = state == JobState::Stopped;
        run.kill = kill.then_some(Order::Kill);
        if !self.runners.contains(runner) {
            let name = self.hosts.name(runner).clone();
            self.hosts.hold(&name);
            self.runners.insert(runner);
            self.runners.set_deadline(runner, Some(now.mono + self.config.lease));
        }
        let it = self.runners.insert(runner);
        it.jobs.insert(id);
        it.adopted += 1;
    }
}

/// What the record tells of the last attempt.
fn past(runner: u32, status: &Status) -> Run {
    Run {
        runner,
        leased_at: status.leased_at.unwrap_or_default(),
        leased: Mono(0),
        beats: 0,
        started_at: status.started_at,
        seen: false,
        adopted: false,
        kill: None,
        stop: false,
        retry_at: Mono(0),
        exit_status: status.exit_status,
        signal: status.signal,
    }
}
