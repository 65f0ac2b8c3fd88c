//! Runs commands: the executor of durable jobs whose work is a command.
//!
//! Each attempt has a small process of its own between the runner and the command, the *supervisor* (`supervise/`). It
//! is single-threaded, so it may fork; it is the reaper of everything below it, so it can tell when nothing is left; and
//! its end of a socket pair is its lifeline, so a runner that dies takes its commands with it. The executor ([`Shell`])
//! starts supervisors, reads what commands write, and keeps the time limits.
//!
//! **When an attempt ends:** when the main process has exited. What it left in the background (daemons, orphans, whoever
//! still holds the pipe) is killed then, and the end is reported when no process is left. The exception is a kill with
//! grace: what is left after the main process has the rest of the grace too.
//!
//! It deliberately lacks leases, links and payload transfers, which are the runner's. It is separate so that a runner
//! can have other modules beside it, and so that it can be tested without a runner.
#![warn(missing_docs)]

mod attempt;
mod control;
mod disk;
mod environment;
mod input;
mod kept;
mod log;
mod mail;
mod message;
mod orphans;
mod outputs;
mod secrets;
mod setup;
mod share;
mod shell;
mod supervise;
mod users;

pub use mail::MAIL_TIME;
pub use orphans::{kill_orphans, state_mark};
pub use setup::Setup;
pub use shell::Shell;
pub use supervise::supervise;
pub use users::Users;
