//! What durable jobs are told.

use std::{sync::Arc, time::Duration};

use ostler_driver::DriverConfig;
use ostler_job::{
    Span,
    durable::{QueueName, QueueShape, ScheduleName, ScheduleShape},
};
use ostler_machine::clock;

use super::source;

/// What durable jobs may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobsConfig {
    /// How long jobs that succeeded are kept.
    pub keep_succeeded: Duration,
    /// How long jobs that ended otherwise are kept.
    pub keep_failed: Duration,
    /// Jobs that may wait, at most.
    pub waiting_max: u32,
    /// Largest standard input of a job in bytes.
    pub payload_max: u64,
    /// Bytes of all logs and payloads together, at most; `None`: as much as the disk has.
    pub files_max: Option<u64>,
    /// Jobs run as the gateway's own user on its host, and nobody has said that tenants are to share it.
    pub tenants_share_user: bool,
    /// Queues by name, as the configuration has them.
    pub queues: Vec<(QueueName, QueueShape)>,
    /// Schedules by name, as the configuration has them.
    pub schedules: Vec<(ScheduleName, ScheduleShape)>,
    /// Schedules that tokens which are bound to a tenant may make for it, at most.
    pub tenant_schedules_max: u32,
    /// The time zone of schedules that name none; `None`: the host's.
    pub zone: Option<String>,
}

impl Default for JobsConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            keep_succeeded: DAY * 7,
            keep_failed: DAY * 30,
            waiting_max: 10_000_000,
            payload_max: 4 << 30,
            files_max: None,
            tenants_share_user: false,
            queues: Vec::new(),
            schedules: Vec::new(),
            tenant_schedules_max: 1_000,
            zone: None,
        }
    }
}

impl JobsConfig {
    /// What the API is told of it.
    pub fn api(&self) -> ostler_api::Config {
        let Self { payload_max, tenants_share_user, ref zone, .. } = *self;
        let zones = source::zones();
        let zone = zone.clone().unwrap_or_else(|| zones.home().to_owned());
        let zone_data = zones.data().to_owned();
        ostler_api::Config { payload_max, tenants_share_user, zone, zone_data }
    }
}

impl JobsConfig {
    pub fn driver(&self) -> DriverConfig {
        DriverConfig {
            waiting_max: self.waiting_max,
            queues: self.queues.clone(),
            schedules: self.schedules.clone(),
            tenant_schedules_max: self.tenant_schedules_max as usize,
            source: Arc::new(source::cron()),
            ..DriverConfig::default()
        }
    }

    /// How long succeeded, and other finished, jobs are kept.
    pub fn keep(&self) -> (Span, Span) {
        (clock::span(self.keep_succeeded), clock::span(self.keep_failed))
    }
}
