//! How the program ends when it cannot do what was asked.

use std::process::ExitCode;

/// Usage or configuration is wrong (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;
/// Something that is needed is not there or taken (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;
/// Something of ours failed (`EX_SOFTWARE`).
const SOFTWARE: u8 = 70;

/// What went wrong, in sentences for a person, and the exit code for a script.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
    /// Each line begins with a file and a line number, which editors jump to.
    placed: bool,
}

impl Failure {
    /// The config file is wrong; each line says where.
    pub(crate) fn config(lines: Vec<String>) -> Self {
        Self { code: USAGE, lines, placed: true }
    }

    /// The command line is wrong.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { code: USAGE, lines: vec![line.into()], placed: false }
    }

    /// Something that is needed is not there, or taken.
    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self::all_unavailable(vec![line.into()])
    }

    /// Several things that are needed are not there.
    pub(crate) fn all_unavailable(lines: Vec<String>) -> Self {
        Self { code: UNAVAILABLE, lines, placed: false }
    }

    /// Something that worked at first has failed.
    pub(crate) fn broken(line: impl Into<String>) -> Self {
        Self { code: SOFTWARE, lines: vec![line.into()], placed: false }
    }

    /// A runner does not start, or cannot go on.
    pub(crate) fn of_runner(error: &ostler_runner::RunError) -> Self {
        Self { code: error.exit_code(), lines: vec![error.to_string()], placed: false }
    }

    /// Usage that clap has told already.
    pub(crate) fn told() -> Self {
        Self { code: USAGE, lines: Vec::new(), placed: false }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The lines to show, and whether each says where it comes from.
    pub(crate) fn lines(&self) -> (&[String], bool) {
        (&self.lines, self.placed)
    }
}
