//! How the program ends when it cannot do what was asked.

use std::process::ExitCode;

/// Usage, configuration or a request is wrong (`EX_USAGE` of sysexits).
pub(crate) const USAGE: u8 = 64;
/// A job's data are wrong, or its state does not allow what was asked (`EX_DATAERR`).
pub(crate) const DATA: u8 = 65;
/// There is no such job, runner, token or file of jobs (`EX_NOINPUT`).
pub(crate) const NOT_FOUND: u8 = 66;
/// Something that is needed is not there or taken (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// Something of ours failed (`EX_SOFTWARE`).
pub(crate) const SOFTWARE: u8 = 70;
/// A file cannot be written (`EX_CANTCREAT`).
pub(crate) const UNWRITABLE: u8 = 73;
/// It may work later (`EX_TEMPFAIL`).
pub(crate) const TEMPORARY: u8 = 75;
/// The token is missing, wrong or does not allow it (`EX_NOPERM`).
pub(crate) const DENIED: u8 = 77;

/// What went wrong, in sentences for a person, and the exit code for a script.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
    /// Each line begins with a file and a line number, which editors jump to.
    placed: bool,
    /// Trying again is of no use.
    lasting: bool,
}

impl Failure {
    /// The config file is wrong; each line says where.
    pub(crate) fn config(lines: Vec<String>) -> Self {
        Self { code: USAGE, lines, placed: true, lasting: false }
    }

    /// The command line is wrong.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { code: USAGE, lines: vec![line.into()], placed: false, lasting: false }
    }

    /// Ends with a code of its own.
    pub(crate) fn with(code: u8, lines: Vec<String>) -> Self {
        Self { code, lines, placed: false, lasting: false }
    }

    /// Jobs are wrong; each line says which file and where in it.
    pub(crate) fn data(lines: Vec<String>) -> Self {
        Self { code: DATA, lines, placed: true, lasting: false }
    }

    /// The token does not allow it.
    pub(crate) fn denied(line: impl Into<String>) -> Self {
        Self::with(DENIED, vec![line.into()])
    }

    /// Nobody reads on, which is no failure: `ostler list | head`.
    pub(crate) fn unread() -> Self {
        Self::with(0, Vec::new())
    }

    /// Something that is needed is not there, or taken.
    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self::all_unavailable(vec![line.into()])
    }

    /// What is needed is there, and cannot be used as it is.
    pub(crate) fn lasting(line: impl Into<String>) -> Self {
        Self { lasting: true, ..Self::unavailable(line) }
    }

    /// Several things that are needed are not there.
    pub(crate) fn all_unavailable(lines: Vec<String>) -> Self {
        Self { code: UNAVAILABLE, lines, placed: false, lasting: false }
    }

    /// Something that worked at first has failed.
    pub(crate) fn broken(line: impl Into<String>) -> Self {
        Self { code: SOFTWARE, lines: vec![line.into()], placed: false, lasting: false }
    }

    /// A runner does not start, or cannot go on.
    pub(crate) fn of_runner(error: &ostler_runner::RunError) -> Self {
        Self {
            code: error.exit_code(),
            lines: vec![error.to_string()],
            placed: false,
            lasting: false,
        }
    }

    /// Usage that clap has told already.
    pub(crate) fn told() -> Self {
        Self { code: USAGE, lines: Vec::new(), placed: false, lasting: false }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Whether trying again may help: what is needed was not reached.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.code == UNAVAILABLE && !self.lasting
    }

    /// The lines to show, and whether each says where it comes from.
    pub(crate) fn lines(&self) -> (&[String], bool) {
        (&self.lines, self.placed)
    }
}
