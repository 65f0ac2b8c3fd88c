//! The runner as a process, against a gateway that the tests play.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "a failed test shows the runner's log")]

mod ending;
mod failing;
mod gateway;
mod jobs;
mod jobs_link;
mod jobs_payload;
mod remote;
mod remote_gateway;
mod runner;
mod serving;
mod stopping;
