//! `ostler delete`: forgets finished jobs, with their output.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// Only finished jobs can be deleted.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &DeleteArgs) -> Result<ExitCode, Failure> {
    steer(&args.steer, Action::new("delete", "deleted", None))
}
