//! Small WSGI apps in temporary folders, and the files by which a test and its app talk.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::wait::wait_until;

/// The app that most tests use; its paths are explained in the file.
pub const APP: &str = include_str!("app.py");

/// An app's folder, with `wsgi.py` in it.
#[derive(Debug)]
pub struct App {
    folder: TempDir,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// The usual app.
    pub fn new() -> Self {
        Self::of(APP)
    }

    /// An app of its own; `application` is what is served.
    pub fn of(source: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let app = Self { folder };
        app.write("wsgi.py", source);
        app
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into its folder, replacing it at once.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.file(&format!("{name}.new"));
        fs::write(&new, text).expect("a temporary folder is writable");
        fs::rename(new, self.file(name)).expect("a file in a temporary folder can be renamed");
    }

    /// The requests that the app has seen, `METHOD PATH[?QUERY]` each, in the order in which they began.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many requests to a path the app has seen.
    pub fn count(&self, path: &str) -> usize {
        let is_it = |call: &&String| call.split_once(' ').is_some_and(|(_, p)| p == path);
        self.calls().iter().filter(is_it).count()
    }

    /// Waits until a request to a path has begun in the app.
    pub fn wait_call(&self, path: &str) {
        wait_until(&format!("the app sees {path}; it saw {:?}", self.calls()), || {
            self.count(path) > 0
        });
    }

    /// Lets every request to `/hold/NAME` go on, those that come later as well.
    pub fn release(&self, name: &str) {
        self.write(&format!("open-{name}"), "");
    }

    /// Asserts that the app sees nothing more: what could still be under way gets a moment to show itself.
    pub fn assert_never(&self, path: &str) {
        thread::sleep(Duration::from_millis(30));
        assert_eq!(self.count(path), 0, "the app saw {path}");
    }
}
