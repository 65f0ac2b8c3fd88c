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
    let action = match args.now {
        true => {
            Action { name: "kill", done: "killed", of: Some("unfinished"), host: None, queue: None }
        }
        false => Action {
            name: "cancel",
            done: "cancelled",
            of: Some("unfinished"),
            host: None,
            queue: None,
        },
    };
    steer(&args.steer, action)
}
