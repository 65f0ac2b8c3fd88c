//! `ostler check`: says what is wrong with a config file, or what it means.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{
    config::{self, effective, reference},
    failure::Failure,
    plan::{self, Asked},
    terminal::note,
};

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Config file
    #[arg(long, value_name = "FILE", default_value = config::FILE)]
    config: PathBuf,
    /// Print the reference of all keys instead
    #[arg(long, hide = true)]
    reference: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    if args.reference {
        print!("{}", reference());
        return Ok(ExitCode::SUCCESS);
    }
    let config: &Path = &args.config;
    let settings = plan::settings(Some(config), &Asked::Nothing)?;
    print!("{}", effective(&settings));
    for text in &settings.notes {
        note(text);
    }
    Ok(ExitCode::SUCCESS)
}
