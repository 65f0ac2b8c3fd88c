//! What a gateway is started with.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use crate::{app::App, gateway::Gateway};

/// What a gateway is started with. The config has one app, `app`, and one route to it; tests add keys.
#[derive(Debug, Default)]
pub struct Setup {
    pub(crate) app: Option<(PathBuf, String)>,
    pub(crate) children: String,
    pub(crate) app_keys: String,
    pub(crate) route_keys: String,
    pub(crate) listen_keys: String,
    pub(crate) more: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) early: bool,
    /// What of the system's limits its processes have, as `ulimit` takes it.
    pub(crate) limit: Option<String>,
    pub(crate) program: Option<PathBuf>,
}

impl Setup {
    /// One app with one child.
    pub fn new(app: &App) -> Self {
        let app = Some((app.root().to_owned(), "wsgi:wsgi:application".to_owned()));
        Self { app, children: "1".into(), ..Self::default() }
    }

    /// A config without app and route: all of it comes by [`Setup::more`].
    pub fn bare() -> Self {
        Self::default()
    }

    /// What is served instead of `wsgi:wsgi:application`.
    pub fn serve(mut self, what: &str) -> Self {
        if let Some((_, serve)) = &mut self.app {
            what.clone_into(serve);
        }
        self
    }

    /// So many children, no more and no fewer.
    pub fn children(mut self, children: u32) -> Self {
        self.children = children.to_string();
        self
    }

    /// A range of children.
    pub fn children_between(mut self, min: u32, max: u32) -> Self {
        self.children = format!("{{ min = {min}, max = {max} }}");
        self
    }

    /// Lines for `[app.app]`.
    pub fn app_keys(mut self, lines: &str) -> Self {
        self.app_keys.push_str(lines);
        self.app_keys.push('\n');
        self
    }

    /// Lines for the route.
    pub fn route(mut self, lines: &str) -> Self {
        self.route_keys.push_str(lines);
        self.route_keys.push('\n');
        self
    }

    /// Lines for `[listen]`.
    pub fn listen_keys(mut self, lines: &str) -> Self {
        self.listen_keys.push_str(lines);
        self.listen_keys.push('\n');
        self
    }

    /// Further sections.
    pub fn more(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// Further words of the command line.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// A variable of the gateway's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The longest file that its processes may write, in KiB, until that is lifted.
    pub fn longest_file(mut self, kib: u32) -> Self {
        // The shell counts blocks of 512 bytes.
        self.limit = Some(format!("-S -f {}", 2 * kib));
        self
    }

    /// The most files that each of its processes may open.
    pub fn files(mut self, files: u32) -> Self {
        self.limit = Some(format!("-n {files}"));
        self
    }

    /// Is this program instead of the one under test.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Does not wait until the apps are ready.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    fn config(&self) -> String {
        let mut text = String::from("[listen]\n");
        for door in ["http", "https", "api", "runners"] {
            text += &format!("{door} = \"127.0.0.1:0\"\n");
        }
        text += &self.listen_keys;
        if let Some((root, serve)) = &self.app {
            text += &format!(
                "[app.app]\nserve = {serve:?}\nroot = {root:?}\nchildren = {}\n{}\n",
                self.children, self.app_keys
            );
            text += &format!("[[route]]\npath = \"/\"\nto = \"app:app\"\n{}\n", self.route_keys);
        }
        text + &self.more
    }

    /// Starts it.
    pub fn start(self) -> Gateway {
        self.start_in(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// Starts it with a state folder that may have been used before.
    pub fn start_in(self, state: TempDir) -> Gateway {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        let config = state.path().join("ostler.toml");
        fs::write(&config, self.config()).expect("a temporary folder is writable");
        let gateway = Gateway::spawn(&self, state, &config, mark);
        if !self.early {
            gateway.wait_ready();
        }
        gateway
    }
}
