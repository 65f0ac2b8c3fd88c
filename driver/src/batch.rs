//! What goes with the changes of one commit, and happens, or is counted, only when they are safe.

use std::sync::Arc;

use ostler_job::durable::{
    Applied, Change, Event, EventKind, Fate, Queue, QueueName, ScheduleName, Token,
};
use ostler_job::{
    Span,
    durable::{JobState, Reason, Spec, Status},
};

use super::{Effect, Reports, Steer};

/// See the module.
#[derive(Debug, Default)]
pub struct Batch {
    /// Events with their place among the changes.
    pub events: Vec<(usize, Event)>,
    pub effects: Vec<Effect>,
    /// Tokens that are new or revoked.
    pub tokens: Vec<Token>,
    /// Queues that are new or changed, and with `None` gone.
    pub queues: Vec<(QueueName, Option<Arc<Queue>>)>,
    /// What runners told that led to it. Were the commit to fail, they would not tell it again on the same link.
    pub reports: Vec<Reports>,
    /// Kill orders that it has: they do not wait for a store that fails.
    pub steers: Vec<Steer>,
    pub tally: Tally,
    /// What it takes on the disk, about.
    pub bytes: u64,
}

impl Batch {
    /// Notes what follows from a change at this place of the batch.
    pub(super) fn note(&mut self, place: usize, change: &Change) {
        self.tally.count(change);
        self.bytes += bytes(change);
        match change {
            Change::Event { at, kind, job, who, detail } => {
                let (at, kind, job, who) = (*at, *kind, *job, who.clone());
                let event = Event { seq: 0, at, kind, job, who, detail: detail.clone() };
                self.events.push((place, event));
            }
            Change::Token(token) => self.tokens.push(token.clone()),
            Change::Schedule(_)
            | Change::Stand { .. }
            | Change::Firing { .. }
            | Change::ScheduleGone(_) => {}
            Change::Queue(queue) => {
                self.queues.push((queue.name.clone(), Some(Arc::new((**queue).clone()))));
            }
            Change::QueueGone(name) => self.queues.push((name.clone(), None)),
            Change::Submit { .. }
            | Change::Key { .. }
            | Change::Update { .. }
            | Change::Edit { .. }
            | Change::Attempt(_)
            | Change::Delete { .. }
            | Change::Forget { .. }
            | Change::Reserve { .. } => {}
        }
    }

    /// The events get the numbers that the store gave them.
    pub(super) fn number(&mut self, applied: &[Applied]) {
        for (place, event) in &mut self.events {
            if let Some(Applied::Seq(seq)) = applied.get(*place) {
                event.seq = *seq;
            }
        }
    }
}

/// What a change takes on the disk, about: its rows, and what in them may be large.
fn bytes(change: &Change) -> u64 {
    const ROW: usize = 1024;
    let large = match change {
        Change::Submit { spec, .. } => spec_bytes(spec),
        Change::Schedule(it) => spec_bytes(&it.shape.spec),
        Change::Attempt(it) => it.log.whole.as_ref().map_or(0, String::len),
        Change::Key { .. }
        | Change::Update { .. }
        | Change::Edit { .. }
        | Change::Delete { .. }
        | Change::Event { .. }
        | Change::Token(_)
        | Change::Queue(_)
        | Change::QueueGone(_)
        | Change::Stand { .. }
        | Change::Firing { .. }
        | Change::ScheduleGone(_)
        | Change::Forget { .. }
        | Change::Reserve { .. } => 0,
    };
    (ROW + large) as u64
}

fn spec_bytes(spec: &Spec) -> usize {
    let Some(command) = spec.work.command() else { return 0 };
    let words = command.argv.iter().chain(command.env.values()).map(String::len);
    command.stdin.inline_len() + words.sum::<usize>()
}

/// What a commit means to the metrics.
#[derive(Debug, Default, PartialEq)]
pub struct Tally {
    pub submitted: u64,
    pub retried: u64,
    pub lost: u64,
    pub finished: Vec<(JobState, Option<Reason>)>,
    /// Attempts that their runner told the end of: whether they succeeded, and how long they ran.
    pub ran: Vec<(bool, Span)>,
    pub log_bytes: u64,
    /// What there is to count of schedules, in its order.
    pub schedules: Vec<ScheduleCount>,
}

/// Something of a schedule that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleCount {
    /// It has been decided what becomes of so many firings. One that waits is decided when it does not any more.
    Firings(ScheduleName, Fate, u32),
    /// The schedule is gone, and what was counted of it with it.
    Gone(ScheduleName),
}

impl Tally {
    fn count(&mut self, change: &Change) {
        match change {
            Change::Submit { status, .. } => {
                self.submitted += 1;
                self.count_status(status);
            }
            Change::Update { status, .. } => self.count_status(status),
            Change::Attempt(attempt) => {
                self.log_bytes += attempt.log.written;
                match attempt.ending.as_ref().map(|ending| ending.reason) {
                    Some(Reason::Lost) => self.lost += 1,
                    Some(reason) => self.ran.push((reason == Reason::Ok, attempt.ran)),
                    None => {}
                }
            }
            Change::Event { kind: EventKind::Retrying, .. } => self.retried += 1,
            Change::Firing { schedule, firing } if firing.fate != Fate::Waiting => {
                let (name, fate) = (schedule.clone(), firing.fate);
                self.schedules.push(ScheduleCount::Firings(name, fate, firing.count));
            }
            Change::ScheduleGone(name) => self.schedules.push(ScheduleCount::Gone(name.clone())),
            Change::Key { .. }
            | Change::Edit { .. }
            | Change::Delete { .. }
            | Change::Event { .. }
            | Change::Token(_)
            | Change::Queue(_)
            | Change::QueueGone(_)
            | Change::Schedule(_)
            | Change::Stand { .. }
            | Change::Firing { .. }
            | Change::Forget { .. }
            | Change::Reserve { .. } => {}
        }
    }

    fn count_status(&mut self, status: &Status) {
        if status.state.is_finished() {
            self.finished.push((status.state, status.reason));
        }
    }
}
