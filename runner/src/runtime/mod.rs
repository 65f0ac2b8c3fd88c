//! What an app's language needs: its interpreter, the children's own code, how a child begins, which files are the app's,
//! and how an app is known by its folder. The rest of the runner, and the command line, ask [`Runtime`]; what still
//! says Python there are the key `python`, its error, and examples of what to write.

mod python;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::config::{AppSpec, Serve};

/// A language that children are written in.
pub trait Runtime: fmt::Debug + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The interpreter of an app; where it was looked for, when there is none.
    fn find(&self, spec: &AppSpec) -> Result<PathBuf, Vec<PathBuf>>;

    /// Writes the children's own code under the state folder. Returns what the interpreter is given.
    fn write_code(&self, state: &Path) -> io::Result<PathBuf>;

    /// What a child is told to load, and further variables of its environment.
    fn launch(&self, serve: &Serve) -> Launch;

    /// Looks at the app's files, so that changes are seen.
    fn watch(&self, root: &Path) -> Look;

    /// Finds the app in a folder by the files that frameworks make, reading but never running them.
    fn detect(&self, folder: &Path) -> Result<Serve, Undetected>;

    /// Checks that an app can be found, and fills in what was left open of its name; one sentence when it cannot.
    fn resolve(&self, app: &mut AppSpec, interpreter: &Path) -> Result<(), String>;
}

/// How a child begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What to load, as `OSTLER_ENTRY` has it.
    pub entry: String,
    /// Variables of the language.
    pub env: &'static [(&'static str, &'static str)],
}

/// What an app's files looked like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Changes with any path, time or size.
    pub fingerprint: u64,
    /// The last change that is not in the future.
    pub newest: Option<SystemTime>,
}

/// No app was found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undetected {
    /// What was there and was no app, a sentence for each.
    pub seen: Vec<String>,
    /// What was looked for.
    pub looked_for: &'static str,
}

/// Every language, in the order in which a folder is tried.
pub const ALL: [&dyn Runtime; 1] = [&python::Python];

/// The language of an app.
pub fn of(serve: &Serve) -> &'static dyn Runtime {
    match serve {
        Serve::Wsgi { .. } => &python::Python,
    }
}

/// The children's own code as it was written, by language.
#[derive(Clone, Debug)]
pub(crate) struct Codes(Vec<(&'static str, PathBuf)>);

impl Codes {
    /// Writes that of every language.
    pub(crate) fn write(state: &Path) -> io::Result<Self> {
        let write = |runtime: &dyn Runtime| Ok((runtime.name(), runtime.write_code(state)?));
        ALL.into_iter().map(write).collect::<io::Result<_>>().map(Self)
    }

    /// That of one.
    pub(crate) fn of(&self, runtime: &dyn Runtime) -> &Path {
        let found = self.0.iter().find(|(name, _)| *name == runtime.name());
        &found.expect("the code of every language was written").1
    }
}
