//! `ostler move`: says which runner jobs are for.

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::Failure,
    jobs::steer::{Action, SteerArgs, steer},
};

/// A job that waits goes to the runner; one that runs does so with its next attempt.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["host", "any"]))]
pub(crate) struct MoveArgs {
    /// Only this runner may have them
    #[arg(long, value_name = "RUNNER")]
    host: Option<String>,
    /// Any runner may have them
    #[arg(long)]
    any: bool,
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &MoveArgs) -> Result<ExitCode, Failure> {
    let host = Some(args.host.as_deref());
    steer(&args.steer, Action { name: "move", done: "moved", of: None, host })
}
