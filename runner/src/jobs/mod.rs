//! Durable jobs on this host: which attempts there are, what the gateway was told of them, and what it still has to hear.
//!
//! Attempts run whether or not there is a gateway. What became of them is kept, and told again on every new link, until
//! the gateway settles it. This folder deliberately lacks processes: those are the executors'. It is separate from the
//! agent because nothing here concerns apps.

mod drain;
mod noop;
mod payloads;
mod talk;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use ostler_job::{
    Span,
    durable::{AttemptKey, Ending, Finish, LogState, Order, Reason, Report, Start, Usage},
};
use ostler_module::{Executor, Observer};
use ostler_shell_module::{Setup, Shell};
use tokio::sync::Notify;

use self::{noop::Noop, payloads::Payloads};
use crate::{Config, frames::Outbox, run::Host};

/// Between two BEATs.
const BEAT: Duration = Duration::from_secs(5);
/// How long a runner that ends waits for the gateway to settle what is over.
const SETTLE: Duration = Duration::from_secs(5);
/// The same while there is no gateway.
const SETTLE_ALONE: Duration = Duration::from_secs(1);
/// What an attempt that its runner ended is said to have come to. It is no failure of the job.
const STOPPED: &str = "the runner was stopped";

/// All attempts of this runner.
#[derive(Debug)]
pub(crate) struct Jobs {
    executors: Executors,
    inbox: Rc<Inbox>,
    observer: Observing,
    payloads: Payloads,
    /// Those that are not over.
    live: BTreeMap<AttemptKey, Live>,
    /// The last reports of those that are, until they are settled.
    unsettled: BTreeMap<AttemptKey, Report>,
    /// What the gateway has to be told, in order.
    outgoing: Vec<Report>,
    slots: u32,
    incarnation: String,
    /// When the gateway had the last BEAT; `None`: it has to have one now.
    beaten_at: Option<Instant>,
    drain: Drain,
    drain_time: Duration,
    /// Since when a runner that drains has nothing to run.
    idle_since: Option<Instant>,
}

/// An attempt that is not over.
#[derive(Debug, Default)]
struct Live {
    module: &'static str,
    started: Option<Report>,
    stopped: bool,
    log: u64,
    /// It has reported something.
    has_said: bool,
    /// The gateway wants it ended.
    kill_wanted: bool,
    /// Its lease is not valid any more: whatever it says concerns nobody.
    fenced: bool,
}

/// How far the end of the runner has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Drain {
    #[default]
    No,
    /// What runs has until then.
    Until(Instant),
    /// What runs is being killed.
    Killing,
}

/// The executors by the names of their modules. Not a map: there are two.
struct Executors(Vec<Box<dyn Executor>>);

/// The observer that executors get.
#[derive(Clone)]
struct Observing(Rc<dyn Observer>);

/// What executors have reported and nobody has looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    reports: RefCell<Vec<Report>>,
    news: Notify,
}

impl Inbox {
    /// Waits until something was reported.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }
}

impl Observer for Inbox {
    fn observe(&self, report: Report) {
        self.reports.borrow_mut().push(report);
        self.news.notify_one();
    }
}

impl Jobs {
    /// Makes the executors. An earlier runner's processes must be gone by now.
    pub(crate) fn new(config: &Config, host: &Host) -> std::io::Result<Self> {
        let setup = Setup {
            launcher: host.launcher.clone(),
            runner: config.name.clone(),
            state: config.state.clone(),
            users: config.job_users.clone(),
            secrets: config.secrets.clone(),
            umask: config.umask,
        };
        let payloads = Payloads::new(setup.payloads());
        let shell = Shell::new(setup)?;
        let inbox = Rc::new(Inbox::default());
        let observer: Rc<dyn Observer> = Rc::clone(&inbox) as Rc<dyn Observer>;
        Ok(Self {
            executors: Executors(vec![Box::new(shell), Box::new(Noop)]),
            inbox,
            observer: Observing(observer),
            payloads,
            live: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            outgoing: Vec::new(),
            slots: config.job_slots,
            incarnation: incarnation(),
            beaten_at: None,
            drain: Drain::No,
            drain_time: config.job_drain,
            idle_since: None,
        })
    }

    /// Where executors' reports come in; whoever owns this looks after the jobs when there is news.
    pub(crate) fn inbox(&self) -> Rc<Inbox> {
        Rc::clone(&self.inbox)
    }

    /// A gateway answered. It is told everything anew: what a former one heard may have been lost with it.
    pub(crate) fn handle_link_up(&mut self) {
        self.take_reports();
        self.beaten_at = None;
        self.outgoing.clear();
        for (&key, live) in self.live.iter().filter(|(_, live)| !live.fenced) {
            self.outgoing.extend(live.started.clone());
            if live.stopped {
                self.outgoing.push(Report::Paused { key, stopped: true });
            }
            if live.log > 0 {
                self.outgoing.push(Report::Log { key, bytes: live.log });
            }
        }
        self.outgoing.extend(self.unsettled.values().cloned());
        self.payloads.handle_link();
    }

    /// Takes attempts on, unless the runner is about to end.
    fn handle_run(&mut self, starts: Vec<Start>) {
        for start in starts {
            let key = start.key;
            if self.live.contains_key(&key) || self.unsettled.contains_key(&key) {
                continue;
            }
            let module = start.spec.work.module();
            if self.drain != Drain::No {
                self.inbox.observe(Report::NotStarted { key });
                continue;
            }
            self.live.insert(key, Live { module, ..Live::default() });
            let Some(executor) = self.executors.get(module) else {
                self.refuse(key, format!("this runner has no module {module}"));
                continue;
            };
            let ready = match executor.payload(&start.spec.work) {
                Some(payload) => self.payloads.want(start, &payload),
                None => Ok(Some(start)),
            };
            match ready {
                Ok(Some(start)) => self.start(start),
                Ok(None) => {}
                Err(why) => self.refuse(key, why),
            }
        }
    }

    fn start(&mut self, start: Start) {
        if let Some(executor) = self.executors.get(start.spec.work.module()) {
            executor.start(start, &self.observer.0);
        }
    }

    fn refuse(&self, key: AttemptKey, why: String) {
        self.inbox.observe(ended_unstarted(key, Reason::Unstartable, Some(why)));
    }

    /// The gateway needs nothing more of these attempts.
    fn handle_settle(&mut self, keys: Vec<AttemptKey>, fenced: bool) {
        for key in keys {
            if self.unsettled.remove(&key).is_some() {
                self.outgoing.retain(|report| report.key() != key);
                self.forget(key);
            } else if fenced && let Some(live) = self.live.get_mut(&key) {
                live.fenced = true;
                self.steer(key, Order::KillNow);
            }
        }
    }

    fn forget(&mut self, key: AttemptKey) {
        self.executors.0.iter_mut().for_each(|executor| executor.forget(key));
        self.payloads.release(key);
    }

    fn handle_steer(&mut self, orders: Vec<(AttemptKey, Order)>) {
        for (key, order) in orders {
            if let Some(live) = self.live.get_mut(&key) {
                live.kill_wanted |= matches!(order, Order::Kill | Order::KillNow);
                self.steer(key, order);
            }
        }
    }

    fn steer(&mut self, key: AttemptKey, order: Order) {
        let is_kill = matches!(order, Order::Kill | Order::KillNow);
        // One that waits for its payload has no process yet.
        if is_kill && self.payloads.take_waiting(key).is_some() {
            return self.inbox.observe(ended_unstarted(key, Reason::Killed, None));
        }
        let module = self.live.get(&key).map_or("", |live| live.module);
        if let Some(executor) = self.executors.get(module) {
            executor.steer(key, order);
        }
    }

    /// Does what is due: takes in reports, ends what must end, and tells the gateway.
    pub(crate) fn settle(&mut self, gateway: Option<&Outbox>) {
        self.keep_drain();
        self.take_reports();
        match gateway {
            Some(gateway) => self.flush(gateway),
            // Everything is told anew when there is one.
            None => self.outgoing.clear(),
        }
    }

    fn take_reports(&mut self) {
        let reports = std::mem::take(&mut *self.inbox.reports.borrow_mut());
        for report in reports {
            self.take_report(report);
        }
    }

    fn take_report(&mut self, report: Report) {
        let key = report.key();
        let is_last = matches!(report, Report::Finished(_) | Report::NotStarted { .. });
        if is_last {
            let live = self.live.remove(&key).unwrap_or_default();
            if live.fenced {
                return self.forget(key);
            }
            if live.has_said {
                // What was not sent yet need not be: the end says it all.
                self.outgoing.retain(|earlier| earlier.key() != key);
            }
            let report = self.spare(report, &live);
            self.unsettled.insert(key, report.clone());
            self.outgoing.push(report);
            return;
        }
        let Some(live) = self.live.get_mut(&key).filter(|live| !live.fenced) else { return };
        live.has_said = true;
        match &report {
            Report::Started { .. } => live.started = Some(report.clone()),
            Report::Paused { stopped, .. } => live.stopped = *stopped,
            Report::Log { bytes, .. } => live.log = *bytes,
            Report::NotStarted { .. } | Report::Finished(_) => {}
        }
        if matches!(report, Report::Log { .. }) {
            let is_log = |earlier: &Report| matches!(earlier, Report::Log { .. });
            self.outgoing.retain(|earlier| !(is_log(earlier) && earlier.key() == key));
        }
        self.outgoing.push(report);
    }
}

impl Executors {
    fn get(&mut self, module: &str) -> Option<&mut Box<dyn Executor>> {
        self.0.iter_mut().find(|executor| executor.name() == module)
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|executor| executor.name())).finish()
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing")
    }
}

/// The end of an attempt that had no process.
fn ended_unstarted(key: AttemptKey, reason: Reason, detail: Option<String>) -> Report {
    let ending = Ending { reason, exit_status: None, signal: None, detail };
    let (ran, usage, log) = (Span::ZERO, Usage::default(), LogState::default());
    Report::Finished(Box::new(Finish { key, ending, started_at: None, ran, usage, log }))
}

/// A name that no other process has had or will have, across restarts of the host.
fn incarnation() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let boot = read("/proc/sys/kernel/random/boot_id");
    let stat = read("/proc/self/stat");
    // Field 22, counted from the name in parentheses: when the process started, since the host did.
    let started = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19));
    let boot = boot.split('-').next().unwrap_or_default();
    format!("{boot}-{}-{}", started.unwrap_or_default(), std::process::id())
}
