//! What a pool is told.

use prometheus::{Histogram, IntCounter};

/// An app as the gateway sees it.
#[derive(Clone, Debug)]
pub struct App {
    /// Jobs that may wait for a slot, at most.
    pub queue_max: u32,
    /// Jobs of one tenant that may wait, at most.
    pub tenant_queue_max: u32,
    /// Slots that one tenant may hold at once; `None`: all of them.
    pub tenant_slots_max: Option<u32>,
    /// The order of waiting jobs.
    pub discipline: Discipline,
    /// How many requests may be bound to a busy child whose handler takes well under a millisecond; 0: none.
    pub prefetch_max: u32,
}

/// How waiting jobs are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// Fair shares, then promises.
    Promise,
    /// Arrival.
    Fifo,
}

/// The counters of one pool, looked up once.
#[derive(Clone, Debug)]
pub struct PoolCounts {
    /// Jobs given to another child.
    pub retries: IntCounter,
    /// What a decision of the scheduler costs; one in many is timed.
    pub decisions: Histogram,
}
