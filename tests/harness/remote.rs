//! Runners of other hosts, and the tokens that let them join.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    app::App,
    binary::ostler,
    net::Net,
    process::{self, MARK},
    wait::wait_for,
};

/// Runs `ostler` to its end.
pub fn run_ostler(words: &[&str]) -> Output {
    let mut command = Command::new(ostler());
    command.args(words).env_remove("OSTLER_STATE").env_remove("OSTLER_JOIN");
    command.stdin(Stdio::null()).output().expect("the binary under test starts")
}

/// Runs a Python script to its end, which succeeds.
pub fn run_python(script: &str) -> String {
    let out = Command::new("python3").args(["-c", script]).output().expect("there is python3");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A join token of the gateway with this state folder.
pub fn create_token(state: &Path, words: &[&str]) -> String {
    let state = state.to_str().expect("a temporary path is text");
    let out = run_ostler(&[&["token", "join", "--state", state], words].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("a token is text").trim().to_owned()
}

/// `ostler runner --join` on a host, with its children. All of them are gone when it is dropped.
#[derive(Debug)]
pub struct Runner {
    child: Child,
    state: Option<TempDir>,
    mark: String,
}

impl Runner {
    /// Joins with a fresh state folder and two children.
    pub fn join(net: &Net, host: usize, token: &str, app: &App) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        Self::join_in(net, host, token, app, state)
    }

    /// Joins with a state folder that may have been used before.
    pub fn join_in(net: &Net, host: usize, token: &str, app: &App, state: TempDir) -> Self {
        Self::start(state, |command| {
            let name = format!("host{host}");
            command.args(["--join", token, "--children", "2", "--name", &name]);
            command.arg("--root").arg(app.root()).arg("wsgi:wsgi");
            net.spawn(host, command)
        })
    }

    /// Joins on this host with a name and so many slots for durable jobs, and without an app.
    pub fn jobs_only(token: &str, name: &str, slots: u32) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        Self::again(state, token, name, slots)
    }

    /// The same in a folder that may have been used before.
    pub fn again(state: TempDir, token: &str, name: &str, slots: u32) -> Self {
        Self::with(state, token, name, &format!("[runner]\njob_slots = {slots}\n"))
    }

    /// Joins on this host with a name and this config.
    pub fn of(token: &str, name: &str, config: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        Self::with(state, token, name, config)
    }

    fn with(state: TempDir, token: &str, name: &str, text: &str) -> Self {
        let config = state.path().join("ostler.toml");
        fs::write(&config, text).expect("a temporary folder is writable");
        Self::start(state, |command| {
            command.args(["--join", token, "--name", name]).arg("--config").arg(&config);
            command.spawn().expect("the binary under test starts")
        })
    }

    /// Joins on this host with so many slots for durable jobs, and with this `PATH` for them.
    pub fn with_path(token: &str, name: &str, slots: u32, path: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        Self::start(state, |command| {
            command.args(["--join", token, "--name", name, "--job-slots", &slots.to_string()]);
            command.env("PATH", path).spawn().expect("the binary under test starts")
        })
    }

    /// Starts in a folder that was used before, without a token.
    pub fn back(state: TempDir, words: &[&str]) -> Self {
        Self::start(state, |command| {
            command.args(["--job-slots", "1"]).args(words).env_remove("OSTLER_JOIN");
            command.spawn().expect("the binary under test starts")
        })
    }

    fn start(state: TempDir, spawn: impl FnOnce(&mut Command) -> Child) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("runner-{}-{number}", std::process::id());
        let out = |name: &str| {
            let file = File::options().create(true).append(true).open(state.path().join(name));
            Stdio::from(file.expect("a temporary folder is writable"))
        };
        let mut command = Command::new(ostler());
        command.arg("runner").arg("--state").arg(state.path());
        command.env(MARK, &mark).env_remove("OSTLER_STATE").env_remove("VIRTUAL_ENV");
        command.stdin(Stdio::null()).stdout(out("stdout")).stderr(out("stderr"));
        let child = spawn(&mut command);
        Self { child, state: Some(state), mark }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        process::signal(self.pid(), which);
    }

    /// What it said and logged.
    pub fn told(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.state().join(name)).unwrap_or_default();
        read("stderr") + &read("stdout")
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        self.state.as_ref().expect("the folder is taken only at the end").path()
    }

    /// Waits until it has ended.
    pub fn wait_exit(&mut self) -> ExitStatus {
        wait_for("the runner ends", || self.child.try_wait().ok().flatten())
    }

    /// Waits until it has ended, and gives its state folder for another start.
    pub fn into_state(mut self) -> TempDir {
        self.wait_exit();
        self.state.take().expect("the folder is taken only here")
    }

    /// Waits until none of its processes is left.
    pub fn wait_all_gone(&mut self) {
        self.wait_exit();
        wait_for("no process of the runner is left", || {
            process::pids_of(&self.mark).is_empty().then_some(())
        });
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        process::kill(self.child.id());
        let _ = self.child.wait();
        crate::gateway::end_all(&self.mark);
        if std::thread::panicking() && self.state.is_some() {
            // Into the captured output of the test that fails.
            let _ = writeln!(std::io::stderr(), "--- a runner's output ---\n{}", self.told());
        }
    }
}
