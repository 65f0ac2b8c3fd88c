//! What happens by itself when its time has come.
//!
//! A date that people named is one of the wall clock, which may be set: while any is awaited the driver wakes every second and
//! compares anew. It goes by a [`Calendar`]: a step of an hour moves dates at once, a leap ahead when it has lasted an hour, and a
//! leap back none that is known already. Schedules, whose moments are the clock's alone, follow a leap back, too, that has lasted. Everything else is a length of time, by the clock that nobody sets: delays, the
//! time in which a job must be started, leases, and the waits between attempts. One that a restart interrupts goes on until
//! its moment by the wall clock, and for its whole length at most.
//!
//! A gateway that was stopped itself has heard nobody: runners are given time to be heard before their leases run out.

use std::collections::BTreeSet;

use ostler_job::{
    Calendar, Heard, JobId, Mono, Now, Since, Span, Wall,
    durable::{JobState, Reason},
};

use super::{
    Driver,
    event::Effect,
    jobs::{Job, NEVER},
    moments::{BEFORE, Moment, Moments},
    returns::NOT_HEARD,
};

/// How often a wall clock is looked at, and the driver finds out that it was not stopped.
const PULSE: Span = Span::from_secs(1);
/// A pulse that late means that the gateway was stopped.
const STOPPED: Span = Span::from_secs(3);
/// What a wall clock is off by that nobody has set.
const SET_MS: u64 = 500;
/// How long idempotency keys are remembered here, at least.
const KEYS_FOR: Span = Span::from_secs(600);

/// Every awaited moment.
#[derive(Debug, Default)]
pub(super) struct Timers {
    scheduled: Moments,
    expiring: BTreeSet<(Mono, JobId)>,
    retrying: BTreeSet<(Mono, JobId)>,
    /// When the driver was told something last.
    last: Now,
    /// `None`: it was told nothing yet.
    calendar: Option<Calendar>,
    /// The same for schedules, whose moments are the wall clock's alone: it believes a leap back, too, that has lasted.
    firing: Option<Calendar>,
    /// No lease runs out before this.
    patience: Mono,
    /// When the remembered idempotency keys aged last.
    keys_turned: Mono,
}

impl Timers {
    pub(super) fn schedule(&mut self, id: JobId, at: Moment) {
        self.scheduled.put(id, at);
    }

    pub(super) fn unschedule(&mut self, id: JobId) {
        self.scheduled.remove(id);
    }

    /// The moment of a date that is named now.
    pub(super) fn date(&self, date: Wall, now: Now) -> Moment {
        Moment::Date(self.calendar.map_or(date, |it| it.moment(date, now)))
    }

    pub(super) fn retry(&mut self, id: JobId, at: Mono) {
        self.retrying.insert((at, id));
    }

    pub(super) fn unretry(&mut self, id: JobId, at: Mono) {
        self.retrying.remove(&(at, id));
    }

    pub(super) fn expire(&mut self, id: JobId, at: Mono) {
        if at != NEVER {
            self.expiring.insert((at, id));
        }
    }

    /// When the driver was told something last.
    pub(super) const fn seen(&self) -> Now {
        self.last
    }

    pub(super) fn unexpire(&mut self, id: JobId, at: Mono) {
        self.expiring.remove(&(at, id));
    }

    pub(super) fn awaits_end(&self, id: JobId, at: Mono) -> bool {
        self.expiring.contains(&(at, id))
    }

    /// Jobs that are awaited: scheduled, retrying, expiring.
    pub(super) fn lens(&self) -> (usize, usize, usize) {
        (self.scheduled.len(), self.retrying.len(), self.expiring.len())
    }

    /// The calendar's date, as of the last event.
    pub(super) fn today(&self) -> Wall {
        self.calendar.map_or(self.last.wall, |it| it.at(self.last.mono))
    }

    /// The date that schedules go by, as of the last event.
    pub(super) fn firing_today(&self) -> Wall {
        self.firing.map_or(self.last.wall, |it| it.at(self.last.mono))
    }

    /// When to look at the scheduled jobs again.
    fn due(&self) -> Option<(Mono, &'static str)> {
        let left = self.scheduled.next(self.today(), self.last.mono)?;
        let left = if self.scheduled.has_dates() { left.min(PULSE) } else { left };
        Some((self.last.mono + left, "a scheduled job is due"))
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
        let end = timers.expiring.first().map(|it| (it.0, "a waiting job expires"));
        let placed = self.scheduler.poll_timeout();
        let again = self.runners.suspicions.first_try();
        let again = again.map(|it| (it.0, "a broken runner is tried"));
        let (date, long) = self.schedules.next();
        let fires = date.map(|at| timers.last.mono + at.since(timers.firing_today()));
        let fires = fires.map(|at| (at, "a schedule is due"));
        let long = long.map(|at| (at, "a firing runs too long"));
        let closed = self.first_closing().map(|at| (at, "an order to a queue is answered"));
        [closed, lease, retry, end, again, timers.due(), fires, long, placed]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether somebody has set the wall clock since it was last told, while schedules wait for dates. Whoever looks at the clock anyway
    /// asks, since nothing else tells.
    pub fn clock_was_set(&self, now: Now) -> bool {
        let is_off = |calendar: Calendar| calendar.at(now.mono).0.abs_diff(now.wall.0) > SET_MS;
        self.schedules.next().0.is_some() && self.timers.firing.is_some_and(is_off)
    }

    /// Every event tells the time: a gap in it tells that nobody could be heard, and what has expired is not started.
    pub(super) fn hear(&mut self, now: Now) {
        let timers = &mut self.timers;
        if now.mono - timers.last.mono > STOPPED {
            timers.patience = now.mono + Span(self.config.lease.0 / 3);
        }
        timers.last = now;
        if timers.calendar.is_some_and(|it| it.at(now.mono) < BEFORE && now.wall >= BEFORE) {
            // What it leaps from is wrong, so that nothing speaks against what it leaps to.
            (timers.calendar, timers.firing) = (Some(Calendar::new(now)), None);
            timers.scheduled.redate(|id| self.jobs[id].due);
        }
        if timers.calendar.get_or_insert_with(|| Calendar::new(now)).hear(now) == Heard::Believed {
            timers.scheduled.redate(|id| self.jobs[id].due);
        }
        let firing = timers.firing.get_or_insert_with(|| Calendar::new(now));
        // One that has not asked for the time is not what it was set to, however long that lasts.
        if firing.hear(now) == Heard::Lasted && now.wall >= BEFORE {
            *firing = Calendar::new(now);
            self.outbox.effect(Effect::SetBack);
        }
        if now.mono - timers.keys_turned > KEYS_FOR {
            timers.keys_turned = now.mono;
            self.keys.turn();
        }
        while let Some(&(at, id)) = self.timers.expiring.first()
            && at <= now.mono
        {
            self.expire(id, now);
        }
    }

    /// Everything whose time has come.
    pub(super) fn run_due(&mut self, now: Now) {
        while let Some(id) = self.timers.scheduled.pop(self.timers.today(), now.mono) {
            self.queue(id, now);
        }
        while let Some(&(at, id)) = self.timers.retrying.first()
            && at <= now.mono
        {
            self.timers.unretry(id, at);
            self.queue(id, now);
        }
        while let Some((at, runner)) = self.runners.suspicions.first_try()
            && at <= now.mono
        {
            self.try_again(runner, now);
        }
        while let Some((at, runner)) = self.runners.first_deadline()
            && at.max(self.timers.patience) <= now.mono
        {
            self.lose_runner(runner, ("not heard", NOT_HEARD), &BTreeSet::new(), now);
        }
        self.run_schedules(self.timers.firing_today(), now);
        // A rate lets another job start.
        self.scheduler.handle_timeout(now.mono);
        self.place(now);
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

    /// How long the job could have run: since its moment, and not for longer than it is there.
    pub(super) fn runnable(&self, job: &Job, now: Now) -> Span {
        let there = job.since.passed(now.mono);
        let due = job.due != Wall(0) && job.attempts == 0;
        if due { there.min(now.wall.since(job.due)) } else { there }
    }

    /// The moment of the clock that nobody sets at which a job of such an age is as old as it will be then.
    pub(super) fn deadline(age: (Wall, Since), expires: Option<Wall>, now: Now) -> Mono {
        let (submitted_at, since) = age;
        let Some(expires) = expires else { return NEVER };
        let left = expires.since(submitted_at).0.saturating_sub(since.passed(now.mono).0);
        now.mono + Span(left)
    }
}
