//! Settings of the driver.

use std::sync::Arc;

use ostler_job::Span;
use ostler_job::durable::{QueueName, QueueShape, Schedule, ScheduleName, ScheduleShape};
use ostler_module::{NoSource, Source};

/// Settings of the driver.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Jobs that may wait; the next one is refused.
    pub waiting_max: u32,
    /// A runner that was not heard of for this long has lost its leases.
    pub lease: Span,
    /// Runners that may be lost with a job before it is quarantined.
    pub crashes_max: u32,
    /// How long succeeded, and other finished, jobs are kept.
    pub keep: (Span, Span),
    /// The queues that the configuration has.
    pub queues: Vec<(QueueName, QueueShape)>,
    /// How many queues there may be, [`QueueShape::QUEUES_MAX`] but for tests.
    pub queues_max: usize,
    /// The schedules that the configuration has.
    pub schedules: Vec<(ScheduleName, ScheduleShape)>,
    /// How many schedules there may be, [`Schedule::SCHEDULES_MAX`] but for tests.
    pub schedules_max: usize,
    /// How many of them tokens that are bound to a tenant may make for it.
    pub tenant_schedules_max: usize,
    /// What knows when schedules fire.
    pub source: Arc<dyn Source>,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            waiting_max: 10_000_000,
            lease: Span::from_secs(15),
            crashes_max: 3,
            keep: (Span::from_secs(7 * 86_400), Span::from_secs(30 * 86_400)),
            queues: Vec::new(),
            queues_max: QueueShape::QUEUES_MAX,
            schedules: Vec::new(),
            schedules_max: Schedule::SCHEDULES_MAX,
            tenant_schedules_max: 1_000,
            source: Arc::new(NoSource),
        }
    }
}
