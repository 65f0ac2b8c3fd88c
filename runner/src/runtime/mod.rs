//! What an app's language needs: how its apps are written, found and told of, its interpreter, how a child begins, and which
//! files are the app's.
//!
//! Each language is a folder here, of the name of its child's folder below `children/`, and stands in [`ALL`]. The rest of the
//! runner, and the command line, ask [`Runtime`] and know no language; the one thing outside is the key of
//! `[app.NAME]` that names its interpreter.

mod about;
mod code;
mod files;
mod programs;
mod python;
mod serve;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

pub(crate) use self::code::ChildBundles;
pub use self::{
    about::{About, Form, folders, forms, of_file, right},
    serve::Serve,
};

/// Every language, in the order in which a folder is tried.
pub const ALL: &[&dyn Runtime] = &[&python::Python];

/// A language that children are written in.
pub trait Runtime: fmt::Debug + Sync {
    /// What is said of it.
    fn about(&self) -> &'static About;

    /// What is wrong with what follows the kind of an app, if anything is: `module:callable` of `wsgi:module:callable`. What
    /// may be left open is filled in by [`Runtime::resolve`].
    fn read(&self, form: &Form, rest: &str) -> Result<(), String>;

    /// How the app in a file is written, for somebody who named the file; `None`: no file of this language.
    fn of_file(&self, name: &Path) -> Option<String>;

    /// Finds the app in a folder by the files that frameworks make, reading but never running them. What was there and was
    /// no app, a sentence for each, when there is none.
    fn detect(&self, folder: &Path) -> Result<Serve, Vec<String>>;

    /// The interpreter of an app.
    fn find(&self, app: App<'_>) -> Result<PathBuf, Missing>;

    /// Checks that an app can be found, and fills in what was left open of its name; one sentence when it cannot.
    fn resolve(&self, app: App<'_>, interpreter: &Path) -> Result<Serve, String>;

    /// How children begin. `code` is the folder of their own code, as they will see it. While this, or [`Runtime::find`], says
    /// that something is not there yet, the app is failing, and each second it is asked again; the first answer stays.
    fn launch(&self, app: App<'_>, interpreter: &Path, code: &str) -> Result<Launch, NotYet>;

    /// Looks at the app's files, so that changes are seen while it fails.
    fn watch(&self, root: &Path) -> Look;
}

/// An app, as much of it as its language is asked about.
#[derive(Clone, Copy, Debug)]
pub struct App<'a> {
    /// What to load.
    pub serve: &'a Serve,
    /// The folder it runs in.
    pub root: &'a Path,
    /// The interpreter that the config names.
    pub interpreter: Option<&'a Path>,
    /// Variables added to the runner's own.
    pub env: &'a BTreeMap<String, String>,
}

impl App<'_> {
    /// Its language's interpreter.
    pub fn find(self) -> Result<PathBuf, Missing> {
        self.serve.runtime().find(self)
    }

    /// Its name in full; one sentence when there is no such app.
    pub fn resolve(self, interpreter: &Path) -> Result<Serve, String> {
        self.serve.runtime().resolve(self, interpreter)
    }

    /// How its children begin.
    pub(crate) fn launch(self, code: &str) -> Result<Launch, NotYet> {
        let interpreter = self.find().map_err(|missing| missing.told(self))?;
        self.serve.runtime().launch(self, &interpreter, code)
    }
}

/// How a child begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments; the program is a path.
    pub argv: Vec<String>,
    /// Variables of the language.
    pub env: BTreeMap<String, String>,
}

/// There is no interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What there is not, in one sentence, for somebody who is about to serve; it may say the cure.
    pub sentence: String,
    /// Where it was looked for.
    pub looked_for: Vec<PathBuf>,
    /// Whether it may still come, so that the app waits for it. Otherwise nothing starts.
    pub may_come: bool,
}

impl Missing {
    /// The same with the places and the cure.
    pub(crate) fn told(&self, app: App<'_>) -> NotYet {
        let About { name, title, .. } = app.serve.runtime().about();
        let places: Vec<_> = self.looked_for.iter().map(|it| it.display().to_string()).collect();
        NotYet {
            message: format!("no {title} found, looked for {}", places.join(", ")),
            hint: format!("install it or set `{name}`"),
        }
    }
}

/// Children cannot begin as long as something is missing that may come by itself or by somebody's hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// What is missing, in one sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What an app's files looked like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Changes with any path, time or size.
    pub fingerprint: u64,
    /// The last change that is not in the future.
    pub newest: Option<SystemTime>,
}
