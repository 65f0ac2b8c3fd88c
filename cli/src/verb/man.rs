//! `ostler man`: the manual pages, one for the program and one for each verb.

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Args, Command};

use crate::{
    failure::{self, Failure},
    terminal::{put, say},
};

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write all pages into this folder [default: the program's own page to standard output]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(wanted: &ManArgs, program: Command) -> Result<ExitCode, Failure> {
    let Some(folder) = &wanted.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(program)
            .render(&mut page)
            .map_err(|error| Failure::broken(format!("cannot write the page: {error}")))?;
        put(page)?;
        return Ok(ExitCode::SUCCESS);
    };
    let unwritable = |error: io::Error| {
        let line = format!("cannot write into {}: {error}", folder.display());
        Failure::with(failure::UNWRITABLE, vec![line])
    };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    clap_mangen::generate_to(program, folder).map_err(unwritable)?;
    say(&format!("the pages are in {}; read one with man -l", folder.display()));
    Ok(ExitCode::SUCCESS)
}
