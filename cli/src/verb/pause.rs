//! `ostler pause`: keeps jobs from starting, and stops those that run.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// A job that waits does not start, and the processes of one that runs are stopped, until `ostler resume`.
#[derive(Args, Debug)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &PauseArgs) -> Result<ExitCode, Failure> {
    steer(&args.steer, Action::new("pause", "paused", None))
}
