//! The front door: takes requests, queues them as jobs, hands them to children, and sends the answers.
//!
//! It deliberately lacks processes: children and their hosts belong to `ostler-runner`, which it meets only on the wire.
//! It is separate so that it can be restarted and replaced while children live on.

#![deny(unsafe_code)]

mod api;
mod clock;
mod config;
mod disk;
mod doors;
#[doc(hidden)]
pub mod driver;
mod event;
mod gate;
mod gateway;
mod host;
mod http1;
mod http2;
mod jobs;
mod link;
mod listen;
mod log;
mod metrics;
mod peer;
mod pool;
mod process;
mod request;
mod shutdown;
mod threads;
mod told;
mod vital;

pub use config::{
    AccessLog, App, Certificate, Config, Details, Discipline, JobsConfig, Limits, Listen,
    LogFormat, Network, Route, Target, TenantKey, Timeouts,
};
pub use event::{BootFailure, GatewayEvent};
pub use gateway::{Addresses, Gateway, StartError};
pub use ostler_job::name;
pub use shutdown::Shutdown;

/// The request path in parts, for instruction counts. Not for use.
#[doc(hidden)]
pub mod measure {
    /// See `gateway/examples/count.rs`.
    pub fn head_to_frame(
        config: &crate::Config,
        shape: Option<&str>,
        times: usize,
    ) -> std::io::Result<usize> {
        crate::request::measure::head_to_frame(config, shape, times)
    }

    /// The same for what comes on a connection; `None`: there is no such shape.
    pub fn streams(shape: &str, times: usize) -> Option<usize> {
        crate::request::measure::streams(shape, times)
    }
}

/// The store of durable jobs while no gateway uses it.
pub mod store {
    pub use ostler_store::{Fault, Restored, StoreError};

    pub use crate::jobs::restore;
}

/// Join tokens for runners of other hosts.
pub mod token {
    pub use crate::link::token::{Listed, Scope, TokenError, Wish, create, list, revoke};
}
