//! The thread that owns the driver: tells it what happens and what time it is, and carries out what it decides.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ostler_driver::{
    Actor, ActorInput, Answer, Batch, DriverConfig, Explained, Output, Ticket, Why,
};
use ostler_job::{
    JobId,
    durable::{Epoch, Term},
};
use ostler_machine::clock;
use ostler_store::{Applied, Change, Committer, Fault, Loaded, StoreError};
use tokio::sync::oneshot;

use super::{
    Shared, Unavailable,
    backlog::BacklogPermit,
    opened_store::{LoadedTerm, OpenedStore, Reading},
    specs::Specs,
};

/// What the thread is sent.
#[derive(Debug)]
pub(super) enum DriverMessage {
    /// Who wants the answer of a ticket; comes before the request itself.
    Asked {
        ticket: Ticket,
        answer: Asker,
    },
    /// Why these jobs wait.
    Whys {
        jobs: Vec<JobId>,
        answer: oneshot::Sender<Option<Vec<Option<Why>>>>,
    },
    /// All that is to be said of a job's place.
    Explain {
        job: JobId,
        answer: oneshot::Sender<Option<Option<Box<Explained>>>>,
    },
    ActorInput(ActorInput),
    /// What a link says, and the room that it takes until it is heard.
    Weighed(BacklogPermit, ActorInput),
    Committed(Result<Vec<Applied>, StoreError>),
    /// The store was read, or could not be.
    Read(Box<Reading>),
}

impl DriverMessage {
    /// Whether it is for a driver that knows its jobs. Who waits for an answer, or for an end, is not kept waiting by a disk.
    const fn waits_for_reading(&self) -> bool {
        match self {
            Self::Asked { .. }
            | Self::Whys { .. }
            | Self::Explain { .. }
            | Self::Committed(_)
            | Self::Read(_) => false,
            Self::Weighed(..) => true,
            Self::ActorInput(told) => match told {
                ActorInput::Submit(_)
                | ActorInput::Steer(_)
                | ActorInput::Queue(_)
                | ActorInput::Look(_)
                | ActorInput::Schedule(_)
                | ActorInput::LookSchedules(_)
                | ActorInput::Offer { .. }
                | ActorInput::Token { .. }
                | ActorInput::Rest { .. }
                | ActorInput::Note { .. }
                | ActorInput::Stop => false,
                ActorInput::Forget { .. }
                | ActorInput::LinkUp(..)
                | ActorInput::LinkDown(..)
                | ActorInput::Beat(_)
                | ActorInput::Heard(..)
                | ActorInput::Reports(_)
                | ActorInput::Sent(..)
                | ActorInput::Unsent(..) => true,
            },
        }
    }
}

type Asker = oneshot::Sender<Result<Vec<Answer>, Unavailable>>;

/// Messages that are heard before what they lead to is committed, at most.
const HEARD_MAX: usize = 512;
/// Between two readings of the driver's figures while they change: who has submitted and asks then sees the job.
const FIGURES_EVERY: Duration = Duration::from_millis(5);
/// The same where there are so many queues that reading them takes long: one part in so many of the thread's time, and the longest.
const FIGURES_PART: u32 = 32;
const FIGURES_EVERY_MAX: Duration = Duration::from_millis(250);
/// Between two looks whether the store is still where it was opened.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// The longest sleep.
const IDLE: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct DriverThread {
    pub(super) shared: Arc<Shared>,
    pub(super) actor: Actor,
    kept: OpenedStore,
    config: DriverConfig,
    committer: Committer,
    pub(super) asked: HashMap<Ticket, Asker>,
    pub(super) specs: Specs,
    /// What is heard once the store was read; `None`: it is not being read.
    later: Option<VecDeque<DriverMessage>>,
    checked_at: Instant,
    figures_at: Instant,
    /// How soon they are read again.
    figures_every: Duration,
    /// Something has happened since.
    figures_old: bool,
}

impl DriverThread {
    pub(super) fn new(
        shared: Arc<Shared>,
        (kept, read): (OpenedStore, Reading),
        config: DriverConfig,
        committer: Committer,
    ) -> Self {
        let is_unread = read.as_ref().is_err_and(|error| error.fault == Fault::Unread);
        let (actor, new) = match read {
            Ok(LoadedTerm { driver, term, loaded }) => {
                (Actor::new(driver, &term), Some((term, loaded)))
            }
            Err(error) => (Actor::without_store(config.clone(), error, clock::both()), None),
        };
        let mut thread = Self {
            shared,
            actor,
            kept,
            config,
            committer,
            asked: HashMap::new(),
            specs: Specs::default(),
            later: is_unread.then(VecDeque::new),
            checked_at: Instant::now(),
            figures_at: Instant::now(),
            figures_every: FIGURES_EVERY,
            figures_old: true,
        };
        if let Some((term, loaded)) = new {
            thread.begin(&term, loaded);
        }
        // Why durable jobs are refused is told before anything is served.
        thread.act();
        thread
    }

    /// A term has begun: takes over what the store has beside its jobs.
    fn begin(&mut self, term: &Term, loaded: Loaded) {
        self.shared.queues.set(self.actor.queues().cloned());
        loaded.tokens.into_iter().for_each(|token| self.shared.tokens.put(token));
        // Later terms are of the same life.
        let _first = self.shared.kept_at.set(loaded.kept_at);
        if term.went_back {
            self.shared.warn(
                "the store of durable jobs is older than what was known of it: jobs are as they were then, and numbers go \
                 on above all that were given since (docs/OPERATIONS.md, \"To restore a backup\")"
                    .into(),
            );
            let detail = serde_json::json!({ "action": "restored" });
            self.actor.note("gateway", &detail, clock::both());
        }
    }

    /// Runs until it is told to stop and everything is committed.
    pub(super) fn run(mut self, inbox: &Receiver<DriverMessage>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(message) => {
                    self.hear(message);
                    for message in inbox.try_iter().take(HEARD_MAX) {
                        self.hear(message);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.check();
            self.actor.go_on(clock::both());
            self.act();
            self.tell_figures();
            if self.actor.is_over() {
                return;
            }
        }
    }

    fn check(&mut self) {
        // One that failed is looked at when it is read anew.
        if self.actor.has_failed() || self.checked_at.elapsed() < CHECK_EVERY {
            return;
        }
        self.checked_at = Instant::now();
        if let Err(error) = self.shared.store.check() {
            self.actor.doubt(error, clock::both());
        }
    }

    fn patience(&self) -> Duration {
        let due = self.actor.poll_timeout().map_or(IDLE, |at| {
            // A moment more, so that it has passed for certain.
            Duration::from_nanos((at - clock::now()).0) + Duration::from_micros(50)
        });
        let is_urgent = self.figures_old && !self.actor.has_failed();
        due.min(if is_urgent { self.figures_every } else { IDLE })
    }

    fn hear(&mut self, message: DriverMessage) {
        if let Some(later) = &mut self.later
            && message.waits_for_reading()
        {
            return later.push_back(message);
        }
        let now = clock::both();
        match message {
            DriverMessage::Asked { ticket, answer } => drop(self.asked.insert(ticket, answer)),
            // Who asked may have gone.
            DriverMessage::Whys { jobs, answer } => {
                return drop(answer.send(self.actor.whys(&jobs, now)));
            }
            DriverMessage::Explain { job, answer } => {
                return drop(answer.send(self.actor.explain(job, now)));
            }
            DriverMessage::Committed(outcome) => self.actor.committed(outcome, now),
            DriverMessage::Read(read) => self.take_up(*read),
            DriverMessage::Weighed(weight, told) => {
                // The room is free from here on.
                let is_void = weight.is_void();
                drop(weight);
                if !is_void {
                    self.hear(DriverMessage::ActorInput(told));
                }
                return;
            }
            DriverMessage::ActorInput(told) => self.actor.hear(told, now),
        }
        self.figures_old = true;
        self.act();
    }

    /// Does everything that is to be done.
    fn act(&mut self) {
        while let Some(output) = self.actor.poll_output() {
            match output {
                Output::Commit { epoch, changes } => self.commit(epoch, changes),
                Output::Carry(batch) => self.carry(*batch),
                Output::Refuse(ticket) => self.refuse(ticket),
                Output::Kill(steer) => self.kill_unwritten(&steer),
                Output::RefuseAll => {
                    let asked: Vec<Ticket> = self.asked.keys().copied().collect();
                    asked.into_iter().for_each(|ticket| self.refuse(ticket));
                }
                Output::Trouble(trouble) => {
                    let fault = trouble.as_ref().map(|error| error.fault);
                    let is_failure = fault.is_some_and(|fault| fault != Fault::Unread);
                    self.shared.metrics.failures.inc_by(u64::from(is_failure));
                    self.shared.set_trouble(trouble.map(|error| error.to_string()));
                }
                Output::Load { room } => self.read(room),
            }
        }
    }

    /// The store is read anew. What is told of links meanwhile is heard behind that, as if it had taken no time.
    fn read(&mut self, room: u64) {
        let before = (room, self.shared.runners.newest_link());
        let inbox = self.shared.inbox.clone();
        self.later = Some(VecDeque::new());
        let done = move |read| {
            // The thread is gone only when the gateway ends.
            let _ = inbox.send(DriverMessage::Read(Box::new(read)));
        };
        if let Err(error) = self.kept.read_aside(&self.config, before, done) {
            let detail = format!("there is no thread to read the store: {error}");
            self.take_up(Err(StoreError::new(Fault::Io, detail)));
        }
    }

    /// The store was read, or could not be.
    fn take_up(&mut self, read: Reading) {
        let later = self.later.take().unwrap_or_default();
        match read {
            Ok(LoadedTerm { driver, term, loaded }) => {
                self.actor.loaded(Ok((driver, term.clone())), clock::both());
                self.begin(&term, loaded);
            }
            Err(error) => self.actor.loaded(Err(error), clock::both()),
        }
        self.act();
        later.into_iter().for_each(|message| self.hear(message));
    }

    fn commit(&mut self, epoch: Epoch, changes: Vec<Change>) {
        for change in &changes {
            if let Change::Submit { job, spec, .. } = change {
                self.specs.put(*job, spec.clone());
            } else if let Change::Edit { job, .. } = change {
                // It is another one when it is safe, and only then may the job be granted.
                drop(self.specs.take(*job));
            }
        }
        let inbox = self.shared.inbox.clone();
        let done = Box::new(move |outcome| {
            // The thread is gone only when nobody waits for anything.
            let _ = inbox.send(DriverMessage::Committed(outcome));
        });
        self.committer.commit(epoch, changes, done);
    }

    /// What goes with changes that are safe.
    fn carry(&mut self, batch: Batch) {
        for (_, event) in batch.events {
            if let Some(line) = self.shared.schedule_notices.note(&event, Instant::now()) {
                self.shared.warn(line);
            }
            // Nobody may be listening.
            let _ = self.shared.events.send(Arc::new(event));
        }
        batch.tokens.into_iter().for_each(|token| self.shared.tokens.put(token));
        batch.queues.into_iter().for_each(|(name, queue)| self.shared.queues.put(name, queue));
        self.shared.metrics.add(&batch.tally);
        self.carry_out(batch.effects);
    }

    pub(super) fn refuse(&mut self, ticket: Ticket) {
        if let Some(answer) = self.asked.remove(&ticket) {
            // Who asked may have gone.
            let _ = answer.send(Err(self.shared.unavailable()));
        }
    }

    fn tell_figures(&mut self) {
        let is_early = self.figures_at.elapsed() < self.figures_every;
        if self.actor.has_failed() || !self.figures_old || is_early {
            return;
        }
        let begin = Instant::now();
        let figures = self.actor.figures(clock::both());
        *self.shared.figures.lock().expect("nobody panics with the figures") = figures;
        (self.figures_at, self.figures_old) = (Instant::now(), false);
        self.figures_every = figures_every(begin.elapsed());
    }
}

/// How soon figures are read again that took so long.
fn figures_every(took: Duration) -> Duration {
    (took * FIGURES_PART).clamp(FIGURES_EVERY, FIGURES_EVERY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_many_queues_are_read_less_often_and_take_a_small_part_of_the_time() {
        for (took, every) in [(0, 5_000), (100, 5_000), (1_000, 32_000), (60_000, 250_000)] {
            let every = Duration::from_micros(every);
            assert_eq!(figures_every(Duration::from_micros(took)), every, "{took} µs");
        }
    }
}
