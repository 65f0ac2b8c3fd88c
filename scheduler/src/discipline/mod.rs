//! The order among waiting jobs, behind one trait.
//!
//! A discipline keeps a flow for every tenant and answers which job is next. It knows nothing of slots, caps or
//! deadlines for giving up: the scheduler blocks a flow whose tenant may not run more, and removes jobs that leave. Jobs
//! that are pinned to a host wait elsewhere; a discipline only keeps what their tenants are charged, in the same account,
//! and says how they stand among the others.

mod fifo;
mod flow;
mod promise;
mod tag;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ostler_job::{Mono, Span};

pub(crate) use flow::{Backlog, Head};
pub(crate) use tag::Tag;

use crate::config::{Config, DisciplineKind};
use crate::jobs::{JobIx, Jobs};
use crate::tenants::TenantIx;
use crate::waitlist::Entry;

/// How a job stands among those that could have a slot, the first to be served being the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Its tenant was left behind too far: served next, however urgent others are.
    LeftBehind(Tag, u64),
    /// Its tenant may be served.
    Eligible(Head),
    /// Its tenant is ahead of its share: served when nobody else wants the slot.
    Ahead(Tag, Head),
}

/// One way to order waiting jobs. Flows are numbered as tenants are.
pub(crate) trait Discipline: Send {
    /// Jobs of this tenant are to come; `weight` is its share from here on.
    fn open(&mut self, flow: TenantIx, weight: u32);

    /// A job waits: its entry in the table says whose it is and what its key is.
    fn enqueue(&mut self, jobs: &Jobs, job: JobIx);

    /// Takes out the next job among the flows that are not blocked, and charges its flow for it.
    fn dequeue(&mut self, jobs: &mut Jobs, now: Mono) -> Option<JobIx>;

    /// A job goes straight to a slot since no other that could have it waits: its flow is only charged. `alone`: no job of
    /// a flow that is not blocked waits for any slot.
    fn pass(&mut self, flow: TenantIx, cost: Span, alone: bool);

    /// A job of this flow waits no more, for another reason than [`Discipline::dequeue`]; its entry says so already.
    fn remove(&mut self, jobs: &Jobs, flow: TenantIx, late: bool);

    /// A granted job of the flow was charged `charged` and turns out to cost `actual`; `late` is whether it was, of one
    /// that was not pinned.
    fn correct(&mut self, flow: TenantIx, late: Option<bool>, charged: Span, actual: Span);

    /// A granted job of the flow is over after this time in a slot.
    fn finish(&mut self, flow: TenantIx, actual: Span);

    /// The flow takes part in [`Discipline::dequeue`] or, blocked, does not.
    fn set_blocked(&mut self, flow: TenantIx, blocked: bool);

    /// The flow has no job, waiting or granted. It is forgotten through [`Discipline::poll_forgotten`], at once or when
    /// what it owes is paid.
    fn retire(&mut self, flow: TenantIx);

    /// No flow has a job: what any of them owes is written off.
    fn reset(&mut self);

    /// A flow that need not be remembered; its number may be given to another tenant. Drained before a flow is opened.
    fn poll_forgotten(&mut self) -> Option<TenantIx>;

    /// Waiting jobs.
    fn len(&self) -> usize;

    /// Whether [`Discipline::dequeue`] would answer a job.
    fn is_runnable(&self) -> bool;

    /// What a pinned job is ordered by among those of its flow and host.
    fn entry(&self, jobs: &Jobs, job: JobIx) -> Entry;

    /// Work that goes before a job of the flow with such a latest start, about; nothing where that is not known.
    fn ahead(&self, _jobs: &Jobs, _flow: TenantIx, _lst: Mono) -> u128 {
        0
    }

    /// Whether the first pinned job of a flow has missed its latest start.
    fn has_missed(&self, head: Head, now: Mono) -> bool;

    /// A pinned job of the flow waits.
    fn pin(&mut self, flow: TenantIx);

    /// A pinned job of the flow waits no more.
    fn unpin(&mut self, flow: TenantIx);

    /// A pinned job of the flow is given a slot.
    fn charge(&mut self, flow: TenantIx, cost: Span);

    /// What the flow has been charged; `None` while it is blocked.
    fn tag(&self, flow: TenantIx) -> Option<Tag>;

    /// How a pinned job stands, whose flow is not blocked.
    fn rank(&self, flow: TenantIx, head: Head, cost: Span) -> Rank;

    /// How the job stands that [`Discipline::dequeue`] would answer, when pinned jobs whose flows were charged at least
    /// `others` want the same slot.
    fn best(&mut self, jobs: &mut Jobs, now: Mono, others: Option<Tag>) -> Option<Rank>;

    /// Asserts its own invariants; `pinned` counts the pinned jobs of each flow that wait.
    fn check(&self, jobs: &Jobs, pinned: &BTreeMap<u32, u32>);
}

/// The discipline that the config names.
pub(crate) fn make(config: &Config) -> Box<dyn Discipline> {
    match config.discipline {
        DisciplineKind::Promise => Box::new(promise::PromiseQueue::new(config)),
        DisciplineKind::Fifo => Box::new(fifo::FifoQueue::default()),
    }
}
