//! What one queue is told once.

use ostler_job::Span;

/// How a queue orders its waiting jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisciplineKind {
    /// Fair shares of slot time between tenants, then the latest start time that keeps the promise.
    #[default]
    Promise,
    /// First come, first served, whoever it is.
    Fifo,
}

/// The bounds and the order of one queue.
#[derive(Clone, Debug)]
pub struct Config {
    /// The order among waiting jobs.
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

impl Default for Config {
    fn default() -> Self {
        Self {
            discipline: DisciplineKind::Promise,
            waiting_max: 10_000,
            tenant_waiting_max: 5_000,
            tenant_slots_max: None,
            urgency_credit: Span::from_millis(100),
            late_grace: Span::ZERO,
        }
    }
}
