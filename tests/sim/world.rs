//! The world: a clock, a store, a gateway, three runners, clients and operators, and what passes between them.

use ostler_gateway::driver::{Action, Answer, Effect, Submit, Ticket};
use ostler_job::{
    JobId, Mono, Now, Span, Wall,
    durable::{Epoch, Start},
};
use ostler_store::{Change, Fault, Memory, Planned, Store};

use crate::{
    agenda::{Agenda, Event, ToRunner},
    checker::Checker,
    clients::Client,
    gateway::Gateway,
    rng::Rng,
    runner::{Around, Runner},
};

/// When faults end, and when everything must be done.
const CALM: Mono = Mono(60_000_000_000);
const END: Mono = Mono(1_200_000_000_000);
/// The wall clock's reading at the start.
const EPOCH: u64 = 1_800_000_000_000;
const BEAT: Span = Span::from_secs(5);

/// What kind of run it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// The store sometimes forgets what it has acknowledged.
    pub(crate) forget: bool,
}

/// See the module.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Now,
    /// What somebody set the wall clock off by, in milliseconds.
    pub(crate) wall_offset: i64,
    pub(crate) rng: Rng,
    pub(crate) agenda: Agenda,
    pub(crate) store: Memory,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) runners: Vec<Runner>,
    pub(crate) clients: Vec<Client>,
    pub(crate) checker: Checker,
    pub(crate) slow_until: Mono,
    /// The store forgets the next commit that takes a job.
    pub(crate) forget_next: bool,
    pub(crate) forgot: bool,
    links: u64,
    calm: bool,
}

impl World {
    /// Runs a seed to its end, or to the first thing that is not true.
    pub(crate) fn run(seed: u64, plan: Plan) -> Self {
        let mut world = Self {
            plan,
            now: Now { mono: Mono(0), wall: Wall(EPOCH) },
            wall_offset: 0,
            rng: Rng::new(seed),
            agenda: Agenda::default(),
            store: Memory::new(),
            gateway: None,
            runners: (0..3).map(Runner::new).collect(),
            clients: Vec::new(),
            checker: Checker::default(),
            slow_until: Mono(0),
            forget_next: false,
            forgot: false,
            links: 0,
            calm: false,
        };
        world.agenda.at(Mono(0), Event::Restart);
        (0..3).for_each(|at| world.agenda.at(Mono(1), Event::Boot(at)));
        world.agenda.at(Mono(2), Event::Chaos);
        while world.checker.broken.is_none() && world.now.mono < END {
            let Some((at, event)) = world.agenda.next() else { break };
            world.tell_time(at);
            if !world.calm && at > CALM {
                world.calm_down();
            }
            world.happen(event);
            if world.calm && world.is_drained() {
                break;
            }
        }
        world.checker.check_drained(&world.store);
        world
    }

    pub(crate) fn tell_time(&mut self, mono: Mono) {
        let wall = EPOCH + mono.0 / 1_000_000;
        self.now = Now { mono, wall: Wall(wall.saturating_add_signed(self.wall_offset)) };
    }

    /// Nothing fails from here on.
    fn calm_down(&mut self) {
        self.calm = true;
        // Whatever the clock said when somebody named a moment: it is past soon.
        self.wall_offset = 3_600_000;
        self.tell_time(self.now.mono);
        self.store.unplan();
    }

    fn is_drained(&self) -> bool {
        let mut jobs = self.checker.jobs();
        jobs.all(|job| {
            self.store.job(job).ok().flatten().is_some_and(|it| it.status.state.is_finished())
        }) && self.now.mono > CALM + Span::from_secs(90)
            && self.gateway.as_ref().is_some_and(|it| it.queue.is_empty())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Chaos if self.calm => self.look_after(),
            Event::Chaos => self.chaos(),
            Event::Restart => self.restart(),
            Event::Boot(at) => self.boot(at),
            Event::Connect(at, incarnation) => self.connect(at, incarnation),
            Event::ToRunner(at, link, message) => {
                if self.runners[at].link == Some(link) {
                    self.with_runner(at, |runner, around| runner.take(around, message));
                }
            }
            Event::Beat(at, incarnation) => self.beat(at, incarnation),
            Event::Ends(at, incarnation, key) => {
                if self.runners[at].incarnation == incarnation {
                    self.with_runner(at, |runner, around| runner.ends(around, key));
                }
            }
            Event::Resume(at) => self.with_runner(at, Runner::resume),
            Event::Continue => self.go_on(),
            Event::Commit(_)
            | Event::Timeout(_)
            | Event::ToGateway(..)
            | Event::LinkDown(..)
            | Event::Submit(_)
            | Event::Steer(_) => self.at_gateway(event),
        }
    }

    /// Something that the gateway sees, when it runs and is not stopped.
    fn at_gateway(&mut self, event: Event) {
        let now = self.now;
        let Some(gateway) = &mut self.gateway else {
            return self.without_gateway(event);
        };
        let Some(event) = gateway.holds_back(event) else { return };
        match event {
            Event::Commit(life) if life == gateway.life => return self.commit(),
            Event::Timeout(life) if life == gateway.life => gateway.driver.handle_timeout(now),
            Event::ToGateway(at, link, message) if self.runners[at].link == Some(link) => {
                gateway.hear(self.runners[at].name(), message, now);
            }
            Event::LinkDown(at, life) if life == gateway.life => {
                gateway.driver.handle_link_down(&self.runners[at].name().as_str().into(), now);
            }
            Event::Steer(steer) => gateway.steer(steer, now),
            Event::Submit(client) => return self.submit(client),
            Event::Commit(_)
            | Event::Timeout(_)
            | Event::ToGateway(..)
            | Event::LinkDown(..)
            | Event::Restart
            | Event::Continue
            | Event::ToRunner(..)
            | Event::Connect(..)
            | Event::Beat(..)
            | Event::Ends(..)
            | Event::Boot(_)
            | Event::Resume(_)
            | Event::Chaos => {}
        }
        self.drain();
    }

    fn without_gateway(&mut self, event: Event) {
        // A request without a gateway fails; whoever has a key, or must be heard, tries again.
        if matches!(event, Event::Submit(_)) || (self.calm && matches!(event, Event::Steer(_))) {
            self.agenda.at(self.now.mono + Span::from_secs(1), event);
        }
    }

    fn submit(&mut self, client: usize) {
        let Some(gateway) = &mut self.gateway else { return };
        let it = &self.clients[client];
        if it.answered {
            return;
        }
        // As the API does: who asks with a key that the store knows is answered from there.
        if let Some(key) = &it.key
            && let Ok(Some((_, jobs))) = self.store.keyed(key)
        {
            self.checker.acknowledge(&jobs, Some(key));
            self.clients[client].answered = true;
            return;
        }
        let ticket = Ticket(client as u64);
        gateway.tickets.insert(ticket, client);
        let key = it.key.clone().map(|key| (key, "request".to_owned()));
        let all_or_none = client.is_multiple_of(3);
        let submit =
            Submit { ticket, who: "client".into(), key, jobs: it.jobs.clone(), all_or_none };
        gateway.driver.handle_submit(submit, self.now);
        if it.key.is_some() {
            let again = self.now.mono + self.rng.millis(1, 5_000);
            self.agenda.at(again, Event::Submit(client));
        }
        self.drain();
    }

    /// Takes what the driver decided, after every event.
    fn drain(&mut self) {
        let at = self.commit_at();
        if let Some(gateway) = &mut self.gateway {
            gateway.drain(&mut self.agenda, self.now, at);
        }
    }

    fn commit_at(&mut self) -> Mono {
        let slow = self.now.mono < self.slow_until;
        let takes = if slow { self.rng.millis(500, 4_000) } else { self.rng.millis(1, 6) };
        self.now.mono + takes
    }

    /// The commit that was under way returns.
    fn commit(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        let Some(action) = gateway.queue.pop_front() else { return };
        let takes = action.changes.iter().any(|it| matches!(it, Change::Submit { .. }));
        if takes && std::mem::take(&mut self.forget_next) {
            self.store.plan([Some(Planned::Forgotten)]);
            self.forgot = true;
        }
        match self.store.commit(Epoch(gateway.life), &action.changes) {
            Ok(_) => self.checker.committed(&action.changes),
            Err(error) if error.fault == Fault::Fenced => {
                self.checker.fail(format!("the only writer was fenced: {error}"));
            }
            // The gateway ends, and looks at what there is when it is back.
            Err(_) => return self.end_gateway(None),
        }
        let (life, more) = (gateway.life, !gateway.queue.is_empty());
        if more {
            let at = self.commit_at();
            self.agenda.at(at, Event::Commit(life));
        }
        self.carry_out(action);
    }

    fn carry_out(&mut self, action: Action) {
        self.checker.acts(&action, &self.store);
        for effect in action.effects {
            match effect {
                Effect::Run { runner, key, .. } => {
                    let spec = self.store.job(key.job).ok().flatten().map(|job| job.spec);
                    let Some(spec) = spec else { continue };
                    self.send(&runner, ToRunner::Run(Box::new(Start { key, spec })));
                }
                Effect::Settle { runner, key, .. } => self.send(&runner, ToRunner::Settle(key)),
                Effect::Steer { runner, key, order } => {
                    self.send(&runner, ToRunner::Steer(key, order));
                }
                Effect::Answer { ticket, answers } => self.answer(ticket, &answers),
                Effect::Changed { .. } | Effect::Deleted { .. } => {}
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, answers: &[Answer]) {
        let client = self.gateway.as_mut().and_then(|it| it.tickets.remove(&ticket));
        let Some(client) = client else { return };
        let it = &mut self.clients[client];
        it.answered = true;
        let taken = answers.iter().flat_map(|answer| match answer {
            Answer::Done { job, .. } | Answer::Coalesced { job } => vec![*job],
            Answer::Keyed { jobs, .. } => jobs.clone(),
            Answer::Duplicate { .. }
            | Answer::QueueFull { .. }
            | Answer::WithOthers
            | Answer::Unknown
            | Answer::NotNow { .. } => Vec::new(),
        });
        let taken: Vec<JobId> = taken.collect();
        if !taken.is_empty() {
            self.checker.acknowledge(&taken, it.key.as_deref());
        }
    }

    fn send(&mut self, name: &str, message: ToRunner) {
        let Some(at) = self.runners.iter().position(|it| it.name() == name) else { return };
        let Some(link) = self.runners[at].link else { return };
        let arrives = self.now.mono + Span::from_millis(1 + link % 50);
        self.agenda.at(arrives, Event::ToRunner(at, link, message));
    }

    fn with_runner(&mut self, at: usize, step: impl FnOnce(&mut Runner, &mut Around<'_>)) {
        let mut around = Around {
            now: self.now,
            rng: &mut self.rng,
            agenda: &mut self.agenda,
            checker: &mut self.checker,
            calm: self.calm,
        };
        step(&mut self.runners[at], &mut around);
    }

    fn boot(&mut self, at: usize) {
        if self.runners[at].lives() {
            return;
        }
        self.runners[at].incarnation += 1;
        let incarnation = self.runners[at].incarnation;
        self.agenda.at(self.now.mono, Event::Connect(at, incarnation));
        self.agenda.at(self.now.mono + BEAT, Event::Beat(at, incarnation));
    }

    fn connect(&mut self, at: usize, incarnation: u64) {
        let runner = &mut self.runners[at];
        if runner.incarnation != incarnation || runner.link.is_some() {
            return;
        }
        if self.gateway.is_none() || runner.stopped {
            let again = self.now.mono + Span::from_millis(500);
            return self.agenda.at(again, Event::Connect(at, incarnation));
        }
        self.links += 1;
        runner.link = Some(self.links);
        self.with_runner(at, |runner, around| {
            runner.beat(around);
            runner.repeat(around);
        });
    }

    fn beat(&mut self, at: usize, incarnation: u64) {
        if self.runners[at].incarnation != incarnation {
            return;
        }
        if !self.runners[at].stopped {
            self.with_runner(at, |runner, around| runner.beat(around));
        }
        self.agenda.at(self.now.mono + BEAT, Event::Beat(at, incarnation));
    }

    /// The runner's link is gone, with everything in it. The gateway notices a little later.
    pub(crate) fn unlink(&mut self, at: usize) {
        if self.runners[at].link.take().is_none() {
            return;
        }
        if let Some(gateway) = &self.gateway {
            let noticed = self.now.mono + Span::from_millis(1);
            self.agenda.at(noticed, Event::LinkDown(at, gateway.life));
        }
        let (incarnation, away) = (self.runners[at].incarnation, self.rng.millis(20, 4_000));
        self.agenda.at(self.now.mono + away, Event::Connect(at, incarnation));
    }

    pub(crate) fn crash_gateway(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            let under_way = gateway.queue.pop_front();
            self.end_gateway(under_way);
        }
    }

    /// The gateway is gone; of what was under way to the store, all is there or nothing.
    fn end_gateway(&mut self, under_way: Option<Action>) {
        self.checker.tally.crashes += 1;
        self.gateway = None;
        if let Some(action) = under_way {
            let kept = self.rng.one_in(2);
            self.store.crash(Some((&action.changes, kept)));
            if kept {
                action.changes.iter().for_each(|change| self.checker.change(change));
            }
        } else {
            self.store.crash(None);
        }
        self.checker.check_store(&self.store);
        for at in 0..self.runners.len() {
            self.unlink(at);
        }
        let away = self.rng.millis(10, 20_000);
        self.agenda.at(self.now.mono + away, Event::Restart);
    }

    fn restart(&mut self) {
        if self.gateway.is_none() {
            self.gateway = Some(Gateway::start(&self.store, self.now, 7));
            self.drain();
        }
    }

    /// The stopped gateway goes on, with all that has come meanwhile.
    fn go_on(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        gateway.stopped = false;
        for event in std::mem::take(&mut gateway.inbox) {
            self.at_gateway(event);
        }
    }
}
