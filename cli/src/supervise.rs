//! Keeps the local runner alive while `serve` runs.
//!
//! A runner outlives a killed gateway with its children. The next `serve` adopts it when it was
//! started by the same program for the same apps, and otherwise stops it and starts its own.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use ostler_runner::Config;

use crate::{
    failure::Failure,
    notify,
    state::{Held, State},
    terminal::say,
    values::show_duration,
};

/// The variable that a join token can be in.
pub(crate) const JOIN_VARIABLE: &str = "OSTLER_JOIN";

/// Held by a runner for as long as it lives, whatever kind of runner it is: it empties folders and kills what an earlier
/// one left, so there must not be another.
pub(crate) const LOCK: &str = "runner.lock";
/// What a runner of the gateway in the same folder writes into the lock.
pub(crate) const LOCAL: &str = "local";
/// What a runner that joined a gateway elsewhere writes into it.
pub(crate) const JOINED: &str = "joined";
/// What the local runner is told.
const SPEC: &str = "runner.json";

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A runner that lived this long did not die of its start.
const HEALTHY: Duration = Duration::from_secs(30);
/// What a durable job may take to end once it is told to, unless it asked for more.
const JOB_GRACE: Duration = Duration::from_secs(10);
/// What a runner may take to end beyond the grace of its children.
const MARGIN: Duration = Duration::from_secs(5);
/// Between two looks whether somebody is in a hurry.
const GLANCE: Duration = Duration::from_millis(50);

/// The keeper of the local runner.
#[derive(Debug)]
pub(crate) struct RunnerSupervisor {
    shared: Arc<Shared>,
    ended: mpsc::Receiver<()>,
    grace: Duration,
}

#[derive(Debug)]
struct Shared {
    state: State,
    /// Guards who is running and whether to start another; held for moments only.
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    runner: Option<Pid>,
    ending: bool,
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals the runner, if there is one: its id cannot pass to another process meanwhile.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.now().runner {
            let _ = kill(pid, signal);
        }
    }
}

impl RunnerSupervisor {
    /// Adopts the runner that is there, or starts one, and from then on starts another when it dies.
    pub(crate) fn start(state: &State, config: &Config) -> Result<Self, Failure> {
        let graces = config.apps.iter().map(|app| app.grace);
        let grace = graces.max().unwrap_or_default().max(config.job_drain + JOB_GRACE);
        let adopted = prepare(state, config, grace + MARGIN)?;
        let now = Mutex::new(Now { runner: adopted, ending: false });
        let shared = Arc::new(Shared { state: state.clone(), now, changed: Condvar::new() });
        let (end, ended) = mpsc::channel();
        let keeper = Arc::clone(&shared);
        thread::Builder::new()
            .name("runner".to_owned())
            .spawn(move || {
                keep(&keeper, adopted);
                // Nobody listens when the program ends on another way.
                let _ = end.send(());
            })
            .map_err(|error| Failure::broken(format!("cannot start a thread: {error}")))?;
        Ok(Self { shared, ended, grace })
    }

    /// Lets the runner drain, and makes it end if it does not, or at once when somebody is in a hurry.
    pub(crate) fn finish(self, is_hurried: impl Fn() -> bool) {
        self.shared.now().ending = true;
        self.shared.changed.notify_all();
        if !is_hurried() {
            // Whoever told us may have told the runner too: this means no hurry, unlike a second SIGTERM.
            self.shared.signal(Signal::SIGUSR1);
            let until = Instant::now() + self.grace + MARGIN;
            while Instant::now() < until && !is_hurried() {
                if self.has_ended(GLANCE) {
                    return;
                }
            }
        }
        let moment = Duration::from_secs(1);
        // Like us, the runner ends at once when it is told twice, and its children with it.
        let steps =
            [(Signal::SIGTERM, GLANCE), (Signal::SIGTERM, moment), (Signal::SIGKILL, moment)];
        for (signal, wait) in steps {
            self.shared.signal(signal);
            if self.has_ended(wait) {
                return;
            }
        }
        say("the runner does not end; it goes when the kernel lets it");
    }

    fn has_ended(&self, wait: Duration) -> bool {
        self.ended.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout)
    }
}

/// Writes what the runner is told. Gives the runner of an earlier start, if it can stay.
fn prepare(state: &State, config: &Config, patience: Duration) -> Result<Option<Pid>, Failure> {
    let unwritable = |error: io::Error| {
        Failure::unavailable(format!("cannot write the runner's config: {error}"))
    };
    let spec = serde_json::to_vec_pretty(config)
        .map_err(|error| Failure::broken(format!("cannot write the runner's config: {error}")))?;
    let earlier = earlier(state)?;
    let same = fs::read(state.run(SPEC)).is_ok_and(|old| old == spec);
    if let Some(pid) = earlier
        && same
        && is_our_program(pid)
    {
        say(&format!("adopted the runner of an earlier start (pid {pid}) with its children"));
        return Ok(Some(pid));
    }
    if let Some(pid) = earlier {
        say(&format!(
            "stopping the runner of an earlier start (pid {pid}), which was told something else"
        ));
        stop(state, pid, patience)?;
    }
    if !same {
        state.write(SPEC, &spec).map_err(unwritable)?;
    }
    Ok(None)
}

fn earlier(state: &State) -> Result<Option<Pid>, Failure> {
    let until = Instant::now() + MARGIN;
    loop {
        match state.lock(LOCK) {
            Ok(_) => return Ok(None),
            Err(Held::By(Some(pid))) if state.role_of(LOCK).as_deref() == Some(JOINED) => {
                return Err(foreign(pid, state));
            }
            Err(Held::By(Some(pid))) => return Ok(Some(pid)),
            // Locked, but not yet signed: it is just starting.
            Err(Held::By(None)) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(held @ (Held::By(None) | Held::Broken(_))) => {
                return Err(held.failure("runner", state));
            }
        }
    }
}

fn foreign(pid: Pid, state: &State) -> Failure {
    Failure::unavailable(format!(
        "a runner that joined another gateway (pid {pid}) uses the state folder {}; start one of the two with a folder of \
         its own, by --state",
        state.folder().display()
    ))
}

/// Whether a process runs the very file that we run: not so after an upgrade.
fn is_our_program(pid: Pid) -> bool {
    let theirs = fs::read_link(format!("/proc/{pid}/exe"));
    matches!((theirs, fs::read_link("/proc/self/exe")), (Ok(one), Ok(other)) if one == other)
}

fn stop(state: &State, pid: Pid, patience: Duration) -> Result<(), Failure> {
    for (signal, wait) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, MARGIN)] {
        let _ = kill(pid, signal);
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if state.lock(LOCK).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    Err(Held::By(Some(pid)).failure("runner", state))
}

/// Starts a runner whenever there is none, until the end.
fn keep(shared: &Shared, mut adopted: Option<Pid>) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let since = Instant::now();
        let end = match adopted.take() {
            Some(pid) => outlive(shared, pid),
            None => run_once(shared),
        };
        backoff = if since.elapsed() > HEALTHY { BACKOFF_MIN } else { backoff };
        let now = shared.now();
        if now.ending {
            return;
        }
        say(&format!("the runner {end}; another starts in {}", show_duration(backoff)));
        let pause = shared.changed.wait_timeout_while(now, backoff, |now| !now.ending);
        if pause.unwrap_or_else(PoisonError::into_inner).0.ending {
            return;
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Waits for the end of a runner that is not our child: its lock comes free.
fn outlive(shared: &Shared, pid: Pid) -> String {
    let waited = shared.state.wait_for_release(LOCK);
    shared.now().runner = None;
    match waited {
        Ok(()) => format!("(pid {pid}) ended"),
        Err(error) => format!("(pid {pid}) cannot be watched: {error}"),
    }
}

/// Starts a runner and waits for its end; says how it ended.
fn run_once(shared: &Shared) -> String {
    let mut child = {
        let mut now = shared.now();
        if now.ending {
            return "was not started".to_owned();
        }
        match spawn(&shared.state) {
            Ok(child) => {
                now.runner = i32::try_from(child.id()).ok().map(Pid::from_raw);
                child
            }
            Err(error) => return format!("cannot be started: {error}"),
        }
    };
    let pid = child.id();
    wait_unreaped(pid);
    let mut now = shared.now();
    now.runner = None;
    match child.wait() {
        Ok(status) => format!("(pid {pid}) ended: {status}"),
        Err(error) => format!("(pid {pid}) ended: {error}"),
    }
}

fn spawn(state: &State) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0("ostler")
        .args(["runner", "--spec"])
        .arg(state.run(SPEC))
        // For the verbs, in the shell that started us.
        .env_remove(JOIN_VARIABLE)
        .env_remove("OSTLER_TOKEN")
        .env_remove(notify::VARIABLE)
        .stdin(Stdio::null())
        .spawn()
}

/// Waits for a child's end but leaves it a zombie, so that nobody else can get its id.
fn wait_unreaped(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(Pid::from_raw(pid)), flags) == Err(Errno::EINTR) {}
}
