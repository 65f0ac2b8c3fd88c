//! A model of a runner: it starts what it is told to, reports, repeats itself, and forgets what is settled.

use std::collections::BTreeMap;

use ostler_job::{
    Mono, Now, Span,
    durable::{AttemptKey, Ending, Finish, LogState, Order, Reason, Report, Usage},
};

use ostler_tests::Rng;

use crate::{
    agenda::{Agenda, Event, ToGateway, ToRunner},
    checker::Checker,
};

/// One host's runner.
pub(crate) struct Runner {
    pub(crate) at: usize,
    /// Which process; odd while one lives.
    pub(crate) incarnation: u64,
    pub(crate) stopped: bool,
    /// The link that it has, numbered over all links.
    pub(crate) link: Option<u64>,
    pub(crate) held: BTreeMap<AttemptKey, Held>,
    /// Until then its beats wait behind a long log.
    pub(crate) behind_until: Mono,
    /// What arrived while it was stopped.
    pub(crate) inbox: Vec<ToRunner>,
}

/// An attempt that it has.
pub(crate) struct Held {
    started: Now,
    ends: Mono,
    ending: Ending,
    paused: bool,
    finish: Option<Finish>,
}

/// What a runner's step needs of the world.
pub(crate) struct Around<'a> {
    pub(crate) now: Now,
    pub(crate) rng: &'a mut Rng,
    pub(crate) agenda: &'a mut Agenda,
    pub(crate) checker: &'a mut Checker,
    /// No more faults.
    pub(crate) calm: bool,
}

fn ending(reason: Reason) -> Ending {
    let failed = (reason == Reason::ExitStatus).then_some(75);
    let exit_status = if reason == Reason::Ok { Some(0) } else { failed };
    let signal = (reason == Reason::Signal).then_some(11);
    Ending { reason, exit_status, signal, detail: None }
}

impl Runner {
    pub(crate) fn new(at: usize) -> Self {
        Self {
            at,
            incarnation: 0,
            stopped: false,
            link: None,
            held: BTreeMap::new(),
            behind_until: Mono(0),
            inbox: Vec::new(),
        }
    }

    pub(crate) fn lives(&self) -> bool {
        self.incarnation % 2 == 1
    }

    pub(crate) fn name(&self) -> String {
        format!("runner-{}", self.at % 3)
    }

    /// Sends over the link that is up, if one is.
    pub(crate) fn send(&self, around: &mut Around<'_>, message: ToGateway) {
        let Some(link) = self.link else { return };
        // In order, since every message takes as long.
        let at = around.now.mono + Span::from_millis(2 + link % 40);
        around.agenda.at(at, Event::ToGateway(self.at, link, message));
    }

    pub(crate) fn is_behind(&self, now: Mono) -> bool {
        now < self.behind_until
    }

    /// Attempts that are not over.
    pub(crate) fn running(&self) -> impl Iterator<Item = AttemptKey> {
        self.held.iter().filter(|(_, held)| held.finish.is_none()).map(|(key, _)| *key)
    }

    pub(crate) fn beat(&self, around: &mut Around<'_>) {
        if self.is_behind(around.now.mono) {
            around.checker.tally.words += 1;
            return self.send(around, ToGateway::Word);
        }
        let held = self.held.keys().copied().collect();
        // No two processes say the same, whatever their name.
        let incarnation = self.incarnation + 1_000_000 * self.at as u64;
        self.send(around, ToGateway::Beat { incarnation, held });
    }

    /// Tells again what may not have been heard.
    pub(crate) fn repeat(&self, around: &mut Around<'_>) {
        for (&key, held) in &self.held {
            around.checker.tally.resent += 1;
            let report = match &held.finish {
                Some(finish) => Report::Finished(Box::new(finish.clone())),
                None => Report::Started { key, at: held.started.wall },
            };
            self.send(around, ToGateway::Report(report));
            if held.paused && held.finish.is_none() {
                self.send(around, ToGateway::Report(Report::Paused { key, stopped: true }));
            }
        }
    }

    pub(crate) fn take(&mut self, around: &mut Around<'_>, message: ToRunner) {
        if self.stopped {
            return self.inbox.push(message);
        }
        match message {
            ToRunner::Run(start) if self.held.contains_key(&start.key) => {}
            ToRunner::Run(start) if !around.calm && around.rng.one_in(20) => {
                let report = Report::NotStarted { key: start.key };
                self.send(around, ToGateway::Report(report));
            }
            ToRunner::Run(start) => {
                around.checker.start(start.key, &start.spec, around.now);
                self.start(around, start.key);
            }
            ToRunner::Settle(key) => {
                self.held.remove(&key);
            }
            ToRunner::Steer(key, order) => self.steer(around, key, order),
        }
    }

    fn start(&mut self, around: &mut Around<'_>, key: AttemptKey) {
        let reason = match around.rng.below(12) {
            0 | 1 => Reason::ExitStatus,
            2 => Reason::Signal,
            3 if !around.calm => Reason::Lost,
            4 => Reason::Timeout,
            _ => Reason::Ok,
        };
        let takes = if around.rng.one_in(12) {
            Span::from_millis(around.rng.between(5_000, 30_000))
        } else {
            Span::from_millis(around.rng.between(1, 600))
        };
        let ends = around.now.mono + takes;
        let held =
            Held { started: around.now, ends, ending: ending(reason), paused: false, finish: None };
        self.held.insert(key, held);
        around.agenda.at(ends, Event::Ends(self.at, self.incarnation, key));
        if takes > Span::from_millis(50) {
            let report = Report::Started { key, at: around.now.wall };
            self.send(around, ToGateway::Report(report));
        }
    }

    fn steer(&mut self, around: &mut Around<'_>, key: AttemptKey, order: Order) {
        let (at, incarnation) = (self.at, self.incarnation);
        let Some(held) = self.held.get_mut(&key).filter(|held| held.finish.is_none()) else {
            return;
        };
        match order {
            Order::Kill | Order::KillNow => {
                held.ending = ending(Reason::Killed);
                held.ends = around.now.mono;
                held.paused = false;
                self.ends(around, key);
            }
            Order::Stop => {
                held.paused = true;
                self.send(around, ToGateway::Report(Report::Paused { key, stopped: true }));
            }
            Order::Continue => {
                held.paused = false;
                held.ends = held.ends.max(around.now.mono);
                around.agenda.at(held.ends, Event::Ends(at, incarnation, key));
                self.send(around, ToGateway::Report(Report::Paused { key, stopped: false }));
            }
        }
    }

    /// The attempt is over, if it is.
    pub(crate) fn ends(&mut self, around: &mut Around<'_>, key: AttemptKey) {
        let Some(held) = self.held.get_mut(&key) else { return };
        if held.finish.is_some() || held.paused || held.ends > around.now.mono || self.stopped {
            return;
        }
        let finish = Finish {
            key,
            ending: held.ending.clone(),
            started_at: Some(held.started.wall),
            ran: around.now.mono - held.started.mono,
            stopped: Span::ZERO,
            usage: Usage::default(),
            log: LogState::default(),
        };
        held.finish = Some(finish.clone());
        around.checker.ended(key, &finish.ending, around.now);
        let times = if around.rng.one_in(8) { 2 } else { 1 };
        for _ in 0..times {
            self.send(around, ToGateway::Report(Report::Finished(Box::new(finish.clone()))));
        }
    }

    /// It goes on after it was stopped.
    pub(crate) fn resume(&mut self, around: &mut Around<'_>) {
        self.stopped = false;
        for message in std::mem::take(&mut self.inbox) {
            self.take(around, message);
        }
        for key in self.held.keys().copied().collect::<Vec<_>>() {
            self.ends(around, key);
        }
    }

    /// Its process dies, with all that it ran.
    pub(crate) fn die(&mut self) {
        self.incarnation += 1;
        self.stopped = false;
        self.link = None;
        self.held.clear();
        self.behind_until = Mono(0);
        self.inbox.clear();
    }
}
