//! `ostler completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::{failure::Failure, terminal::put};

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

pub(crate) fn run(wanted: &CompletionsArgs, mut program: Command) -> Result<ExitCode, Failure> {
    let shell = match wanted.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        _ => Shell::Fish,
    };
    let mut text = Vec::new();
    generate(shell, &mut program, "ostler", &mut text);
    put(text)?;
    Ok(ExitCode::SUCCESS)
}
