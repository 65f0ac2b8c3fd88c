//! Runners that are heard, and those that are not: who keeps its leases.

use std::collections::BTreeSet;

use ostler_job::durable::EventKind;
use ostler_job::{
    HostId, JobId, Now, Span, SupplierId,
    durable::{AttemptKey, JobState, Order},
};
use ostler_scheduler::Supply;
use serde_json::json;

use super::{
    Driver, RunnerName,
    event::{Beat, Effect, Offer},
    jobs::Sent,
    returns::{LACKED, RESTARTED},
};

/// How long an order to run may be under way before a runner that lacks it has not got it.
const UNDER_WAY: Span = Span::from_secs(5);

/// Which process of a runner it is, as the store keeps it: FNV-1a, which is the same in every version.
pub(super) fn hash(incarnation: &str) -> u32 {
    incarnation
        .bytes()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What it means that a runner does not have what is leased to it.
enum Absence {
    /// The order to run it may still come.
    UnderWay,
    /// It never had it, and never will.
    Never,
    /// The order has not come for long.
    Unstarted,
    /// It had it.
    Lost,
}

impl Driver {
    pub(super) fn beat(&mut self, beat: Beat, now: Now) {
        let number = self.meet(&beat.runner, now);
        let Some(runner) = self.runners.get(number) else { return };
        let other = runner.incarnation.as_ref().is_some_and(|it| *it != beat.incarnation);
        let held: BTreeSet<AttemptKey> = beat.held.iter().copied().collect();
        if other {
            // But for what the one before has ended: this one tells how.
            self.lose_runner(number, ("restarted", RESTARTED), &held, now);
        }
        let back = self.greet(number, &beat, now);
        self.greet_broken(number, &beat, other);
        for &key in &held {
            self.held((&beat.runner, number), key, back, now);
        }
        if let Some(runner) = self.runners.get_mut(number) {
            runner.settling.retain(|key| held.contains(key));
        }
        let jobs = self.runners.get(number).map(|it| it.leased.iter().copied().collect::<Vec<_>>());
        for id in jobs.into_iter().flatten() {
            if !held.contains(&self.jobs[id].key(id)) {
                self.lacks(id, now);
            }
        }
        self.offer(number, now);
    }

    /// The process lives, although its beat has not come: it may wait on a slow link, behind what came. Its leases go on. Those that
    /// have run out need the beat.
    pub fn handle_heard(&mut self, name: &RunnerName, now: Now) {
        self.hear(now);
        if let Some(number) = self.hosts.find(name)
            && self.runners.get(number).is_some_and(|it| it.connected && !it.is_lost())
        {
            self.runners.set_deadline(number, Some(now.mono + self.config.lease));
        }
        self.done(now);
    }

    /// The gateway is about to end: no runner gets anything new, and what becomes of their links is no news.
    pub fn handle_rest(&mut self, now: Now) {
        self.hear(now);
        self.resting = true;
        let all: Vec<u32> = self.runners.iter().map(|(number, _)| number).collect();
        all.into_iter().for_each(|number| self.offer(number, now));
        self.done(now);
    }

    /// The runner's number; it is known from here on.
    pub(super) fn meet(&mut self, name: &RunnerName, now: Now) -> u32 {
        if let Some(number) = self.hosts.find(name).filter(|&it| self.runners.contains(it)) {
            return number;
        }
        let number = self.hosts.hold(name);
        self.runners.insert(number);
        // It may have reports before it has a beat.
        self.look_at_runner(number, now);
        number
    }

    /// The runner lives. Answers whether it was away.
    fn greet(&mut self, number: u32, beat: &Beat, now: Now) -> bool {
        let deadline = Some(now.mono + self.config.lease);
        self.runners.set_deadline(number, deadline);
        let runner = self.runners.insert(number);
        runner.incarnation = Some(beat.incarnation.clone());
        runner.link = beat.link;
        runner.beats += 1;
        runner.slots = beat.slots;
        runner.labels = beat.labels.clone();
        let back = !std::mem::replace(&mut runner.connected, true);
        if back {
            self.tell_runner(number, "connected", now);
        }
        back
    }

    /// The runner has this attempt: its lease goes on, or it is told to let go.
    fn held(&mut self, (name, number): (&RunnerName, u32), key: AttemptKey, back: bool, now: Now) {
        if self.leased(key, number).is_none() && !self.take_up(key, number, None, now) {
            self.hear_of(key.fence);
            let taken = self.runners.get(number).is_some_and(|it| it.settling.contains(&key));
            let runner = name.clone();
            return self.outbox.effect(Effect::Settle { runner, key, fenced: !taken });
        }
        let job = &mut self.jobs[key.job];
        let state = job.state;
        let run = job.run_mut();
        run.seen = true;
        if back {
            // What was ordered while it was away, or on its way then, is ordered again.
            let stop = match (run.stop, state) {
                (true, _) => Some(Order::Stop),
                (false, JobState::Stopped) => Some(Order::Continue),
                (false, _) => None,
            };
            let orders = [run.kill, stop];
            for order in orders.into_iter().flatten() {
                self.outbox.effect(Effect::Steer { runner: name.clone(), key, order });
            }
        }
    }

    /// The runner does not have what is leased to it.
    fn lacks(&mut self, id: JobId, now: Now) {
        let once = self.jobs[id].policy.once;
        match self.what_lacks(id, now) {
            Absence::UnderWay => {}
            Absence::Never => self.return_(id, now),
            // No proof: what may be started twice is given elsewhere, what may not is lost.
            Absence::Unstarted if !once => self.return_(id, now),
            Absence::Unstarted | Absence::Lost => {
                let why = if self.is_of_another(id) { RESTARTED } else { LACKED };
                self.lose(id, why, now);
            }
        }
    }

    /// Whether it was leased to another process than the one that its runner is now.
    fn is_of_another(&self, id: JobId) -> bool {
        let Some(run) = &self.jobs[id].run else { return false };
        let present = self.runners.get(run.runner).and_then(|it| it.incarnation.as_deref());
        run.incarnation.is_some() && present.map(hash) != run.incarnation
    }

    /// Counted from when the order was given to a link, not from the decision: a commit may take longer than any lease.
    fn what_lacks(&self, id: JobId, now: Now) -> Absence {
        let job = &self.jobs[id];
        let Some(run) = &job.run else { return Absence::UnderWay };
        if run.seen || job.state != JobState::Leased {
            return Absence::Lost;
        }
        let (Some(sent), Some(runner)) = (run.sent, self.runners.get(run.runner)) else {
            return Absence::UnderWay;
        };
        // Nothing comes of a link that another has taken the place of, and this process has nothing of it.
        let same = runner.incarnation.as_deref().map(hash) == run.incarnation;
        if same && run.incarnation.is_some() && runner.link > sent.link {
            Absence::Never
        } else if now.mono - sent.at < UNDER_WAY || runner.beats - sent.beats < 2 {
            Absence::UnderWay
        } else {
            Absence::Unstarted
        }
    }

    /// The attempt is on its way to its runner.
    pub(super) fn sent(&mut self, link: u64, key: AttemptKey, now: Now) {
        let Some(job) = self.jobs.get(key.job) else { return };
        let Some(runner) = job.at().filter(|_| job.fence == key.fence) else { return };
        let beats = self.runners.get(runner).map_or(0, |it| it.beats);
        self.jobs[key.job].run_mut().sent.get_or_insert(Sent { at: now.mono, beats, link });
    }

    /// What the runner offers has changed.
    pub(super) fn offer(&mut self, runner: u32, now: Now) {
        if !self.runners.contains(runner) {
            return;
        }
        self.look_at_runner(runner, now);
        let slots = if self.resting { 0 } else { self.runners.offered(runner) };
        let supply = Supply { host: HostId(runner), slots, prefetch: 0 };
        self.scheduler.handle_supply(SupplierId(runner), supply, now.mono);
        self.place(now);
    }

    /// Everything that is leased to the runner is lost but for what it still speaks for, and it gets nothing until it is heard.
    pub(super) fn lose_runner(
        &mut self,
        number: u32,
        (what, why): (&str, &str),
        held: &BTreeSet<AttemptKey>,
        now: Now,
    ) {
        self.runners.set_deadline(number, None);
        self.offer(number, now);
        let Some(runner) = self.runners.get_mut(number) else { return };
        runner.settling.clear();
        let jobs: Vec<JobId> = runner.leased.iter().copied().collect();
        self.tell_runner(number, what, now);
        for id in jobs {
            if held.contains(&self.jobs[id].key(id)) {
                continue;
            }
            if self.jobs[id].run.as_ref().is_some_and(|run| run.sent.is_none()) {
                // Its lease is being written: nobody has it, and nobody gets it.
                self.return_(id, now);
            } else {
                self.lose(id, why, now);
            }
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

    pub(super) fn offered(&mut self, offer: &Offer, now: Now) {
        let number = self.meet(&offer.runner, now);
        let Some(runner) = self.runners.get_mut(number) else { return };
        runner.slots = offer.slots;
        if offer.wakes {
            self.mend(number, now);
        }
        if let Some(news) = offer.news {
            self.tell_runner(number, news, now);
        }
        self.offer(number, now);
    }

    /// A gateway that ends takes its links with it, and says nothing of each: a commit for that would only hold it up.
    pub(super) fn tell_runner(&mut self, number: u32, what: &str, now: Now) {
        if self.resting {
            return;
        }
        let detail = json!({ "runner": **self.hosts.name(number), "what": what });
        self.outbox.event((now.wall, EventKind::Runner), None, None, &detail);
    }
}
