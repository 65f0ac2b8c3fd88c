//! What is to happen, in order of time.

use std::collections::BTreeMap;

use ostler_driver::{QueueOrder, ScheduleLook, ScheduleOrder, Steer};
use ostler_job::{
    Mono,
    durable::{AttemptKey, Order, Report, Start},
};

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Event {
    /// The commit that is under way returns; of this life of the gateway.
    Commit(u64),
    /// The actor wanted to be woken.
    Timeout,
    /// The gateway starts again.
    Restart,
    /// The stopped gateway goes on.
    Continue,
    /// A message of a link arrives at the runner.
    ToRunner(usize, u64, ToRunner),
    /// A message of a link arrives at the gateway.
    ToGateway(usize, u64, ToGateway),
    /// The gateway notices that this link of a runner is gone.
    LinkDown(usize, u64),
    /// The gateway has a new link of a runner; of this life of it.
    LinkUp(usize, u64, u64),
    /// The runner's process, of this incarnation, connects.
    Connect(usize, u64),
    /// It beats.
    Beat(usize, u64),
    /// An attempt may be over.
    Ends(usize, u64, AttemptKey),
    /// A new process of the runner starts.
    Boot(usize),
    /// The stopped runner goes on.
    Resume(usize),
    /// A client submits, again with the same key perhaps.
    Submit(usize),
    /// An operator's request arrives.
    Steer(Steer),
    /// An operator wants something of a queue.
    Queue(QueueOrder),
    /// An operator wants something of a schedule, or looks at one.
    Schedule(ScheduleOrder),
    LookSchedules(ScheduleLook),
    /// Something fails, or somebody does something.
    Chaos,
}

/// From the gateway.
#[derive(Debug)]
pub(crate) enum ToRunner {
    Run(Box<Start>),
    Settle(AttemptKey),
    Steer(AttemptKey, Order),
}

/// From a runner.
#[derive(Debug)]
pub(crate) enum ToGateway {
    Beat {
        incarnation: u64,
        held: Vec<AttemptKey>,
    },
    /// A part of something long, which the beat waits behind.
    Word,
    Report(Report),
}

impl ToGateway {
    pub(crate) fn keeps_leases(&self) -> bool {
        matches!(self, Self::Beat { .. } | Self::Word)
    }

    pub(crate) fn is_beat(&self) -> bool {
        matches!(self, Self::Beat { .. })
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(Mono, u64), Event>,
    count: u64,
}

impl Agenda {
    pub(crate) fn at(&mut self, at: Mono, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    pub(crate) fn next(&mut self) -> Option<(Mono, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
