//! The front door: owns the sockets, takes requests on their way to a target, keeps the links to runners, and sends the answers.
//!
//! It puts together what does not know each other: `ostler-pool` queues requests and gives them to children, `ostler-api` answers
//! `/v1`, `ostler-durable` keeps jobs. It deliberately lacks processes: children and their hosts belong to `ostler-runner`, which it
//! meets only on the wire. It is a crate of its own so that none of its parts, and no runner, can reach for its sockets; its process
//! is one of its own so that it can be replaced while children live on.

#![deny(unsafe_code)]

mod assembly;
mod config;
mod connection;
mod connection_budget;
mod gateway;
mod link;
mod listen;
mod log;
#[doc(hidden)]
pub mod measure;
mod metrics;
mod request;
mod scrape;
mod start_error;
mod still;
mod target;

pub use config::{
    AccessLog, App, Certificate, Cidr, Config, Discipline, ErrorDetails, JobsConfig, Limits,
    Listen, LogFormat, Route, TargetConfig, TenantKey, Timeouts,
};
pub use gateway::{Addresses, Gateway};
pub use ostler_job::durable::{
    QueueDiscipline, QueueName, QueueShape, QueueTree, Rate, Retry, SLOTS_RULE, ScheduleName,
    ScheduleShape, Slots, TreeFault,
};
pub use ostler_job::{Selector, Wall, name, units};
pub use ostler_machine::{clock::span, shutdown::Shutdown};
pub use ostler_notices::{BootFailure, GatewayEvent};
pub use start_error::StartError;

/// The store of durable jobs while no gateway uses it.
pub mod store {
    pub use ostler_store::{Fault, Restored, StoreError};

    pub use ostler_durable::restore;
}

/// What knows when schedules fire, with the zone data of this machine.
pub mod schedules {
    pub use ostler_durable::{cron, zones};
}

/// Join tokens for runners of other hosts.
pub mod token {
    pub use ostler_durable::members::token::{
        Listed, Scope, TokenError, TokenRequest, create, list, revoke,
    };
}
