//! The host agent: keeps children alive and fed on one host, whatever happens to them.
mod config;
pub use config::{AppSpec, Config, Link, Serve};
