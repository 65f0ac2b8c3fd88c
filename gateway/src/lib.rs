//! The front door: listeners, TLS, the way of a request, links to runners, metrics.
mod config;
pub use config::{
    AccessLog, App, Certificate, Config, Discipline, Limits, Listen, LogFormat, Network, Route,
    Target, TenantKey, Timeouts,
};
