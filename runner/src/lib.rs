//! The host agent: keeps children alive and fed on one host, and runs durable jobs there, whatever happens to them.
//!
//! A runner starts children by way of `ostler launch`, watches their boards, output and ends, and offers them to a
//! gateway: to one on the same host by handing over the lanes, to another by relaying frames over mutual TLS. It
//! deliberately lacks HTTP, routes and a queue; which request goes where is the gateway's to decide. It is separate
//! from the gateway, and a process of its own, so that children outlive a gateway's restart and upgrade.
#![warn(missing_docs)]

mod agent;
mod apps;
mod check;
mod child_pool;
mod config;
mod error;
mod event;
mod frames;
mod hash;
mod host;
mod jobs;
pub mod launch;
mod link;
mod logs;
mod run;
pub mod runtime;

pub use config::{AppSpec, Config, JobUsers, Link};
pub use error::RunError;
pub use link::{connect::connect, known_gateway::joined_as};
pub use ostler_job::labels;
pub use run::run;
pub use runtime::Serve;
