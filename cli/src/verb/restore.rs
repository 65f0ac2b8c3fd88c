//! `ostler restore`: a backup in the place of the store, while no gateway uses it.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use ostler_gateway::store::{self, Fault};

use crate::{
    args::StateArgs,
    failure::{DATA, Failure, NOT_FOUND},
    state::State,
    terminal::{counted, say},
};

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// A copy that `ostler backup` has made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<ExitCode, Failure> {
    if !args.file.exists() {
        let says = format!("there is no file {}", args.file.display());
        return Err(Failure::with(NOT_FOUND, vec![says]));
    }
    let state = State::open(args.state.state.as_deref())?;
    let restored = store::restore(state.folder(), &args.file).map_err(|error| {
        let says = format!("nothing was restored: {}", error.at_start());
        match error.fault {
            Fault::Locked => Failure::unavailable(format!(
                "a gateway uses the state folder {}; stop it, restore, and start it again",
                state.folder().display()
            )),
            Fault::Corrupt | Fault::TooNew | Fault::Misuse => Failure::with(DATA, vec![says]),
            Fault::Full
            | Fault::Io
            | Fault::Copy
            | Fault::Unknown
            | Fault::Fenced
            | Fault::Gone
            | Fault::Unread => Failure::unavailable(says),
        }
    })?;
    let (jobs, unfinished) = restored.jobs;
    let all = counted(jobs, "job", "jobs");
    say(&format!("restored {all}, {unfinished} of them unfinished"));
    if let Some(aside) = restored.aside {
        say(&format!("what was there before is {}", aside.display()));
    }
    Ok(ExitCode::SUCCESS)
}
