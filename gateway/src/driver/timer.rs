//! What happens by itself when its time has come.
//!
//! Moments that people named (`not_before`, `expires`) are moments of the wall clock, which may be set: while any is
//! awaited the driver wakes every second and compares anew, so that a step of an hour delays nothing by more than that
//! second and fires nothing twice. Leases and the waits between attempts are lengths of time, by the clock that nobody
//! sets; a wait that a restart interrupts goes on until its moment by the wall clock, and for its whole length at most.
//!
//! A gateway that was stopped itself has heard nobody: runners are given time to be heard before their leases run out.

use std::collections::BTreeSet;

use ostler_job::{
    JobId, Mono, Now, Span, Wall,
    durable::{JobState, Reason},
};

use super::{Driver, jobs::NEVER, returns::NOT_HEARD};

/// How often a wall clock is looked at, and the driver finds out that it was not stopped.
const PULSE: Span = Span::from_secs(1);
/// A pulse that late means that the gateway was stopped.
const STOPPED: Span = Span::from_secs(3);
/// How long idempotency keys are remembered here, at least.
const KEYS_FOR: Span = Span::from_secs(600);

/// Every awaited moment.
#[derive(Debug, Default)]
pub(super) struct Timers {
    scheduled: BTreeSet<(Wall, JobId)>,
    expiring: BTreeSet<(Wall, JobId)>,
    retrying: BTreeSet<(Mono, JobId)>,
    /// When the driver was told something last.
    last: Now,
    /// No lease runs out before this.
    patience: Mono,
    /// When the remembered idempotency keys aged last.
    keys_turned: Mono,
}

impl Timers {
    pub(super) fn schedule(&mut self, id: JobId, at: Wall) {
        self.scheduled.insert((at, id));
    }

    pub(super) fn unschedule(&mut self, id: JobId, at: Wall) {
        self.scheduled.remove(&(at, id));
    }

    pub(super) fn retry(&mut self, id: JobId, at: Mono) {
        self.retrying.insert((at, id));
    }

    pub(super) fn unretry(&mut self, id: JobId, at: Mono) {
        self.retrying.remove(&(at, id));
    }

    pub(super) fn expire(&mut self, id: JobId, at: Wall) {
        if at != NEVER {
            self.expiring.insert((at, id));
        }
    }

    pub(super) fn unexpire(&mut self, id: JobId, at: Wall) {
        self.expiring.remove(&(at, id));
    }

    pub(super) fn awaits_end(&self, id: JobId, at: Wall) -> bool {
        self.expiring.contains(&(at, id))
    }

    /// Jobs that are awaited: scheduled, retrying, expiring.
    pub(super) fn lens(&self) -> (usize, usize, usize) {
        (self.scheduled.len(), self.retrying.len(), self.expiring.len())
    }

    /// The first moment of the wall clock, as one of the other.
    fn wall(&self) -> Option<(Mono, &'static str)> {
        let due = self.scheduled.first().map(|it| (it.0, "a scheduled job is due"));
        let end = self.expiring.first().map(|it| (it.0, "a waiting job expires"));
        let (at, why) = [due, end].into_iter().flatten().min()?;
        Some((self.last.mono + at.since(self.last.wall).min(PULSE), why))
    }
}

impl Driver {
    /// When to call [`Driver::handle_timeout`], and why. It changes with every event.
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        let timers = &self.timers;
        let lease = self.runners.first_deadline().map(|(at, _)| {
            let at = at.max(timers.patience);
            let pulse = timers.last.mono + PULSE;
            if at <= pulse { (at, "a runner's leases run out") } else { (pulse, "the pulse") }
        });
        let retry = timers.retrying.first().map(|it| (it.0, "a retry is due"));
        [lease, retry, timers.wall()].into_iter().flatten().min()
    }

    /// Every event tells the time: a gap in it tells that nobody could be heard, and what has expired is not started.
    pub(super) fn hear(&mut self, now: Now) {
        let timers = &mut self.timers;
        if now.mono - timers.last.mono > STOPPED {
            timers.patience = now.mono + Span(self.config.lease.0 / 3);
        }
        timers.last = now;
        if now.mono - timers.keys_turned > KEYS_FOR {
            timers.keys_turned = now.mono;
            self.keys.turn();
        }
        while let Some(&(at, id)) = self.timers.expiring.first()
            && at <= now.wall
        {
            self.expire(id, now);
        }
    }

    /// Everything whose time has come.
    pub(super) fn run_due(&mut self, now: Now) {
        while let Some(&(at, id)) = self.timers.scheduled.first()
            && at <= now.wall
        {
            self.timers.unschedule(id, at);
            self.queue(id, now);
        }
        while let Some(&(at, id)) = self.timers.retrying.first()
            && at <= now.mono
        {
            self.timers.unretry(id, at);
            self.queue(id, now);
        }
        while let Some((at, runner)) = self.runners.first_deadline()
            && at.max(self.timers.patience) <= now.mono
        {
            self.lose_runner(runner, ("not heard", NOT_HEARD), &BTreeSet::new(), now);
        }
    }

    /// The moment by which the job had to be started has come.
    fn expire(&mut self, id: JobId, now: Now) {
        let job = &self.jobs[id];
        self.timers.unexpire(id, job.expires);
        if job.attempts == 0 {
            self.withdraw(id, now);
            self.end(id, JobState::Expired, Reason::Expired, now);
        }
    }
}
