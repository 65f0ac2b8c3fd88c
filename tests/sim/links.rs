//! What passes between the gateway and its runners: links that come, go, and are replaced.

use ostler_driver::{ActorInput, Answer, Batch, Effect, Ticket};
use ostler_job::{
    JobId, Span,
    durable::{Report, Start},
};
use ostler_store::Store as _;

use crate::{
    agenda::{Event, ToRunner},
    chaos::SELECTORS,
    planners::CURSOR,
    world::World,
};

impl World {
    /// The runner connects, or tries again a little later.
    pub(crate) fn connect(&mut self, at: usize, incarnation: u64) {
        let runner = &mut self.runners[at];
        if runner.incarnation != incarnation || runner.link.is_some() {
            return;
        }
        let Some(gateway) = self.gateway.as_ref().filter(|_| !runner.stopped) else {
            let again = self.now.mono + Span::from_millis(500);
            return self.agenda.at(again, Event::Connect(at, incarnation));
        };
        let link = self.links.len() as u64;
        self.links.push(gateway.life);
        runner.link = Some(link);
        self.agenda.at(self.now.mono, Event::LinkUp(at, link, gateway.life));
        self.with_runner(at, |runner, around| {
            runner.beat(around);
            runner.repeat(around);
        });
    }

    /// The runner's link is gone, with everything in it. The gateway notices a little later, or much.
    pub(crate) fn unlink(&mut self, at: usize) {
        let Some(link) = self.runners[at].link.take() else { return };
        let notices = Span::from_millis(self.rng.between(1, 3_000));
        self.agenda.at(self.now.mono + notices, Event::LinkDown(at, link));
        let (incarnation, away) =
            (self.runners[at].incarnation, Span::from_millis(self.rng.between(20, 4_000)));
        self.agenda.at(self.now.mono + away, Event::Connect(at, incarnation));
    }

    /// The gateway has a new link of a name: the one before is closed.
    pub(crate) fn link_up(&mut self, at: usize, link: u64) {
        let (name, now) = (self.runners[at].name(), self.now);
        let Some(gateway) = &mut self.gateway else { return };
        self.checker.heard.forget(&name);
        let before = gateway.links.insert(name.clone(), (link, at));
        gateway.actor.hear(ActorInput::LinkUp(name.as_str().into(), link), now);
        if let Some((old, whose)) = before
            && self.runners[whose].link == Some(old)
        {
            self.checker.tally.replaced += 1;
            self.unlink(whose);
        }
    }

    pub(crate) fn link_down(&mut self, at: usize, link: u64) {
        let (name, now) = (self.runners[at].name(), self.now);
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.links.get(&name) == Some(&(link, at)) {
            gateway.links.remove(&name);
            self.checker.heard.forget(&name);
        }
        gateway.actor.hear(ActorInput::LinkDown(name.as_str().into(), link), now);
    }

    /// What goes with changes that are safe.
    pub(crate) fn carry_out(&mut self, batch: Batch) {
        self.checker.tell_events(&batch);
        let (mut sent, mut unsent) = (Vec::new(), Vec::new());
        for effect in batch.effects {
            self.checker.acts(&effect, &self.store, self.now.mono);
            match effect {
                Effect::Run { runner, key, .. } => {
                    let spec = self.store.job(key.job).ok().flatten().map(|job| job.spec);
                    let start = spec.map(|spec| ToRunner::Run(Box::new(Start { key, spec })));
                    match start.and_then(|start| self.send(&runner, start)) {
                        Some(link) => sent.push((link, key)),
                        None => unsent.push((runner, key)),
                    }
                }
                Effect::Settle { runner, key, .. } => {
                    self.send(&runner, ToRunner::Settle(key));
                }
                Effect::Steer { runner, key, order } => {
                    self.send(&runner, ToRunner::Steer(key, order));
                }
                Effect::Answer { ticket, answers } => self.answer(ticket, &answers),
                Effect::Lost { .. }
                | Effect::Broken { .. }
                | Effect::Log { .. }
                | Effect::Changed { .. }
                | Effect::Fired { .. }
                | Effect::SetBack
                | Effect::Deleted { .. } => {}
            }
        }
        self.checker.acted();
        let now = self.now;
        let Some(gateway) = &mut self.gateway else { return };
        for (link, key) in sent {
            gateway.actor.hear(ActorInput::Sent(link, vec![key]), now);
        }
        for (runner, key) in unsent {
            gateway.actor.hear(ActorInput::Unsent(runner, Report::NotStarted { key }), now);
        }
        gateway.actor.go_on(now);
    }

    /// Puts a message on the newest link of a name that the gateway believes to be up; it may be lost with it.
    fn send(&mut self, name: &str, message: ToRunner) -> Option<u64> {
        let (link, at) = *self.gateway.as_ref()?.links.get(name)?;
        let arrives = self.now.mono + Span::from_millis(1 + link % 50);
        self.agenda.at(arrives, Event::ToRunner(at, link, message));
        Some(link)
    }

    fn answer(&mut self, ticket: Ticket, answers: &[Answer]) {
        self.checker.answered(answers, &self.store);
        if ticket == SELECTORS {
            self.checker.detached(answers, self.now.mono);
        }
        if let (CURSOR, [Answer::Schedule(view)]) = (ticket, answers) {
            self.move_seen_cursor(view);
        }
        let client = self.gateway.as_mut().and_then(|it| it.tickets.remove(&ticket));
        let Some(client) = client else { return };
        let it = &mut self.clients[client];
        it.answered = true;
        let taken = answers.iter().flat_map(|answer| match answer {
            Answer::Done { job, .. } | Answer::Late { job, .. } | Answer::Coalesced { job } => {
                vec![*job]
            }
            Answer::Keyed { jobs, .. } => jobs.clone(),
            Answer::Duplicate { .. }
            | Answer::Queue(_)
            | Answer::QueueRefused { .. }
            | Answer::Schedule(_)
            | Answer::ScheduleRefused { .. }
            | Answer::QueueFull { .. }
            | Answer::EditRefused { .. }
            | Answer::WithOthers
            | Answer::Repeated { .. }
            | Answer::Unknown
            | Answer::NotNow { .. } => Vec::new(),
        });
        let taken: Vec<JobId> = taken.collect();
        if !taken.is_empty() {
            self.checker.acknowledge(&taken, it.key.as_deref());
        }
    }
}
