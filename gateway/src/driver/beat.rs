//! Runners that are heard, and those that are not: who keeps its leases.

use std::collections::BTreeSet;

use ostler_job::{
    HostId, JobId, Now, Span, SupplierId,
    durable::{AttemptKey, JobState, Order},
};
use ostler_scheduler::Supply;
use ostler_store::EventKind;
use serde_json::json;

use super::{
    Driver, RunnerName,
    event::{Beat, Effect},
    returns::{LACKED, RESTARTED},
};

/// How long an order to run may be under way before a runner that lacks it has not got it.
const UNDER_WAY: Span = Span::from_secs(5);

/// What it means that a runner does not have what is leased to it.
enum Lacks {
    /// The order to run it may still come.
    UnderWay,
    /// The order never came.
    Unstarted,
    /// It had it.
    Lost,
}

impl Driver {
    pub(super) fn beat(&mut self, beat: Beat, now: Now) {
        let number = self.meet(&beat.runner);
        let Some(runner) = self.runners.get(number) else { return };
        let other = runner.incarnation.as_ref().is_some_and(|it| *it != beat.incarnation);
        if other {
            self.lose_runner(number, ("restarted", RESTARTED), now);
        }
        let back = self.greet(number, &beat, now);
        let held: BTreeSet<AttemptKey> = beat.held.iter().copied().collect();
        for &key in &held {
            self.held(&beat.runner, number, key, back);
        }
        if let Some(runner) = self.runners.get_mut(number) {
            runner.settling.retain(|key| held.contains(key));
        }
        let jobs = self.runners.get(number).map(|it| it.jobs.iter().copied().collect::<Vec<_>>());
        for id in jobs.into_iter().flatten() {
            if !held.contains(&self.jobs[id].key(id)) {
                self.lacks(id, now);
            }
        }
        self.offer(number, now);
    }

    /// The runner's number; it is known from here on.
    pub(super) fn meet(&mut self, name: &RunnerName) -> u32 {
        if let Some(number) = self.hosts.find(name).filter(|&it| self.runners.contains(it)) {
            return number;
        }
        let number = self.hosts.hold(name);
        self.runners.insert(number);
        number
    }

    /// The runner lives. Answers whether it was away.
    fn greet(&mut self, number: u32, beat: &Beat, now: Now) -> bool {
        let deadline = Some(now.mono + self.config.lease);
        self.runners.set_deadline(number, deadline);
        let runner = self.runners.insert(number);
        runner.incarnation = Some(beat.incarnation.clone());
        runner.heard_at = now.wall;
        runner.beats += 1;
        runner.slots = beat.slots;
        let back = !std::mem::replace(&mut runner.connected, true);
        if back {
            self.tell_runner(number, "connected", now);
        }
        back
    }

    /// The runner has this attempt: its lease goes on, or it is told to let go.
    fn held(&mut self, name: &RunnerName, number: u32, key: AttemptKey, back: bool) {
        if self.leased(key, number).is_none() {
            self.hear_of(key.fence);
            let taken = self.runners.get(number).is_some_and(|it| it.settling.contains(&key));
            let runner = name.clone();
            return self.outbox.effect(Effect::Settle { runner, key, fenced: !taken });
        }
        let run = self.jobs[key.job].run_mut();
        run.seen = true;
        if back {
            // What was ordered while it was away, or on its way then, is ordered again.
            let orders = [run.kill, run.stop.then_some(Order::Stop)];
            for order in orders.into_iter().flatten() {
                self.outbox.effect(Effect::Steer { runner: name.clone(), key, order });
            }
        }
    }

    /// The runner does not have what is leased to it.
    fn lacks(&mut self, id: JobId, now: Now) {
        let job = &self.jobs[id];
        // Whether an order to run never came cannot be proven: it may wait for its commit. A job that may be started
        // twice is given elsewhere; one that may not is lost.
        match self.what_lacks(id, now) {
            Lacks::UnderWay => {}
            Lacks::Unstarted if !job.policy.once => self.return_(id, now),
            Lacks::Unstarted | Lacks::Lost => self.lose(id, LACKED, now),
        }
    }

    fn what_lacks(&self, id: JobId, now: Now) -> Lacks {
        let job = &self.jobs[id];
        let Some(run) = &job.run else { return Lacks::UnderWay };
        let beats = self.runners.get(run.runner).map_or(0, |it| it.beats);
        if run.seen {
            Lacks::Lost
        } else if run.adopted {
            if job.state == JobState::Leased { Lacks::Unstarted } else { Lacks::Lost }
        } else if now.mono - run.leased < UNDER_WAY || beats - run.beats < 2 {
            Lacks::UnderWay
        } else {
            Lacks::Unstarted
        }
    }

    /// What the runner offers has changed.
    pub(super) fn offer(&mut self, runner: u32, now: Now) {
        let Some(it) = self.runners.get(runner) else { return };
        let supply = Supply { host: HostId(runner), slots: it.offered(), prefetch: 0 };
        self.scheduler.handle_supply(SupplierId(runner), supply, now.mono);
        self.place(now);
    }

    /// Everything that is leased to the runner is lost, and it gets nothing until it is heard.
    pub(super) fn lose_runner(&mut self, number: u32, (what, why): (&str, &str), now: Now) {
        self.runners.set_deadline(number, None);
        self.offer(number, now);
        let Some(runner) = self.runners.get_mut(number) else { return };
        runner.settling.clear();
        let jobs: Vec<JobId> = runner.jobs.iter().copied().collect();
        self.tell_runner(number, what, now);
        for id in jobs {
            self.lose(id, why, now);
        }
    }

    pub(super) fn link_down(&mut self, name: &RunnerName, now: Now) {
        let Some(number) = self.hosts.find(name) else { return };
        let Some(runner) = self.runners.get_mut(number) else { return };
        if std::mem::replace(&mut runner.connected, false) {
            self.tell_runner(number, "disconnected", now);
            self.offer(number, now);
        }
    }

    pub(super) fn drain(&mut self, name: &RunnerName, drain: bool, now: Now) {
        let number = self.meet(name);
        let Some(runner) = self.runners.get_mut(number) else { return };
        if std::mem::replace(&mut runner.draining, drain) != drain {
            self.tell_runner(number, if drain { "draining" } else { "undrained" }, now);
            self.offer(number, now);
        }
    }

    fn tell_runner(&mut self, number: u32, what: &str, now: Now) {
        let detail = json!({ "runner": **self.hosts.name(number), "what": what });
        self.outbox.event((now.wall, EventKind::Runner), None, None, &detail);
    }
}
