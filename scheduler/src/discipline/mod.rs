//! The order among waiting jobs, behind one trait.
//!
//! A discipline keeps a flow for every tenant and answers which job is next. It knows nothing of slots, caps or
//! deadlines for giving up: the scheduler blocks a flow whose tenant may not run more, and removes jobs that leave.

mod fifo;
mod flow;
mod promise;
mod tag;
#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

pub(crate) use tag::Tag;

use crate::config::{Config, DisciplineKind};
use crate::jobs::{JobIx, Jobs};
use crate::tenants::TenantIx;

/// One way to order waiting jobs. Flows are numbered as tenants are.
pub(crate) trait Discipline: Send {
    /// Jobs of this tenant are to come; `weight` is its share from here on.
    fn open(&mut self, flow: TenantIx, weight: u32);

    /// A job waits: its entry in the table says whose it is and what its key is.
    fn enqueue(&mut self, jobs: &Jobs, job: JobIx);

    /// Takes out the next job among the flows that are not blocked, and charges its flow for it.
    fn dequeue(&mut self, jobs: &mut Jobs, now: Mono) -> Option<JobIx>;

    /// A job goes straight to a slot since no job of a flow that is not blocked waits: its flow is only charged.
    fn pass(&mut self, flow: TenantIx, cost: Span);

    /// A job of this flow waits no more, for another reason than [`Discipline::dequeue`]; its entry says so already.
    fn remove(&mut self, jobs: &Jobs, flow: TenantIx, late: bool);

    /// A granted job of the flow was charged `charged` and turns out to cost `actual`.
    fn correct(&mut self, flow: TenantIx, late: bool, charged: Span, actual: Span);

    /// A granted job of the flow is over after this time in a slot.
    fn elapse(&mut self, flow: TenantIx, actual: Span);

    /// The flow takes part in [`Discipline::dequeue`] or, blocked, does not.
    fn set_blocked(&mut self, flow: TenantIx, blocked: bool);

    /// The flow has no job, waiting or granted. It is forgotten through [`Discipline::poll_forgotten`], at once or when
    /// what it owes is paid.
    fn settle(&mut self, flow: TenantIx);

    /// No flow has a job: what any of them owes is forgiven.
    fn forgive(&mut self);

    /// A flow that need not be remembered; its number may be given to another tenant. Drained before a flow is opened.
    fn poll_forgotten(&mut self) -> Option<TenantIx>;

    /// Waiting jobs.
    fn len(&self) -> usize;

    /// Whether [`Discipline::dequeue`] would answer a job.
    fn is_runnable(&self) -> bool;

    /// Weight of the flows that [`Discipline::dequeue`] chooses from.
    fn weight(&self) -> u64;

    /// Which submit is next, if the order is that of the submits alone.
    fn first(&self) -> Option<u64>;

    /// Asserts its own invariants.
    fn check(&self, jobs: &Jobs);
}

/// The discipline that the config names.
pub(crate) fn make(config: &Config) -> Box<dyn Discipline> {
    match config.discipline {
        DisciplineKind::Promise => Box::new(promise::PromiseQueue::new(config)),
        DisciplineKind::Fifo => Box::new(fifo::FifoQueue::default()),
    }
}
