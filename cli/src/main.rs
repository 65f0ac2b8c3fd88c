//! The binary `ostler`: one verb a file in `verb/`.
//!
//! It reads flags and the config file, says what is wrong before anything opens, and starts a
//! gateway, a runner or both. Most verbs are clients of a gateway's API (`client/`, `jobs/`). It
//! serves no request itself and knows no frame: that is `gateway` and `runner`, which never see
//! each other. Separate so that only one crate knows both.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks")]

mod announce;
mod app;
mod args;
mod client;
mod command_line;
mod config;
mod events;
mod failure;
mod front;
mod jobs;
mod lacks;
mod notify;
mod panic_hook;
mod plan;
mod queues;
mod root;
mod schedules;
mod signals;
mod state;
mod summary;
mod supervise;
mod terminal;
mod values;
mod verb;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use command_line::Cli;
use failure::Failure;

/// Returns memory after bursts of connections, which the C library's allocator keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Runs between a spawn and an exec, once per child: before anything that it does not need.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "launch") {
        verb::launch::run();
    }
    panic_hook::end_with_the_vital();
    let parsed =
        command_line::command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    cli.verb.run().unwrap_or_else(|failure| {
        terminal::fail(&failure);
        failure.exit_code()
    })
}

/// Help and version go to stdout and are a success; the rest is wrong usage.
fn told(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() {
        return Failure::told().exit_code();
    }
    ExitCode::SUCCESS
}
