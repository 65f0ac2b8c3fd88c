//! A running `ostler serve`: its config, its listeners, its files, and its end.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::ostler,
    client::{Conn, Response},
    process::{self, MARK},
    setup::Setup,
    wait::{wait_for, wait_until},
};

/// Where it listens, as `run/addresses.json` has it.
#[derive(Clone, Debug)]
struct Listeners {
    http: SocketAddr,
    https: SocketAddr,
    api: SocketAddr,
    runners: SocketAddr,
}

/// A gateway with its runner and children. All of them are gone when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    listeners: Listeners,
    state: Option<TempDir>,
    mark: String,
}

impl Gateway {
    pub(crate) fn spawn(setup: &Setup, state: TempDir, config: &Path, mark: String) -> Self {
        let out = |name: &str| {
            let path = state.path().join(name);
            let file = File::options().create(true).append(true).open(path);
            file.expect("a temporary folder is writable")
        };
        let program = setup.program.as_deref().unwrap_or_else(|| ostler());
        let mut command = match &setup.limit {
            None => Command::new(program),
            Some(limit) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(format!("ulimit {limit} && exec \"$0\" \"$@\""));
                command.arg(program);
                command
            }
        };
        command.arg("serve").arg("--config").arg(config).arg("--state").arg(state.path());
        command.args(&setup.args).envs(setup.env.iter().map(|(k, v)| (k, v)));
        command.env(MARK, &mark).env_remove("OSTLER_STATE").env_remove("VIRTUAL_ENV");
        command.current_dir(state.path());
        command.stdin(Stdio::null()).stdout(out("stdout")).stderr(out("stderr"));
        let mut child = command.spawn().expect("the binary under test starts");
        // Until there is a gateway whose drop does that.
        let mut remains = Remains(mark);
        let stderr = state.path().join("stderr");
        let listeners = wait_for("the gateway tells its addresses", || {
            if let Ok(Some(status)) = child.try_wait() {
                let told = fs::read_to_string(&stderr).unwrap_or_default();
                panic!("the gateway ended with {status}: {told}");
            }
            read_listeners(&state.path().join("run/addresses.json"), child.id())
        });
        let mark = std::mem::take(&mut remains.0);
        Self { child, listeners, state: Some(state), mark }
    }

    /// The cleartext listener.
    pub fn http(&self) -> SocketAddr {
        self.listeners.http
    }

    /// The TLS listener.
    pub fn https(&self) -> SocketAddr {
        self.listeners.https
    }

    /// The listener for metrics and health.
    pub fn api_address(&self) -> SocketAddr {
        self.listeners.api
    }

    /// The listener for runners of other hosts.
    pub fn runners(&self) -> SocketAddr {
        self.listeners.runners
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        self.state.as_ref().expect("the folder is taken only at the end").path()
    }

    /// The mark of all its processes.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes of its tree whose command line contains a text.
    pub fn pids_with(&self, text: &str) -> Vec<u32> {
        let mut pids = process::pids_of(&self.mark);
        pids.retain(|pid| process::command_of(*pid).contains(text));
        pids
    }

    /// The runner's process id.
    pub fn runner_pid(&self) -> u32 {
        wait_for("the runner's process", || self.pids_with(" runner ").first().copied())
    }

    /// A cleartext connection.
    pub fn connect(&self) -> Conn {
        Conn::open(self.listeners.http)
    }

    /// A TLS connection that speaks HTTP/1.1; the development certificate is the only root.
    pub fn connect_tls(&self) -> Conn {
        Conn::open_tls(self.listeners.https, &self.state().join("dev.pem"))
    }

    /// One GET on a connection of its own.
    pub fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    /// One GET of the API.
    pub fn api(&self, path: &str) -> Response {
        Conn::open(self.listeners.api).get(path)
    }

    /// Waits until every app has a child that serves.
    pub fn wait_ready(&self) {
        let begin = std::time::Instant::now();
        wait_until(&format!("the gateway is ready; stderr: {}", self.state().display()), || {
            assert!(begin.elapsed().as_secs() < 19, "not ready; stderr:\n{}", self.stderr());
            self.api("/readyz").status == 200
        });
    }

    /// Everything it wrote to stderr.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.state().join("stderr")).unwrap_or_default()
    }

    /// Everything it wrote to stdout.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.state().join("stdout")).unwrap_or_default()
    }

    /// The access log lines on stdout so far.
    pub fn log(&self) -> Vec<Value> {
        let stdout = self.stdout();
        let lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("termination").is_some()).collect()
    }

    /// Waits for the access log line of a target, and checks that there is only one.
    pub fn logged(&self, target: &str) -> Value {
        let find = |line: &Value| line["target"] == target;
        let line =
            wait_for(&format!("a log line of {target}"), || self.log().into_iter().find(find));
        assert_eq!(self.log().iter().filter(|l| find(l)).count(), 1, "one line a request");
        line
    }

    /// Waits until the log line of a target names this termination.
    pub fn assert_ended(&self, target: &str, termination: &str) -> Value {
        let line = self.logged(target);
        assert_eq!(line["termination"], termination, "{line}");
        line
    }

    /// The sum of a metric's samples whose labels contain all of `labels`, such as `tenant="a"`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.api("/metrics").text(), name, labels)
    }

    /// Waits until so many jobs of the app wait in the queue.
    pub fn wait_waiting(&self, jobs: usize) {
        wait_until(&format!("{jobs} jobs wait"), || {
            self.metric("ostler_jobs_waiting", &[]) == jobs as f64
        });
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        process::signal(self.child.id(), Signal::SIGTERM);
    }

    /// Sends its main process a signal.
    pub fn signal(&self, which: Signal) {
        process::signal(self.child.id(), which);
    }

    /// Waits until the gateway's process has ended.
    pub fn wait_exit(&mut self) -> ExitStatus {
        wait_for("the gateway ends", || self.child.try_wait().ok().flatten())
    }

    /// Stops it, and its runner with it. The state folder can serve another gateway.
    pub fn stop(mut self) -> TempDir {
        self.terminate();
        let ended = self.wait_exit();
        assert!(ended.success(), "{ended}: {}", self.stderr());
        self.state.take().expect("the folder is taken only here")
    }

    /// The state folder, for another gateway, once somebody else has ended this one.
    pub fn into_state(mut self) -> TempDir {
        self.wait_exit();
        self.state.take().expect("the folder is taken only here")
    }

    /// Stops it in order, and leaves its jobs on other runners alone. The state folder can serve another gateway.
    pub fn leave(mut self) -> (TempDir, Remains) {
        self.terminate();
        self.wait_exit();
        let state = self.state.take().expect("the folder is taken only here");
        (state, Remains(std::mem::take(&mut self.mark)))
    }

    /// Ends the gateway's process at once and leaves the runner alone. The state folder can serve another gateway.
    pub fn crash(mut self) -> (TempDir, Remains) {
        process::kill(self.child.id());
        self.wait_exit();
        let state = self.state.take().expect("the folder is taken only here");
        (state, Remains(std::mem::take(&mut self.mark)))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.mark.is_empty() {
            return;
        }
        process::kill(self.child.id());
        let _ = self.child.wait();
        end_all(&self.mark);
        if std::thread::panicking()
            && let Some(state) = &self.state
        {
            // Into the captured output of the test that fails.
            for name in ["stderr", "stdout"] {
                let told = fs::read_to_string(state.path().join(name)).unwrap_or_default();
                let lines: Vec<_> = told.lines().collect();
                let last = lines[lines.len().saturating_sub(40)..].join("\n");
                let _ = writeln!(std::io::stderr(), "--- the gateway's {name} ---\n{last}");
            }
        }
    }
}

/// What a crashed gateway, or another command, left running; ended when dropped.
#[derive(Debug)]
pub struct Remains(String);

impl Remains {
    /// Of a command that is still to be started: whatever comes of it is ended with the value.
    pub fn of(command: &mut Command) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("command-{}-{number}", std::process::id());
        command.env(MARK, &mark);
        Self(mark)
    }

    /// The processes that are left.
    pub fn pids(&self) -> Vec<u32> {
        process::pids_of(&self.0)
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            end_all(&self.0);
        }
    }
}

/// Kills until nothing with the mark is left: what is killed may just have started something.
pub(crate) fn end_all(mark: &str) {
    let begin = std::time::Instant::now();
    loop {
        let left: Vec<u32> =
            process::pids_of(mark).into_iter().filter(|pid| process::is_alive(*pid)).collect();
        if left.is_empty() || begin.elapsed().as_secs() > 10 {
            return;
        }
        left.into_iter().for_each(process::kill);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn read_listeners(path: &Path, pid: u32) -> Option<Listeners> {
    let known: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    // A gateway that crashed in the same folder left its own.
    if known["pid"] != pid {
        return None;
    }
    let listener = |name: &str| known[name][0].as_str()?.parse().ok();
    Some(Listeners {
        http: listener("http")?,
        https: listener("https")?,
        api: listener("api")?,
        runners: listener("runners")?,
    })
}

fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
