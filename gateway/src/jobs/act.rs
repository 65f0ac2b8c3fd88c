//! The driver's thread: hears, decides, commits, then acts.
//!
//! While a batch of changes is being committed, the next one is gathered: it goes when the answer has come and the effects
//! of the one before are carried out. So nothing is ever under way behind a commit that fails. When one fails, nothing
//! that the driver decided since holds: its memory is thrown away and, when the store can be written again, loaded anew.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ostler_job::{Wall, durable::Epoch};
use ostler_store::{Applied, Change, Committer, EventKind, Fault, StoreError, Token};
use tokio::sync::oneshot;

use super::{Shared, Unavailable, batch::Batch, specs::Specs, start};
use crate::{
    clock,
    driver::{
        Answer, Beat, Driver, DriverConfig, Effect, Reports, RunnerName, Steer, Submit, Ticket,
    },
};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Told {
    /// Who wants the answer of a ticket; comes before the request itself.
    Asked {
        ticket: Ticket,
        answer: Asker,
    },
    Submit(Submit),
    Steer(Steer),
    Drain {
        ticket: Ticket,
        who: String,
        runner: RunnerName,
        drain: bool,
    },
    Token {
        ticket: Ticket,
        who: String,
        token: Box<Token>,
    },
    /// The gateway is about to end: no runner is given anything any more.
    Rest {
        ticket: Ticket,
    },
    /// Something for the audit trail alone.
    Note {
        ticket: Ticket,
        who: String,
        detail: serde_json::Value,
    },
    Forget {
        events: Wall,
        keys: Wall,
    },
    Beat(Beat),
    Reports(Reports),
    LinkDown(RunnerName),
    Committed(Result<Vec<Applied>, StoreError>),
    Stop,
}

type Asker = oneshot::Sender<Result<Vec<Answer>, Unavailable>>;

/// Messages that are heard before what they lead to is committed, at most.
const HEARD_MAX: usize = 512;
/// Bytes that a store must take before it is written again after a failure, at least.
const ROOM_MIN: u64 = 256 << 10;
/// Between two looks at a store that failed.
const RELOAD_EVERY: Duration = Duration::from_secs(1);
/// Between two looks whether the store is still where it was opened.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// Between two readings of the driver's figures while they change: who has submitted and asks then sees the job.
const FIGURES_EVERY: Duration = Duration::from_millis(5);
/// The longest sleep.
const IDLE: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Act {
    pub(super) shared: Arc<Shared>,
    pub(super) driver: Driver,
    config: DriverConfig,
    committer: Committer,
    /// The term that everything here is of.
    epoch: Epoch,
    /// Bytes that the store must take before a new term begins.
    room: u64,
    pub(super) asked: HashMap<Ticket, Asker>,
    pub(super) specs: Specs,
    flying: Option<Batch>,
    /// Changes and effects that nobody has handed over yet.
    changes: Vec<Change>,
    next: Batch,
    /// Why the driver's memory is void, and whether it may be loaded anew.
    failed: Option<(StoreError, Instant)>,
    /// Reports that nothing safe has followed from: no runner sends them twice on one link.
    kept: Vec<Reports>,
    checked_at: Instant,
    figures_at: Instant,
    /// Something has happened since.
    figures_old: bool,
    resting: bool,
    stopping: bool,
}

impl Act {
    pub(super) fn new(
        shared: Arc<Shared>,
        (driver, epoch): (Driver, Epoch),
        config: DriverConfig,
        committer: Committer,
    ) -> Self {
        Self {
            shared,
            driver,
            config,
            committer,
            epoch,
            room: ROOM_MIN,
            asked: HashMap::new(),
            specs: Specs::default(),
            flying: None,
            changes: Vec::new(),
            next: Batch::default(),
            failed: None,
            kept: Vec::new(),
            checked_at: Instant::now(),
            figures_at: Instant::now(),
            figures_old: true,
            resting: false,
            stopping: false,
        }
    }

    /// A backup was put in the place of the store: the operator is told, and so are readers of the audit trail.
    pub(super) fn tell_restored(&mut self) {
        self.shared.warn(
            "the store of durable jobs is older than what was known of it: jobs are as they were then, and numbers go on \
             above all that were given since (docs/OPERATIONS.md, \"To restore a backup\")"
                .into(),
        );
        self.note(clock::wall_now(), "gateway", &serde_json::json!({ "action": "restored" }));
    }

    /// Runs until it is told to stop and everything is committed.
    pub(super) fn run(mut self, inbox: &Receiver<Told>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(told) => {
                    self.hear(told);
                    for told in inbox.try_iter().take(HEARD_MAX) {
                        self.hear(told);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.keep_time();
            self.hand_over();
            if self.stopping && self.flying.is_none() {
                return;
            }
        }
    }

    fn patience(&self) -> Duration {
        let due = self.driver.poll_timeout().map_or(IDLE, |(at, _)| {
            // A moment more, so that it has passed for certain.
            Duration::from_nanos((at - clock::now()).0) + Duration::from_micros(50)
        });
        let is_urgent = self.figures_old && self.failed.is_none();
        due.min(if is_urgent { FIGURES_EVERY } else { IDLE })
    }

    fn hear(&mut self, told: Told) {
        self.figures_old = true;
        let now = clock::both();
        match told {
            Told::Asked { ticket, answer } => drop(self.asked.insert(ticket, answer)),
            Told::Committed(result) => self.committed(result),
            Told::Stop => self.stopping = true,
            Told::Reports(reports) if self.failed.is_some() => self.kept.push(reports),
            Told::Submit(Submit { ticket, .. })
            | Told::Steer(Steer { ticket, .. })
            | Told::Drain { ticket, .. }
            | Told::Token { ticket, .. }
            | Told::Note { ticket, .. }
            | Told::Rest { ticket }
                if self.failed.is_some() || self.stopping =>
            {
                self.refuse(ticket);
            }
            _ if self.failed.is_some() => {}
            Told::Submit(submit) => self.driver.handle_submit(submit, now),
            Told::Steer(steer) => self.driver.handle_steer(steer, now),
            Told::Drain { ticket, who, runner, drain } => {
                self.driver.handle_drain(&runner, drain, now);
                let verb = if drain { "drain" } else { "undrain" };
                let detail = serde_json::json!({ "action": verb, "runner": &*runner });
                self.note(now.wall, &who, &detail);
                self.answer_when_safe(ticket);
            }
            Told::Token { ticket, who, token } => {
                let detail = of_token(&token);
                self.take(Change::Token(*token));
                self.note(now.wall, &who, &detail);
                self.answer_when_safe(ticket);
            }
            Told::Rest { ticket } => {
                self.resting = true;
                for runner in self.shared.runners.views() {
                    self.driver.handle_drain(&runner.name.into(), true, now);
                }
                self.answer_when_safe(ticket);
            }
            Told::Note { ticket, who, detail } => {
                self.note(now.wall, &who, &detail);
                self.answer_when_safe(ticket);
            }
            Told::Forget { events, keys } => self.take(Change::Forget { events, keys }),
            Told::Beat(beat) => {
                if self.resting || self.shared.runners.is_draining(&beat.runner) {
                    // Said while the driver did not know the runner: before its first beat here, or before a reload.
                    self.driver.handle_drain(&beat.runner, true, now);
                }
                self.driver.handle_beat(beat, now);
            }
            Told::Reports(reports) => self.hear_reports(reports),
            Told::LinkDown(runner) => self.driver.handle_link_down(&runner, now),
        }
        self.collect();
    }

    fn keep_time(&mut self) {
        if self.failed.is_some() {
            return self.try_again();
        }
        if self.flying.is_none() && self.checked_at.elapsed() >= CHECK_EVERY {
            self.checked_at = Instant::now();
            if let Err(error) = self.shared.store.check() {
                return self.fail(error, Vec::new());
            }
        }
        let now = clock::both();
        if self.driver.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.driver.handle_timeout(now);
            self.figures_old = true;
            self.collect();
        }
        if self.figures_old && self.figures_at.elapsed() >= FIGURES_EVERY {
            (self.figures_at, self.figures_old) = (Instant::now(), false);
            let mut figures = self.shared.figures.lock().expect("nobody panics with the figures");
            *figures = self.driver.figures(now);
        }
    }

    /// Takes what the driver has decided.
    pub(super) fn collect(&mut self) {
        while let Some(action) = self.driver.poll_action() {
            for change in action.changes {
                self.take(change);
            }
            self.next.effects.extend(action.effects);
        }
    }

    fn take(&mut self, change: Change) {
        if let Change::Submit { job, spec, .. } = &change {
            self.specs.put(*job, spec.clone());
        }
        self.next.note(self.changes.len(), &change);
        self.changes.push(change);
    }

    /// What runners tell is kept until what follows from it is safe.
    pub(super) fn hear_reports(&mut self, reports: Reports) {
        self.next.reports.push(reports.clone());
        self.driver.handle_reports(reports, clock::both());
    }

    /// An entry of the audit trail.
    fn note(&mut self, at: Wall, who: &str, detail: &serde_json::Value) {
        self.take(Change::Event {
            at,
            kind: EventKind::Operator,
            job: None,
            who: Some(who.to_owned()),
            detail: detail.to_string(),
        });
    }

    fn answer_when_safe(&mut self, ticket: Ticket) {
        self.next.effects.push(Effect::Answer { ticket, answers: Vec::new() });
    }

    /// Gives the committer what was decided, unless it is at work. Effects alone need no commit, only those before them.
    fn hand_over(&mut self) {
        if self.flying.is_some() || (self.changes.is_empty() && self.next.effects.is_empty()) {
            return;
        }
        let batch = std::mem::take(&mut self.next);
        if self.changes.is_empty() {
            return self.carry_out(batch.effects);
        }
        self.flying = Some(batch);
        let inbox = self.shared.inbox.clone();
        let done = Box::new(move |result| {
            // The thread is gone only when nobody waits for anything.
            let _ = inbox.send(Told::Committed(result));
        });
        self.committer.commit(self.epoch, std::mem::take(&mut self.changes), done);
    }

    fn committed(&mut self, result: Result<Vec<Applied>, StoreError>) {
        let mut batch = self.flying.take().expect("a batch is answered once");
        match result {
            Ok(applied) => {
                for event in batch.numbered(&applied) {
                    // Nobody may be listening.
                    let _ = self.shared.events.send(Arc::new(event));
                }
                batch.tokens.into_iter().for_each(|token| self.shared.tokens.put(token));
                self.shared.metrics.add(&batch.tally);
                self.carry_out(batch.effects);
            }
            Err(error) => {
                self.room = ROOM_MIN.max(batch.bytes * 2);
                self.fail(error, batch.reports);
            }
        }
    }

    /// Nothing that was decided since the last commit holds; what was told since then is to be thought over again.
    fn fail(&mut self, error: StoreError, told: Vec<Reports>) {
        self.shared.set_trouble(Some(error.to_string()));
        self.shared.metrics.failures.inc();
        self.failed = Some((error, Instant::now()));
        self.changes.clear();
        let next = std::mem::take(&mut self.next);
        self.kept = told;
        self.kept.extend(next.reports);
        for (_, answer) in self.asked.drain() {
            // Who asked may have gone.
            let _ = answer.send(Err(self.shared.unavailable()));
        }
    }

    fn refuse(&mut self, ticket: Ticket) {
        if let Some(answer) = self.asked.remove(&ticket) {
            let _ = answer.send(Err(self.shared.unavailable()));
        }
    }

    /// Begins a new term and loads the store anew, when the next commit may succeed: whether anything of what failed was
    /// kept shows then.
    fn try_again(&mut self) {
        let Some((error, since)) = &mut self.failed else { return };
        let hopeless = matches!(error.fault, Fault::Corrupt | Fault::TooNew);
        if hopeless || since.elapsed() < RELOAD_EVERY {
            return;
        }
        match start::load(self.shared.store.as_ref(), &self.config, self.room) {
            Ok((driver, term, _)) => {
                (self.driver, self.epoch) = (driver, term.epoch);
                self.failed = None;
                self.shared.set_trouble(None);
                for reports in std::mem::take(&mut self.kept) {
                    self.hear_reports(reports);
                }
                self.collect();
            }
            Err(again) => {
                self.shared.set_trouble(Some(again.to_string()));
                self.failed = Some((again, Instant::now()));
            }
        }
    }
}

/// What the audit trail says of a token: what it allows as well, since the token itself may be gone when somebody asks.
fn of_token(token: &Token) -> serde_json::Value {
    let verb = if token.revoked_at.is_some() { "token_revoke" } else { "token_create" };
    let expires = token.expires_at.map(crate::api::parse::text::show);
    serde_json::json!({
        "action": verb, "token": token.name, "scopes": token.scopes, "tenant": token.tenant, "expires_at": expires,
    })
}
