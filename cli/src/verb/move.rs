//! `ostler move`: says which runner jobs are for, or in which queue they wait.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// A job that waits goes to the runner; one that runs does so with its next attempt.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("where").required(true).multiple(true).args(["host", "any", "queue"]))]
pub(crate) struct MoveArgs {
    /// Only this runner may have them
    #[arg(long, value_name = "RUNNER")]
    host: Option<String>,
    /// Any runner may have them
    #[arg(long, conflicts_with = "host")]
    any: bool,
    /// They wait in this queue; those that run are not moved, without --relocate
    #[arg(long)]
    queue: Option<String>,
    /// With --queue: end those that run, in order and without a failure; they wait in the queue then
    #[arg(long, requires = "queue", conflicts_with_all = ["host", "any"])]
    relocate: bool,
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &MoveArgs) -> Result<ExitCode, Failure> {
    let host = (args.any || args.host.is_some()).then_some(args.host.as_deref());
    let queue = args.queue.as_deref();
    // What is over waits nowhere.
    let of = queue.map(|_| if args.relocate { "unfinished" } else { "waiting" });
    steer(
        &args.steer,
        Action { host, queue, relocate: args.relocate, ..Action::new("move", "moved", of) },
    )
}
