//! What the actor is told, and what it says is to be done.

use ostler_job::durable::{Change, StoreError, Token};
use ostler_job::{
    Wall,
    durable::{AttemptKey, Epoch, Report},
};

use super::{
    Beat, Offer, QueueLook, QueueOrder, Reports, RunnerName, ScheduleLook, ScheduleOrder, Steer,
    Submit, Ticket, batch::Batch,
};

/// What it is told.
#[derive(Debug)]
pub enum ActorInput {
    Submit(Submit),
    Steer(Steer),
    Queue(QueueOrder),
    Look(QueueLook),
    Schedule(ScheduleOrder),
    LookSchedules(ScheduleLook),
    /// An operator changed what a runner may take.
    Offer {
        ticket: Ticket,
        who: String,
        offer: Offer,
        /// What the audit trail says of it.
        detail: serde_json::Value,
    },
    Token {
        ticket: Ticket,
        who: String,
        token: Box<Token>,
        /// What the audit trail says of it.
        detail: serde_json::Value,
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
        now: Wall,
        events: Wall,
        keys: Wall,
    },
    /// A link is up, by its number, which is above those before; whatever comes of older ones of its runner counts no
    /// more.
    LinkUp(RunnerName, u64),
    LinkDown(RunnerName, u64),
    Beat(Beat),
    /// Whatever else came of its process on this link: it lives.
    Heard(RunnerName, u64),
    Reports(Reports),
    /// Attempts were put on this link to their runner.
    Sent(u64, Vec<AttemptKey>),
    /// This one could not be, and what follows from that.
    Unsent(RunnerName, Report),
    Stop,
}

impl ActorInput {
    /// Whose request it is; `None`: nobody waits for an answer.
    pub(super) const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Submit(Submit { ticket, .. })
            | Self::Steer(Steer { ticket, .. })
            | Self::Queue(QueueOrder { ticket, .. })
            | Self::Look(QueueLook { ticket, .. })
            | Self::Schedule(ScheduleOrder { ticket, .. })
            | Self::LookSchedules(ScheduleLook { ticket, .. })
            | Self::Offer { ticket, .. }
            | Self::Token { ticket, .. }
            | Self::Note { ticket, .. }
            | Self::Rest { ticket } => Some(*ticket),
            Self::Forget { .. }
            | Self::LinkUp(..)
            | Self::LinkDown(..)
            | Self::Beat(_)
            | Self::Heard(..)
            | Self::Reports(_)
            | Self::Sent(..)
            | Self::Unsent(..)
            | Self::Stop => None,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// The store writes these, and [`super::Actor::committed`] is told the outcome.
    Commit { epoch: Epoch, changes: Vec<Change> },
    /// These are safe: what goes with them happens now.
    Carry(Box<Batch>),
    /// A request is not answered by the driver.
    Refuse(Ticket),
    /// These orders go out now, although the store cannot be written; the request is answered.
    Kill(Steer),
    /// No request that was heard is.
    RefuseAll,
    /// Durable jobs are refused, and why; or not any more.
    Trouble(Option<StoreError>),
    /// The store begins a term, when it takes so many bytes, and is loaded; [`super::Actor::loaded`] is told the outcome.
    Load { room: u64 },
}
