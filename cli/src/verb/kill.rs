//! `ostler kill`: ends jobs, politely unless told otherwise.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// A job that waits is cancelled. One that runs is told to end, and killed with all its processes
/// when its grace is over. A filter that names no state finds unfinished jobs.
#[derive(Args, Debug)]
pub(crate) struct KillArgs {
    /// Kill what runs at once
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &KillArgs) -> Result<ExitCode, Failure> {
    let (name, done) = if args.now { ("kill", "killed") } else { ("cancel", "cancelled") };
    steer(&args.steer, Action::new(name, done, Some("unfinished")))
}
