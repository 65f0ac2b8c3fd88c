//! What a scheduler is told once, and each of its queues whenever that changes.

use ostler_job::{QueueId, Span};

/// How a queue orders its waiting jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisciplineKind {
    /// Fair shares of slot time between tenants, then the latest start time that keeps the promise.
    #[default]
    Promise,
    /// First come, first served, whoever it is.
    Fifo,
    /// Tenants in turns, as many as hash into one of a few buckets together.
    Sfq,
    /// Tenants in turns, each for as long as its weight says.
    Drr,
    /// Guarantees, ceilings, and what others do not use.
    Htb,
}

/// The bounds of all queues together, and the order of the default one.
#[derive(Clone, Debug)]
pub struct Config {
    /// The order among waiting jobs of the default queue.
    pub discipline: DisciplineKind,
    /// Jobs that may wait; the next one is refused.
    pub waiting_max: u32,
    /// Jobs of one tenant that may wait; its next one is refused.
    pub tenant_waiting_max: u32,
    /// Slots that one tenant may hold at once, also while others are free. `None`: as many as there are.
    pub tenant_slots_max: Option<u32>,
    /// How far, in slot time per unit of weight, an urgent job's tenant may be served ahead of its fair share.
    pub urgency_credit: Span,
    /// How long past its latest start a job still counts as on time.
    pub late_grace: Span,
}

/// Less than most commands take: beside a flood of earlier promises a guest lets two or three of its jobs pass and no more, and
/// starts at most half as late again as if it were alone.
const URGENCY_CREDIT: Span = Span::from_millis(25);

impl Default for Config {
    fn default() -> Self {
        Self {
            discipline: DisciplineKind::Promise,
            waiting_max: 10_000,
            tenant_waiting_max: 5_000,
            tenant_slots_max: None,
            urgency_credit: URGENCY_CREDIT,
            late_grace: Span::ZERO,
        }
    }
}

/// What one queue is like. All of it may change while jobs wait and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The order among its waiting jobs.
    pub discipline: DisciplineKind,
    /// Its share of slot time beside other queues; zero counts as one.
    pub weight: u32,
    /// The queue whose child it is; `None`: it is at the top.
    pub parent: Option<QueueId>,
    /// Slots that it has before others borrow them, in thousandths, where its parent's discipline is `Htb`.
    pub guarantee: u32,
    /// Slots that it may have there, in thousandths. `None`: as many as there are.
    pub ceiling: Option<u32>,
    /// None of its jobs is granted.
    pub paused: bool,
    /// Jobs of it that may be granted at once. `None`: as many as there are slots.
    pub concurrency: Option<u32>,
    /// How often one of its jobs may be granted.
    pub rate: Option<Rate>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            discipline: DisciplineKind::Promise,
            weight: 1,
            parent: None,
            guarantee: 0,
            ceiling: None,
            paused: false,
            concurrency: None,
            rate: None,
        }
    }
}

/// So many jobs in such a time, on the average: a job each `per / jobs`, and after a quiet time `burst` of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many jobs; zero counts as one.
    pub jobs: u32,
    /// In which time.
    pub per: Span,
    /// How many may be granted at once after a quiet time; zero counts as one.
    pub burst: u32,
}
