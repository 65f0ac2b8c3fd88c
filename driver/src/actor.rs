//! The driver with what is around it: hears, decides, hands batches to the store, and acts when they are safe.
//!
//! While a batch of changes is being committed, the next one is gathered: it goes when the answer has come and the effects
//! of the one before are carried out. So nothing is ever under way behind a commit that fails. When one fails, nothing
//! that the driver decided since holds: its memory is thrown away and, when the store can be written again, loaded anew
//! under a new term.
//!
//! It knows no clock, thread or disk: whoever owns it tells it what happened ([`Actor::hear`]), and does what
//! [`Actor::poll_output`] says, drained to `None` each time. The gateway does that on a thread, the simulation on a
//! virtual clock.

use std::collections::VecDeque;

use ostler_job::durable::{Applied, Change, EventKind, Fault, StoreError};
use ostler_job::{
    JobId, Mono, Now, Span,
    durable::{Epoch, Term},
};

use super::{
    Beat, Driver, DriverConfig, Effect, Reports, RunnerName, Steer, Ticket,
    actor_input::{ActorInput, Output},
    batch::Batch,
    links::Links,
    unsettled::UnsettledReports,
};

/// Bytes that a store must take before it is written again after a failure, at least.
const ROOM_MIN: u64 = 256 << 10;
/// Between two looks at a store that failed.
const RELOAD_EVERY: Span = Span::from_secs(1);
/// The same for one that was never read, when nothing but a person helps.
const LOOK_EVERY: Span = Span::from_secs(2);

/// See the module.
pub struct Actor {
    pub(super) driver: Driver,
    /// The term that everything here is of.
    epoch: Epoch,
    pub(super) flying: Option<Batch>,
    /// Changes and effects that nobody has handed over yet.
    changes: Vec<Change>,
    pub(super) next: Batch,
    pub(super) failed: Option<Failed>,
    /// A store was read: the driver's memory is, or was, of something.
    was_loaded: bool,
    pub(super) kept: UnsettledReports,
    /// Kill orders that were carried out and are not written.
    pub(super) unwritten: Vec<Steer>,
    links: Links,
    resting: bool,
    pub(super) stopping: bool,
    pub(super) outputs: VecDeque<Output>,
}

/// Why the driver's memory is void.
pub(super) struct Failed {
    /// When to look again; `None`: that is being done, or nothing but a person helps.
    again: Option<Mono>,
    /// Bytes that the store must take before.
    room: u64,
}

impl Actor {
    pub fn new(driver: Driver, term: &Term) -> Self {
        Self {
            driver,
            epoch: term.epoch,
            flying: None,
            changes: Vec::new(),
            next: Batch::default(),
            failed: None,
            was_loaded: true,
            kept: UnsettledReports::default(),
            unwritten: Vec::new(),
            links: Links::default(),
            resting: false,
            stopping: false,
            outputs: VecDeque::new(),
        }
    }

    /// One whose store could not be read yet: it is as after a failure, and everything goes on when it can be. When it is still
    /// being read, [`Actor::loaded`] is told the outcome.
    pub fn without_store(config: DriverConfig, error: StoreError, now: Now) -> Self {
        let nothing = Term::default();
        let mut actor = Self::new(Driver::new(config, &nothing, JobId(0), 0), &nothing);
        actor.was_loaded = false;
        actor.fail(error, Batch::default(), now);
        actor
    }

    /// Something happened.
    pub fn hear(&mut self, told: ActorInput, now: Now) {
        if self.failed.is_some() {
            self.hear_failed(told);
        } else {
            self.hear_sound(told, now);
            self.collect();
        }
    }

    /// Nothing is decided on a memory that is void; what is told once is kept.
    fn hear_failed(&mut self, told: ActorInput) {
        match told {
            ActorInput::Steer(steer) if steer.is_kill() => self.kill_unwritten(steer),
            ActorInput::Submit(_)
            | ActorInput::Steer(_)
            | ActorInput::Queue(_)
            | ActorInput::Look(_)
            | ActorInput::Schedule(_)
            | ActorInput::LookSchedules(_)
            | ActorInput::Offer { .. }
            | ActorInput::Token { .. }
            | ActorInput::Note { .. }
            | ActorInput::Rest { .. } => {
                self.outputs.extend(told.ticket().map(Output::Refuse));
            }
            ActorInput::Reports(reports)
                if self.links.is_present(&reports.runner, reports.link) =>
            {
                self.kept.put(reports);
            }
            ActorInput::LinkUp(runner, link) => {
                if self.links.up(&runner, link) {
                    self.kept.forget(&runner);
                }
            }
            ActorInput::LinkDown(runner, link) => drop(self.link_down(&runner, link)),
            ActorInput::Stop => self.stopping = true,
            ActorInput::Reports(_)
            | ActorInput::Forget { .. }
            | ActorInput::Beat(_)
            | ActorInput::Heard(..)
            | ActorInput::Sent(..)
            | ActorInput::Unsent(..) => {}
        }
    }

    fn hear_sound(&mut self, told: ActorInput, now: Now) {
        if let (true, Some(ticket)) = (self.stopping, told.ticket()) {
            return self.outputs.push_back(Output::Refuse(ticket));
        }
        match told {
            ActorInput::Submit(submit) => self.driver.handle_submit(submit, now),
            ActorInput::Steer(steer) => self.steer(steer, now),
            ActorInput::Queue(order) => self.driver.handle_queue(order, now),
            ActorInput::Look(look) => self.driver.handle_look(look, now),
            ActorInput::Schedule(order) => self.driver.handle_schedule(order, now),
            ActorInput::LookSchedules(look) => self.driver.handle_schedule_look(look, now),
            ActorInput::Offer { ticket, who, offer, detail } => {
                self.driver.handle_offer(&offer, now);
                self.audit(ticket, &who, &detail, now);
            }
            ActorInput::Token { ticket, who, token, detail } => {
                self.take(Change::Token(*token));
                self.audit(ticket, &who, &detail, now);
            }
            ActorInput::Rest { ticket } => {
                self.resting = true;
                self.driver.handle_rest(now);
                self.answer_when_safe(ticket);
            }
            ActorInput::Note { ticket, who, detail } => self.audit(ticket, &who, &detail, now),
            ActorInput::Forget { now, events, keys } => {
                self.take(Change::Forget { now, events, keys })
            }
            ActorInput::LinkUp(runner, link) => {
                if self.links.up(&runner, link) {
                    // Whatever is on its way on the one before does not arrive.
                    self.driver.handle_link_down(&runner, now);
                }
            }
            ActorInput::LinkDown(runner, link) => {
                if self.link_down(&runner, link) {
                    self.driver.handle_link_down(&runner, now);
                }
            }
            ActorInput::Beat(beat) => self.hear_beat(beat, now),
            ActorInput::Heard(runner, link) => self.hear_life(&runner, link, now),
            ActorInput::Reports(reports) => {
                if self.links.is_present(&reports.runner, reports.link) {
                    self.hear_reports(reports, now);
                }
            }
            ActorInput::Sent(link, keys) => self.driver.handle_sent(link, &keys, now),
            ActorInput::Unsent(runner, report) => {
                let reports = vec![report];
                self.hear_reports(Reports { runner, link: 0, reports }, now);
            }
            ActorInput::Stop => self.stopping = true,
        }
    }

    fn hear_life(&mut self, runner: &RunnerName, link: u64, now: Now) {
        if self.links.is_present(runner, link) {
            self.driver.handle_heard(runner, now);
        }
    }

    fn hear_beat(&mut self, beat: Beat, now: Now) {
        if !self.links.is_present(&beat.runner, beat.link) {
            return;
        }
        self.driver.handle_beat(beat, now);
    }

    /// A link is down. `true`: it was the present one.
    fn link_down(&mut self, runner: &RunnerName, link: u64) -> bool {
        let present = self.links.down(runner, link);
        if present {
            // On its next one it tells everything anew.
            self.kept.forget(runner);
        }
        present
    }

    /// What runners tell is kept until what follows from it is safe.
    fn hear_reports(&mut self, reports: Reports, now: Now) {
        self.next.reports.push(reports.clone());
        self.driver.handle_reports(reports, now);
    }

    /// An entry of the audit trail, and the answer when it is safe.
    fn audit(&mut self, ticket: Ticket, who: &str, detail: &serde_json::Value, now: Now) {
        self.note(who, detail, now);
        self.answer_when_safe(ticket);
    }

    /// An entry of the audit trail.
    pub fn note(&mut self, who: &str, detail: &serde_json::Value, now: Now) {
        self.take(Change::Event {
            at: now.wall,
            kind: EventKind::Operator,
            job: None,
            who: Some(who.to_owned()),
            detail: detail.to_string(),
        });
    }

    fn answer_when_safe(&mut self, ticket: Ticket) {
        self.next.effects.push(Effect::Answer { ticket, answers: Vec::new() });
    }

    /// Takes what the driver has decided.
    fn collect(&mut self) {
        while let Some(action) = self.driver.poll_action() {
            for change in action.changes {
                self.take(change);
            }
            self.next.effects.extend(action.effects);
        }
    }

    fn take(&mut self, change: Change) {
        self.next.note(self.changes.len(), &change);
        self.changes.push(change);
    }

    /// Time has passed, or everything that came was heard: does what is due, and hands over what was decided. Whoever wakes for other
    /// things calls it then, too, since a clock that was set is found out so.
    pub fn go_on(&mut self, now: Now) {
        match &mut self.failed {
            Some(failed) if failed.again.is_some_and(|at| at <= now.mono) => {
                failed.again = None;
                self.outputs.push_back(Output::Load { room: failed.room });
            }
            Some(_) => {}
            None => {
                let is_due = self.driver.poll_timeout().is_some_and(|(at, _)| at <= now.mono);
                if is_due || self.driver.clock_was_set(now) {
                    self.driver.handle_timeout(now);
                    self.collect();
                }
                self.hand_over();
            }
        }
    }

    /// When [`Actor::go_on`] is due at the latest; `None`: not before something is heard.
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.failed {
            Some(failed) => failed.again,
            None => self.driver.poll_timeout().map(|(at, _)| at),
        }
    }

    /// What is to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Gives the store what was decided, unless it is at work. Effects alone need no commit, only those before them.
    fn hand_over(&mut self) {
        if self.flying.is_some() || (self.changes.is_empty() && self.next.effects.is_empty()) {
            return;
        }
        let batch = std::mem::take(&mut self.next);
        if self.changes.is_empty() {
            return self.outputs.push_back(Output::Carry(Box::new(batch)));
        }
        self.flying = Some(batch);
        let changes = std::mem::take(&mut self.changes);
        self.outputs.push_back(Output::Commit { epoch: self.epoch, changes });
    }

    /// The store's word about the batch that it was handed.
    ///
    /// # Panics
    /// When it was handed none.
    pub fn committed(&mut self, outcome: Result<Vec<Applied>, StoreError>, now: Now) {
        let mut batch = self.flying.take().expect("a batch is answered once");
        match outcome {
            Ok(applied) => {
                batch.number(&applied);
                // A lease that was given up while it was being written is not given to anybody.
                batch.effects.retain(|effect| {
                    !matches!(effect, Effect::Run { key, .. } if !self.driver.is_leased(*key))
                });
                self.outputs.push_back(Output::Carry(Box::new(batch)));
            }
            Err(error) => self.fail(error, batch, now),
        }
    }

    /// The store is not what it was: as if a commit had failed. One that is under way fails by itself.
    pub fn doubt(&mut self, error: StoreError, now: Now) {
        if self.flying.is_none() && self.failed.is_none() {
            self.fail(error, Batch::default(), now);
        }
    }

    /// Nothing that was decided since the last commit holds; what was told since then is to be thought over again.
    fn fail(&mut self, error: StoreError, batch: Batch, now: Now) {
        let room = ROOM_MIN.max(batch.bytes * 2);
        self.failed = Some(Failed { again: self.again(&error, now), room });
        self.outputs.push_back(Output::Trouble(Some(error)));
        self.changes.clear();
        let next = std::mem::take(&mut self.next);
        batch.reports.into_iter().chain(next.reports).for_each(|it| self.kept.put(it));
        batch.steers.into_iter().chain(next.steers).for_each(|it| self.kill_unwritten(it));
        self.outputs.push_back(Output::RefuseAll);
    }

    /// When a store that failed so is looked at again. One that was in use and turned out to be damaged is not, before a person
    /// has started everything anew; one that is being read is not before that is over.
    fn again(&self, error: &StoreError, now: Now) -> Option<Mono> {
        let lasts = matches!(error.fault, Fault::Corrupt | Fault::TooNew);
        let every = if lasts { LOOK_EVERY } else { RELOAD_EVERY };
        let is_looked_at = error.fault == Fault::Unread;
        (!is_looked_at && (!lasts || !self.was_loaded)).then(|| now.mono + every)
    }

    /// The store's word after [`Output::Load`]: whether anything of what failed was kept shows now.
    pub fn loaded(&mut self, outcome: Result<(Driver, Term), StoreError>, now: Now) {
        match outcome {
            Ok((driver, term)) => {
                (self.driver, self.epoch, self.failed) = (driver, term.epoch, None);
                self.was_loaded = true;
                if self.resting {
                    self.driver.handle_rest(now);
                }
                self.outputs.push_back(Output::Trouble(None));
                self.write_kills(now);
                for reports in self.kept.take() {
                    self.hear_reports(reports, now);
                }
                self.collect();
            }
            Err(error) => {
                let again = self.again(&error, now);
                if let Some(failed) = &mut self.failed {
                    failed.again = again;
                }
                self.outputs.push_back(Output::Trouble(Some(error)));
            }
        }
    }
}
