//! Durable jobs on this host: which attempts there are, what the gateway was told of them, and what it still has to hear.
//!
//! Attempts run whether or not there is a gateway. What became of them is kept, and told again on every new link, until
//! the gateway settles it. This folder deliberately lacks processes: those are the executors'. It is separate from the
//! agent because nothing here concerns apps.

mod drain;
mod executors;
mod noop;
mod payloads;
mod pulls;
mod talk;
#[cfg(test)]
mod tests;
mod unsettled;

use std::{
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use ostler_job::{
    Span,
    durable::{AttemptKey, Ending, Finish, LogState, Order, Reason, Report, Start, Usage, Work},
};
use ostler_module::Observer;
use ostler_shell_module::{MAIL_TIME, Setup, Shell};
use tokio::{task::spawn_local, time::sleep};

use self::{
    executors::{Executors, Inbox, Observing},
    noop::Noop,
    payloads::{Lacking, Payloads},
    pulls::Pulls,
    unsettled::Unsettled,
};
use crate::{config::Config, frames::Outbox, host::Host};

/// Between two BEATs.
const BEAT: Duration = Duration::from_secs(5);
/// How long a runner that ends waits for the gateway to settle what is over.
const SETTLE: Duration = Duration::from_secs(2);
/// The same while there is no gateway.
const SETTLE_ALONE: Duration = Duration::from_millis(500);
/// How long it waits for what is done about ends: a mailer that works has taken its mail by then.
const BUSY: Duration = Duration::from_secs(3);
/// A host that has no room for a payload gets a rest before the attempt is given back.
const NO_ROOM: Duration = Duration::from_secs(1);
/// The module whose jobs do nothing.
const NOTHING: &str = "noop";
/// What an attempt that its runner ended is said to have come to. It is no failure of the job.
const STOPPED: &str = "the runner was stopped";

/// All attempts of this runner.
#[derive(Debug)]
pub(crate) struct Attempts {
    executors: Executors,
    inbox: Rc<Inbox>,
    observer: Observing,
    payloads: Payloads,
    pulls: Pulls,
    /// Those that are not over.
    live: BTreeMap<AttemptKey, Live>,
    /// The last reports of those that are, until they are settled.
    unsettled: BTreeMap<AttemptKey, Report>,
    /// The same, for the next runner in this folder.
    kept: Unsettled,
    /// Ends that may be the work of whoever ends this runner as well, since when.
    suspects: Vec<(Instant, Report)>,
    /// When this process was last sent a signal that ends processes.
    signalled_at: Option<Instant>,
    /// What the gateway has to be told, in order.
    outgoing: Vec<Report>,
    slots: u32,
    incarnation: String,
    /// When the gateway had the last BEAT; `None`: it has to have one now.
    beaten_at: Option<Instant>,
    drain: Drain,
    drain_time: Duration,
    /// The kept ends cannot be written, and why, until somebody asks.
    is_troubled: bool,
    trouble: Option<std::io::Error>,
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
    /// The job says itself how long it may take to end.
    has_grace: bool,
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
    /// What runs is being killed; what does not say how long it needs for that has until then.
    Killing(Instant),
}

impl Attempts {
    /// Makes the executors. An earlier runner's processes must be gone by now.
    pub(crate) fn new(config: &Config, host: &Host) -> std::io::Result<Self> {
        let setup = Setup {
            launcher: host.launcher.clone(),
            runner: config.name.clone(),
            state: config.state.clone(),
            users: config.job_users.clone(),
            secrets: config.secrets.clone(),
            umask: config.umask,
            log_max: config.log_max,
            sendmail: config.sendmail.clone(),
            mail_time: MAIL_TIME,
        };
        let payloads = Payloads::new(setup.payloads());
        let (kept, unsettled) = Unsettled::open(&setup.logs());
        let ended: Vec<&Finish> = unsettled.values().filter_map(finish_of).collect();
        let shell = Shell::resume(setup, &ended, Unsettled::is_its_file)?;
        let inbox = Rc::new(Inbox::default());
        let observer: Rc<dyn Observer> = Rc::clone(&inbox) as Rc<dyn Observer>;
        Ok(Self {
            executors: Executors(vec![Box::new(shell), Box::new(Noop)]),
            inbox,
            observer: Observing(observer),
            payloads,
            pulls: Pulls::default(),
            live: BTreeMap::new(),
            unsettled,
            kept,
            suspects: Vec::new(),
            signalled_at: None,
            outgoing: Vec::new(),
            slots: config.job_slots,
            incarnation: incarnation(),
            beaten_at: None,
            drain: Drain::No,
            drain_time: config.job_drain,
            is_troubled: false,
            trouble: None,
            idle_since: None,
        })
    }

    /// Where executors' reports come in; whoever owns this looks after the jobs when there is news.
    pub(crate) fn inbox(&self) -> Rc<Inbox> {
        Rc::clone(&self.inbox)
    }

    /// The name of this process.
    pub(crate) fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Whether something is to be said that waits for room on the link.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outgoing.is_empty() || self.pulls.is_waiting()
    }

    /// Another process has this runner's name, so no lease of this one is valid any more.
    pub(crate) fn handle_replaced(&mut self) {
        self.live.values_mut().for_each(|live| live.fenced = true);
        self.steer_all(Order::KillNow, |_| true);
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
        self.pulls.handle_link();
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
            let has_grace = has_grace(&start.spec.work);
            self.live.insert(key, Live { module, has_grace, ..Live::default() });
            let Some(executor) = self.executors.get(module) else {
                self.refuse(key, format!("this runner does not understand the job: it has no module for {module} work; upgrade it"));
                continue;
            };
            let ready = match executor.payload(&start.spec.work) {
                Some(payload) => self.payloads.want(start, &payload),
                None => Ok(Some(start)),
            };
            match ready {
                Ok(Some(start)) => self.start(start),
                Ok(None) => {}
                Err(why) => self.do_without(key, why),
            }
        }
    }

    fn start(&mut self, start: Start) {
        if let Some(executor) = self.executors.get(start.spec.work.module()) {
            executor.start(start, &self.observer.0);
        }
    }

    /// A payload is not to be had. What only this host lacks another one may have, or this one in a moment.
    fn do_without(&self, key: AttemptKey, why: Lacking) {
        match why {
            Lacking::Nowhere(why) => self.refuse(key, why),
            Lacking::Here => {
                let inbox = self.inbox();
                spawn_local(async move {
                    sleep(NO_ROOM).await;
                    inbox.observe(Report::NotStarted { key });
                });
            }
        }
    }

    fn refuse(&self, key: AttemptKey, why: String) {
        self.inbox.observe(ended_unstarted(key, Reason::Unstartable, Some(why)));
    }

    /// The gateway needs nothing more of these attempts.
    fn handle_settle(&mut self, keys: Vec<AttemptKey>, fenced: bool) {
        for key in keys {
            if self.unsettled.remove(&key).is_some() {
                self.kept.settled(key);
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
        // Before anybody is told: what is settled tomorrow must be known tomorrow.
        let written = self.kept.write(self.unsettled.values());
        let before = std::mem::replace(&mut self.is_troubled, written.is_err());
        self.trouble = written.err().filter(|_| !before).or_else(|| self.trouble.take());
        match gateway {
            Some(gateway) => self.flush(gateway),
            // Everything is told anew when there is one.
            None => self.outgoing.clear(),
        }
    }

    /// Why ends cannot be kept for the next runner, told once until they can.
    pub(crate) fn take_trouble(&mut self) -> Option<std::io::Error> {
        self.trouble.take()
    }

    fn take_reports(&mut self) {
        let reports = std::mem::take(&mut *self.inbox.reports.borrow_mut());
        for (report, is_suspect) in reports {
            match is_suspect {
                true => self.suspects.push((Instant::now(), report)),
                false => self.take_report(report),
            }
        }
        self.judge_suspects();
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
            if let Some(finish) = finish_of(&report)
                && let Some(executor) = self.executors.get(live.module)
            {
                executor.ended(finish);
            }
            // What does nothing may be done again.
            if live.module != NOTHING {
                self.kept.ended(&report);
            }
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

/// The end of an attempt that had no process.
fn ended_unstarted(key: AttemptKey, reason: Reason, detail: Option<String>) -> Report {
    let ending = Ending { reason, exit_status: None, signal: None, detail };
    let (ran, stopped) = (Span::ZERO, Span::ZERO);
    let (usage, log) = (Usage::default(), LogState::default());
    let started_at = None;
    Report::Finished(Box::new(Finish { key, ending, started_at, ran, stopped, usage, log }))
}

const fn finish_of(report: &Report) -> Option<&Finish> {
    match report {
        Report::Finished(finish) => Some(finish),
        Report::Started { .. }
        | Report::Paused { .. }
        | Report::NotStarted { .. }
        | Report::Log { .. } => None,
    }
}

const fn has_grace(work: &Work) -> bool {
    matches!(work.command(), Some(command) if command.grace.is_some())
}

/// A name that no other process has had or will have, across restarts, copies and containers of the host.
fn incarnation() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    // Another one each time that it is read.
    let random = read("/proc/sys/kernel/random/uuid");
    let random = random.split('-').take(3).collect::<String>();
    format!("{}-{}", random.trim(), std::process::id())
}
