//! The one owner of a runner's state: every event comes here, every decision is carried out from here.

mod alarm;
mod children;
mod gateway;
mod launching;
mod pause;
mod report;
mod unwanted;

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nix::{
    sys::signal::{SigSet, Signal},
    unistd::Pid,
};
use ostler_job::{Mono, Span};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::spawn_local,
    time::timeout,
};

use self::{alarm::Alarm, launching::CodePath, report::Totals};
use crate::{
    apps::{Child, Failure, sweep_strangers},
    child_pool::{ChildId, ChildPool, ChildPoolConfig},
    config::{AppSpec, Config, Link},
    error::RunError,
    event::{EVENTS_MAX, Event, Events, Signalled},
    frames::Outbox,
    host::Host,
    jobs::Attempts,
    link::{self, Token, known_gateway, relay::Relay, remote::Dial},
    logs::{Line, Logger},
    runtime::{ChildBundles, Launch, Look, NotYet},
};

/// Between two reports to the gateway.
const REPORT: Duration = Duration::from_secs(1);
/// Events that are handled between two decisions.
const BURST: usize = 64;
/// For the last frames at the end.
const FLUSH: Duration = Duration::from_millis(500);

/// An app and its children.
#[derive(Debug)]
struct App {
    spec: AppSpec,
    name: Rc<str>,
    code: CodePath,
    /// How its children begin, or why they cannot yet.
    launch: Result<Launch, NotYet>,
    pool: ChildPool,
    /// Why the last attempt to boot failed.
    failure: Option<Failure>,
    /// The app's folder when it was looked at since the failure; `None`: not yet.
    look: Option<Look>,
    looking: bool,
    looked_at: Instant,
    totals: Totals,
    /// What the gateway was told last; of STATE also what makes it urgent.
    told_app: Bytes,
    told_state: (Bytes, Bytes),
}

/// The runner.
#[derive(Debug)]
pub(crate) struct Agent {
    host: Host,
    config: Config,
    apps: Vec<App>,
    children: BTreeMap<ChildId, Child>,
    next_child: u64,
    /// The way to the gateway, while there is one.
    gateway: Option<Outbox>,
    /// What leads a gateway elsewhere to the lanes.
    relay: Option<Rc<Relay>>,
    /// Where that gateway is.
    token: Option<Token>,
    /// Why there is no gateway, as it was logged last.
    trouble: String,
    /// What is refused, and the apps that the gateway does not know, as it was told last.
    told_vain: (String, String),
    /// Why the gateway does not want this runner.
    refused: Option<String>,
    /// Since when there is none.
    alone_since: Instant,
    /// Told to end: once, or twice.
    stops: u32,
    started: Instant,
    reported_at: Instant,
    events: Events,
    inbox: mpsc::Receiver<Event>,
    jobs: Attempts,
    logs: Logger,
}

impl Agent {
    pub(crate) fn new(
        host: Host,
        config: Config,
        codes: &ChildBundles,
        logs: Logger,
    ) -> Result<Self, RunError> {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let token = match &config.link {
            Link::Local(_) => None,
            Link::Remote { token } => Some(known_gateway::way(token.as_deref(), &config.state)?),
        };
        let relay = token.as_ref().map(|_| Relay::new(events.clone()));
        let jobs = Attempts::new(&config, &host)
            .map_err(|error| RunError::State { folder: config.state.clone(), error })?;
        let now = Instant::now();
        let seed = u64::from(std::process::id()) << 32;
        let apps = config.apps.iter().zip(seed..);
        let apps = apps.map(|(spec, seed)| App::new(spec, codes, seed, now)).collect();
        Ok(Self {
            host,
            config,
            apps,
            children: BTreeMap::new(),
            next_child: 1,
            gateway: None,
            relay,
            token,
            trouble: String::new(),
            told_vain: (String::new(), String::new()),
            refused: None,
            alone_since: now,
            stops: 0,
            started: now,
            reported_at: now,
            events,
            inbox,
            jobs,
            logs,
        })
    }

    /// Keeps children until told to end and the last of them is gone.
    pub(crate) async fn run(mut self) -> Result<(), RunError> {
        self.listen_to_signals()?;
        self.dial();
        self.settle();
        let jobs = self.jobs.inbox();
        let alarm =
            Alarm::new().map_err(|error| RunError::System { what: "set a timer", error })?;
        while !self.is_over() {
            let is_calm = self.is_calm();
            let pause = self.pause(is_calm);
            tokio::select! {
                Some(event) = self.inbox.recv() => {
                    self.handle(event);
                    self.handle_waiting();
                }
                () = alarm.sleep(pause, is_calm) => {}
                () = jobs.news() => {}
                () = room(self.gateway.as_ref()), if self.jobs.is_waiting() => {}
                () = work_begun(self.relay.as_deref()), if is_calm => {}
            }
            self.settle();
        }
        if let Some(gateway) = self.gateway.take() {
            // A gateway that reads nothing any more does not keep the runner.
            let _ = timeout(FLUSH, gateway.flush()).await;
        }
        match self.refused {
            Some(why) => Err(RunError::Refused { why }),
            None => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        let is_hurried = self.stops > 1;
        let has_gateway = self.gateway.is_some();
        self.stops > 0 && self.children.is_empty() && self.jobs.is_over(has_gateway, is_hurried)
    }

    /// Takes what has come meanwhile too: jobs that come together are answered together.
    fn handle_waiting(&mut self) {
        for _ in 0..BURST {
            let Ok(event) = self.inbox.try_recv() else { return };
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Child(id, event) => self.handle_child(id, event),
            Event::Link(event) => self.handle_link(event),
            Event::Looked(app, look, launch) => self.handle_looked(app, look, launch),
            Event::Signal(told) => self.handle_signal(told),
            Event::Orphan => self.sweep(),
        }
    }

    /// Brings everything in line with the present state: boards, decisions, reports.
    fn settle(&mut self) {
        self.notice_silence();
        self.read_boards();
        self.ask_the_relay();
        // Before the pools decide: a replacement's lane is there when the lane that it replaces goes.
        self.hand_over();
        self.act();
        self.spawn_wanted();
        self.look_for_changes();
        self.report();
        self.leave_if_alone();
        self.jobs.settle(self.gateway.as_ref());
        self.tell_troubles();
    }

    /// What went wrong about durable jobs beside the jobs themselves.
    fn tell_troubles(&mut self) {
        let mut troubles = self.jobs.inbox().take_troubles();
        let unkept = self.jobs.take_trouble().map(|error| error.to_string());
        troubles.extend(unkept.map(|it| ("ends of jobs cannot be kept for the next runner", it)));
        for (message, detail) in &troubles {
            let (level, stream) = ("warn", "runner");
            self.logs.write(Line { level, stream, detail, message, ..Line::default() });
        }
    }

    fn handle_signal(&mut self, told: Signalled) {
        match told {
            Signalled::End => {
                self.jobs.note_signal();
                self.stop(None);
            }
            Signalled::Drain if self.stops == 0 => self.stop(None),
            Signalled::Drain | Signalled::Foreign => {}
            Signalled::HangUp => {
                self.jobs.note_signal();
                let message = "SIGHUP: there is nothing to read again";
                match std::io::stderr().is_terminal() {
                    true if self.stops == 0 => self.stop(None),
                    true => {}
                    false => self.logs.write(Line {
                        level: "info",
                        stream: "runner",
                        message,
                        ..Line::default()
                    }),
                }
            }
        }
    }

    /// Ends the runner: the first time politely, within the gateway's grace or each app's own.
    fn stop(&mut self, grace: Option<Span>) {
        self.stops += 1;
        let now = self.now();
        let message = if self.stops == 1 { "the runner drains" } else { "the runner ends at once" };
        self.logs.write(Line { level: "info", stream: "runner", message, ..Line::default() });
        match self.stops {
            1 => self.jobs.drain(),
            _ => self.jobs.end_now(),
        }
        for app in &mut self.apps {
            match self.stops {
                1 => app.pool.handle_stop(grace.unwrap_or_else(|| span(app.spec.grace)), now),
                _ => app.pool.handle_stop_now(now),
            }
        }
    }

    /// A runner that serves one gateway ends when that stays away.
    fn leave_if_alone(&mut self) {
        let Some(grace) = self.config.orphan_grace else { return };
        // Jobs that run are worth waiting for: the next gateway takes their ends.
        let is_idle = self.jobs.is_idle();
        if self.stops == 0
            && is_idle
            && self.gateway.is_none()
            && self.alone_since.elapsed() >= grace
        {
            self.logs.write(Line {
                level: "warn",
                stream: "runner",
                message: "the gateway stayed away",
                ..Line::default()
            });
            self.stop(None);
        }
    }

    fn listen_to_signals(&self) -> Result<(), RunError> {
        let system = |error| RunError::System { what: "listen to signals", error };
        // Whoever started us may have blocked them.
        let mut mask = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD]);
        mask.extend([Signal::SIGHUP, Signal::SIGUSR1]);
        mask.thread_unblock().map_err(|e| system(e.into()))?;
        let told: [(_, fn() -> Event); 5] = [
            (SignalKind::terminate(), || Event::Signal(Signalled::End)),
            (SignalKind::interrupt(), || Event::Signal(Signalled::End)),
            (SignalKind::user_defined1(), || Event::Signal(Signalled::Drain)),
            (SignalKind::user_defined2(), || Event::Signal(Signalled::Foreign)),
            (SignalKind::hangup(), || Event::Signal(Signalled::HangUp)),
        ];
        for (kind, event) in told {
            self.listen_to(signal(kind).map_err(system)?, event);
        }
        self.listen_to(signal(SignalKind::child()).map_err(system)?, || Event::Orphan);
        Ok(())
    }

    fn listen_to(&self, mut signal: tokio::signal::unix::Signal, event: fn() -> Event) {
        let events = self.events.clone();
        spawn_local(async move {
            while signal.recv().await.is_some() && events.send(event()).await.is_ok() {}
        });
    }

    fn dial(&self) {
        let hello = self.hello();
        let events = self.events.clone();
        match (&self.config.link, &self.relay, &self.token) {
            (Link::Remote { .. }, Some(relay), Some(token)) => {
                let (token, name) = (token.clone(), self.config.name.clone());
                let dial = Dial { token, name, state: self.config.state.clone(), hello };
                spawn_local(link::remote::run(dial, Rc::clone(relay), events));
            }
            (Link::Local(socket), ..) => {
                let socket = socket.clone();
                spawn_local(async move { link::local::run(&socket, hello, events).await });
            }
            (Link::Remote { .. }, ..) => unreachable!("new made both for a remote gateway"),
        }
    }

    fn sweep(&self) {
        let living = self.children.values().filter(|child| child.end.is_none());
        let ours: std::collections::BTreeSet<Pid> = living.map(|child| child.pid).collect();
        sweep_strangers(|pid| ours.contains(&pid));
    }

    /// The present as the pools know it. Never zero, so that zero can mean the past.
    fn now(&self) -> Mono {
        Mono::default() + Span::from_secs(1) + span(self.started.elapsed())
    }
}

impl App {
    fn new(spec: &AppSpec, codes: &ChildBundles, seed: u64, now: Instant) -> Self {
        let limits = ChildPoolConfig {
            min: spec.children_min,
            max: spec.children_max,
            boot: span(spec.boot_timeout),
            grace: span(spec.grace),
            idle: span(spec.idle_timeout),
            requests: spec.max_requests,
            lifetime: spec.max_lifetime.map(span),
        };
        let code = CodePath::of(spec, codes.of(&spec.serve));
        Self {
            spec: spec.clone(),
            name: spec.name.as_str().into(),
            launch: code.launch(spec),
            code,
            pool: ChildPool::new(limits, seed),
            failure: None,
            look: None,
            looking: false,
            looked_at: now,
            totals: Totals::default(),
            told_app: Bytes::new(),
            told_state: Default::default(),
        }
    }
}

/// Until the link has taken something.
async fn room(gateway: Option<&Outbox>) {
    match gateway {
        Some(gateway) => gateway.room().await,
        None => std::future::pending().await,
    }
}

/// Until a child was given a request by a gateway elsewhere.
async fn work_begun(relay: Option<&Relay>) {
    match relay {
        Some(relay) => relay.work_begun().await,
        None => std::future::pending().await,
    }
}

fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
