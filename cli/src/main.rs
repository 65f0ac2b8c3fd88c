//! The binary `ostler`: one verb a file in `verb/`.
//!
//! It reads flags and the config file, says what is wrong before anything opens, and starts a
//! gateway, a runner or both. It serves no request itself and knows no frame: that is `gateway`
//! and `runner`, which never see each other. Separate so that only one crate knows both.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks")]

mod app;
mod args;
mod broken;
mod client;
mod config;
mod events;
mod failure;
mod front;
mod jobs;
mod lacks;
mod notify;
mod plan;
mod root;
mod signals;
mod state;
mod summary;
mod supervise;
mod terminal;
mod verb;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Cli, Verb};
use failure::Failure;

/// Returns memory after bursts of connections, which the C library's allocator keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Runs between a spawn and an exec, once per child: before anything that it does not need.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "launch") {
        verb::launch::run();
    }
    broken::end_with_the_vital();
    let parsed = args::command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    let ended = match cli.verb {
        Verb::Serve(args) => verb::serve::run(&args),
        Verb::Gateway(args) => verb::gateway::run(&args),
        Verb::Runner(args) => verb::runner::run(args),
        Verb::Token(args) => verb::token::run(args),
        Verb::Check(args) => verb::check::run(&args),
        Verb::Submit(args) => verb::submit::run(&args),
        Verb::List(args) => verb::list::run(&args),
        Verb::Show(args) => verb::show::run(&args),
        Verb::Logs(args) => verb::logs::run(&args),
        Verb::Wait(args) => verb::wait::run(&args),
        Verb::Kill(args) => verb::kill::run(&args),
        Verb::Retry(args) => verb::retry::run(&args),
        Verb::Delete(args) => verb::delete::run(&args),
        Verb::Pause(args) => verb::pause::run(&args),
        Verb::Resume(args) => verb::resume::run(&args),
        Verb::Move(args) => verb::transfer::run(&args),
        Verb::Status(args) => verb::status::run(&args),
        Verb::Drain(args) => verb::drain::run(&args),
        Verb::Backup(args) => verb::backup::run(&args),
        Verb::Restore(args) => verb::restore::run(&args),
        Verb::Completions(args) => verb::completions::run(&args),
        Verb::Man(args) => verb::man::run(&args),
    };
    ended.unwrap_or_else(|failure| {
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
