//! The world: a clock, a store, a gateway, three runners, clients and operators, and what passes between them.

use ostler_driver::{ActorInput, Output, Submit, Ticket};
use ostler_job::{Mono, Now, Span, Wall};
use ostler_store::{Copy, Fault, Memory, Planned, Store};
use ostler_tests::Rng;

use crate::{
    agenda::{Agenda, Event},
    checker::{Checker, Expected},
    clients::Client,
    gateway::{Gateway, loaded},
    runner::{Around, Runner},
};

mod lives;

/// When faults end, and when everything must be done.
pub(crate) const CALM: Mono = Mono(60_000_000_000);
/// A clock that leaps is believed after an hour.
const END: Mono = Mono(4 * 3_600_000_000_000);
/// The wall clock's reading at the start.
pub(crate) const EPOCH: u64 = 1_800_000_000_000;
/// How long runners may have what is over.
const LET_GO: Span = Span::from_secs(30);
pub(crate) const BEAT: Span = Span::from_secs(5);
/// How often a runner is heard whose beat waits behind something long.
const WORD: Span = Span::from_secs(1);

/// What kind of run it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// The store sometimes forgets what it has acknowledged.
    pub(crate) forget: bool,
    /// Somebody sets the clocks.
    pub(crate) steps: bool,
    /// Queues are attached to runners.
    pub(crate) attaches: bool,
    /// One selector after the other, too: seeds of before there were these go on as they did.
    pub(crate) detaches: bool,
    /// There are schedules.
    pub(crate) fires: bool,
}

impl Plan {
    /// Every third run has clocks that are set; in the others moments are compared. In every second one queues are attached, in every
    /// fourth selector by selector. In every fifth something fires by itself.
    pub(crate) fn of(seed: u64) -> Self {
        let (steps, attaches) = (seed.is_multiple_of(3), seed.is_multiple_of(2));
        Self {
            steps,
            attaches,
            detaches: seed.is_multiple_of(4),
            fires: seed % 5 == 3,
            ..Self::default()
        }
    }
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
    /// A write will fail; whether it is there all the same.
    pub(crate) failing: Option<bool>,
    /// A backup, and what it must have.
    pub(crate) copy: Option<(Copy, Expected)>,
    /// Of every link: to which life of the gateway it was.
    pub(crate) links: Vec<u64>,
    lives: u64,
    pub(crate) calm: bool,
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
            // The last one is a copy of the first.
            runners: (0..4).map(Runner::new).collect(),
            clients: Vec::new(),
            checker: Checker::new(plan.steps),
            slow_until: Mono(0),
            forget_next: false,
            forgot: false,
            failing: None,
            copy: None,
            links: vec![0],
            lives: 0,
            calm: false,
        };
        world.agenda.at(Mono(0), Event::Restart);
        (0..3).for_each(|at| world.agenda.at(Mono(1), Event::Boot(at)));
        world.agenda.at(Mono(2), Event::Chaos);
        let mut over = None;
        while world.checker.broken.is_none() && world.now.mono < END {
            let Some((at, event)) = world.agenda.next() else { break };
            world.tell_time(at);
            if !world.calm && at > CALM {
                world.calm_down();
            }
            world.happen(event);
            if world.calm && world.is_drained() {
                // What its end leads to follows.
                let over = *over.get_or_insert(world.now.mono + LET_GO);
                if world.now.mono > over {
                    break;
                }
            }
        }
        world.checker.check_drained(&world.store);
        for runner in &world.runners {
            if let Some(key) = runner.held.keys().next() {
                world.checker.fail(format!("{key:?} is never let go by {}", runner.name()));
            }
        }
        world
    }

    pub(crate) fn tell_time(&mut self, mono: Mono) {
        let wall = EPOCH + mono.0 / 1_000_000;
        self.now = Now { mono, wall: Wall(wall.saturating_add_signed(self.wall_offset)) };
    }

    /// Nothing fails from here on.
    fn calm_down(&mut self) {
        self.calm = true;
        if self.plan.steps {
            // Whatever the clock said when somebody named a date: it is past when this is believed.
            self.wall_offset = 42 * 86_400_000;
            self.tell_time(self.now.mono);
        }
        self.store.unplan();
        self.failing = None;
        self.kill(3);
    }

    fn is_drained(&self) -> bool {
        let mut jobs = self.checker.jobs();
        jobs.all(|job| {
            self.store.job(job).ok().flatten().is_some_and(|it| it.status.state.is_finished())
        }) && self.checker.expected.timetable.names().is_empty()
            && self.now.mono > CALM + Span::from_secs(90)
            && self.gateway.as_ref().is_some_and(|it| it.flying.is_none())
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
            | Event::Timeout
            | Event::ToGateway(..)
            | Event::LinkDown(..)
            | Event::LinkUp(..)
            | Event::Submit(_)
            | Event::Queue(_)
            | Event::Schedule(_)
            | Event::LookSchedules(_)
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
            Event::Commit(life) if life == gateway.life => self.commit(),
            Event::ToGateway(at, link, message) if self.links[link as usize] == gateway.life => {
                // What was received before a link went may be read after that.
                let name = self.runners[at].name();
                if self.runners[at].link == Some(link) || self.rng.one_in(2) {
                    if message.keeps_leases() && gateway.links.get(&name) == Some(&(link, at)) {
                        self.checker.heard.of(&name, message.is_beat(), now.mono);
                    }
                    gateway.hear(&name, link, message, now);
                }
            }
            Event::LinkUp(at, link, life) if life == gateway.life => self.link_up(at, link),
            Event::LinkDown(at, link) if self.links[link as usize] == gateway.life => {
                self.link_down(at, link);
            }
            Event::Steer(steer) => gateway.actor.hear(ActorInput::Steer(steer), now),
            Event::Queue(order) => gateway.actor.hear(ActorInput::Queue(order), now),
            Event::Schedule(order) => gateway.actor.hear(ActorInput::Schedule(order), now),
            Event::LookSchedules(look) => {
                gateway.actor.hear(ActorInput::LookSchedules(look), now);
            }
            Event::Submit(client) => self.submit(client),
            Event::Timeout
            | Event::Commit(_)
            | Event::ToGateway(..)
            | Event::LinkUp(..)
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
        if matches!(event, Event::Submit(_))
            || (self.calm
                && matches!(event, Event::Steer(_) | Event::Queue(_) | Event::Schedule(_)))
        {
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
        let mut jobs = it.jobs.clone();
        for job in &mut jobs {
            // A date of a clock that was years ahead is no length.
            let wait = job.spec.not_before.map_or(Span::ZERO, |at| at.since(self.now.wall));
            job.delayed &= wait < Span::from_secs(3_600);
        }
        let submit = Submit { ticket, who: "client".into(), key, jobs, all_or_none };
        gateway.actor.hear(ActorInput::Submit(submit), self.now);
        if it.key.is_some() {
            let again = self.now.mono + Span::from_millis(self.rng.between(1, 5_000));
            self.agenda.at(again, Event::Submit(client));
        }
    }

    /// Does what the actor says, after every event.
    pub(crate) fn drain(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        gateway.actor.go_on(self.now);
        while let Some(gateway) = &mut self.gateway
            && let Some(output) = gateway.actor.poll_output()
        {
            match output {
                Output::Commit { epoch, changes } => {
                    let (at, life) = (self.commit_at(), self.life());
                    self.agenda.at(at, Event::Commit(life));
                    self.with_gateway(|it| it.flying = Some((epoch, changes)));
                }
                Output::Carry(batch) => self.carry_out(*batch),
                Output::Refuse(ticket) => drop(gateway.tickets.remove(&ticket)),
                // Nobody is answered; the order is written later.
                Output::Kill(steer) => drop(gateway.tickets.remove(&steer.ticket)),
                Output::RefuseAll => gateway.tickets.clear(),
                Output::Trouble(trouble) => {
                    self.checker.tally.failed += u64::from(trouble.is_some())
                }
                Output::Load { room } => {
                    let newest = self.links.len() as u64 - 1;
                    let outcome = loaded(&self.store, (room, newest), self.now);
                    self.checker.tally.reloads += u64::from(outcome.is_ok());
                    self.checker.heard.forget_all();
                    gateway.actor.loaded(outcome, self.now);
                    gateway.actor.go_on(self.now);
                }
            }
        }
        let now = self.now;
        if let Some(gateway) = &mut self.gateway {
            gateway.actor.check_invariants();
            if let Some(at) = gateway.wake(now) {
                self.agenda.at(at, Event::Timeout);
            }
        }
    }

    fn with_gateway(&mut self, step: impl FnOnce(&mut Gateway)) {
        if let Some(gateway) = &mut self.gateway {
            step(gateway);
        }
    }

    fn life(&self) -> u64 {
        self.gateway.as_ref().map_or(0, |it| it.life)
    }

    fn commit_at(&mut self) -> Mono {
        let slow = self.now.mono < self.slow_until;
        let takes = if slow {
            Span::from_millis(self.rng.between(500, 20_000))
        } else {
            Span::from_millis(self.rng.between(1, 6))
        };
        self.now.mono + takes
    }

    /// The commit that was under way returns.
    fn commit(&mut self) {
        let flying = self.gateway.as_mut().and_then(|it| it.flying.take());
        let Some((epoch, changes)) = flying else { return };
        let takes = changes.iter().any(|it| matches!(it, ostler_store::Change::Submit { .. }));
        if takes && std::mem::take(&mut self.forget_next) {
            self.store.plan([Some(Planned::Forgotten)]);
            self.forgot = true;
        }
        let outcome = self.store.commit(epoch, &changes);
        match outcome.as_ref().map_err(|error| error.fault) {
            Ok(_) => self.checker.committed(&changes),
            Err(Fault::Unknown) if self.failing.take() == Some(true) => {
                self.checker.committed(&changes);
            }
            Err(Fault::Fenced) => self.checker.fail("the only writer was fenced".to_owned()),
            Err(_) => {}
        }
        let now = self.now;
        self.with_gateway(|it| {
            it.actor.committed(outcome, now);
            it.actor.go_on(now);
        });
    }

    pub(crate) fn with_runner(
        &mut self,
        at: usize,
        step: impl FnOnce(&mut Runner, &mut Around<'_>),
    ) {
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

    pub(crate) fn kill(&mut self, at: usize) {
        if self.runners[at].lives() {
            self.checker.tally.crashes += 1;
            self.unlink(at);
            self.runners[at].die();
        }
    }

    fn beat(&mut self, at: usize, incarnation: u64) {
        if self.runners[at].incarnation != incarnation {
            return;
        }
        if !self.runners[at].stopped {
            self.with_runner(at, |runner, around| runner.beat(around));
        }
        let next = if self.runners[at].is_behind(self.now.mono) { WORD } else { BEAT };
        self.agenda.at(self.now.mono + next, Event::Beat(at, incarnation));
    }
}
