//! `ostler check`: says what is wrong with a config file, or what it means.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{
    app,
    config::{self, effective, reference},
    failure::Failure,
    front, lacks,
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
    for text in settings.notes.iter().chain(&lacks::notes(&settings)) {
        note(text);
    }
    // The file is right; what `serve` would say of this host, with the same words and exit codes.
    app::resolve(&mut settings.runner.apps.clone()).map_err(Failure::all_unavailable)?;
    front::look(&settings.gateway)?;
    Ok(ExitCode::SUCCESS)
}
