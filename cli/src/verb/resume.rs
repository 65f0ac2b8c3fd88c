//! `ostler resume`: lets paused jobs go on.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// Takes back what `ostler pause` did.
#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &ResumeArgs) -> Result<ExitCode, Failure> {
    steer(&args.steer, Action::new("resume", "resumed", None))
}
