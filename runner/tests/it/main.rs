//! The runner as a process, against a gateway that the tests play.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod ending;
mod failing;
mod gateway;
mod remote;
mod remote_gateway;
mod runner;
mod serving;
