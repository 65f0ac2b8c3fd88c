//! `ostler retry`: runs jobs again that have failed for good.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// Dead, cancelled and expired jobs run again, with all their attempts before them. A filter
/// that names no state finds failed jobs.
#[derive(Args, Debug)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &RetryArgs) -> Result<ExitCode, Failure> {
    steer(&args.steer, Action::new("retry", "will retry", Some("failed")))
}
