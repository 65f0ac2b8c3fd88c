//! What the gateway is told about the apps: APP when their state changes, STATE when children come and go, and each second when any figure
//! has changed; and on a link to another host that this runner lives.

use std::{collections::BTreeMap, fs, time::Instant};

use bytes::Bytes;
use nix::unistd::Pid;
use ostler_wire::message::{self, Message as _, figure};

use super::{Agent, App, REPORT};
use crate::{
    apps::Failure,
    child_pool::{Counts, ExitReason},
    logs::Line,
};

/// Counters of an app since the runner started.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// Children started.
    pub spawns: u64,
    exits: BTreeMap<ExitReason, u64>,
    /// Processor time of children that are gone, in microseconds.
    cpu_us_gone: u64,
}

impl Totals {
    pub(super) fn count_exit(&mut self, reason: ExitReason, cpu_us: u64) {
        *self.exits.entry(reason).or_default() += 1;
        self.cpu_us_gone += cpu_us;
    }
}

impl Agent {
    /// Sends what changed, and the figures when their time has come.
    pub(super) fn report(&mut self) {
        let due = self.reported_at.elapsed() >= REPORT;
        if due {
            self.reported_at = Instant::now();
            self.measure();
            self.beat();
        }
        for index in 0..self.apps.len() {
            let (app_frame, code) = self.app_frame(index);
            if self.apps[index].told_app != app_frame {
                self.note_app(index, code);
                self.apps[index].told_app = app_frame.clone();
                self.say(app_frame);
            }
            let key = state_key(&self.apps[index]);
            if due || self.apps[index].told_state.0 != key {
                let told = (key, self.state_frame(index));
                if self.apps[index].told_state != told {
                    self.apps[index].told_state = told.clone();
                    self.say(told.1);
                }
            }
        }
    }

    /// A gateway on this host needs no heartbeats: the kernel tells both sides when the other is gone.
    fn beat(&self) {
        if let (Some(relay), Some(_)) = (&self.relay, &self.gateway) {
            relay.beat();
        }
    }

    fn app_frame(&self, index: usize) -> (Bytes, u16) {
        let app = &self.apps[index];
        let ready = app.pool.ready();
        let failing = app.failure.as_ref().filter(|_| app.pool.is_failing());
        let told = message::App { app: &app.name, ready, failure: failing.map(Failure::message) };
        (told.to_bytes(), told.code())
    }

    /// Logs that an app fails; that it is ready again shows by its children.
    fn note_app(&self, index: usize, code: u16) {
        let app = &self.apps[index];
        if let (message::App::FAILED, Some(failure)) = (code, &app.failure) {
            self.logs.write(Line {
                level: "error",
                app: &app.name,
                stream: "runner",
                reason: &failure.stage,
                detail: &failure.message,
                message: "app failed to start",
                ..Line::default()
            });
        }
    }

    fn state_frame(&self, index: usize) -> Bytes {
        let app = &self.apps[index];
        let counts = app.pool.counts();
        let children =
            self.children.values().filter(|child| child.app == index && child.end.is_none());
        let (rss, cpu) = children.fold((0, app.totals.cpu_us_gone), |(rss, cpu), child| {
            (rss + child.rss, cpu + child.cpu_us)
        });
        let figures = [
            (figure::STARTING, counts.starting.into()),
            (figure::IDLE, counts.idle.into()),
            (figure::BUSY, counts.busy.into()),
            (figure::DRAINING, counts.draining.into()),
            (figure::BACKOFF, counts.backoff.into()),
            (figure::SPAWNS, app.totals.spawns),
            (figure::RSS_BYTES, rss),
            (figure::CPU_US, cpu),
        ];
        let figures = figures.map(|(name, value)| (name.to_owned(), value));
        let exits = ExitReason::ALL.into_iter().map(|reason| {
            let count = app.totals.exits.get(&reason).copied().unwrap_or(0);
            (figure::exit(reason.code()), count)
        });
        let figures = figures.into_iter().chain(exits).collect();
        message::State { app: &app.name, figures }.to_bytes()
    }

    /// Asks the kernel what the children use.
    fn measure(&mut self) {
        for child in self.children.values_mut().filter(|child| child.end.is_none()) {
            let (rss, cpu_us) = usage(child.pid);
            child.rss = rss;
            child.cpu_us = child.cpu_us.max(cpu_us);
        }
    }
}

/// What makes a report worth sending before its time: not that requests come and go.
fn state_key(app: &App) -> Bytes {
    let Counts { starting, idle, busy, draining, backoff } = app.pool.counts();
    let serving = idle + busy;
    let exits: u64 = app.totals.exits.values().sum();
    format!("{starting} {serving} {draining} {backoff} {} {exits}", app.totals.spawns).into()
}

/// Resident bytes and used processor microseconds of a process; zero when it is gone.
fn usage(pid: Pid) -> (u64, u64) {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return (0, 0) };
    // The name in parentheses may contain anything; what follows the last one is numbers from field 3 on.
    let Some((_, rest)) = stat.rsplit_once(')') else { return (0, 0) };
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|v| v.parse::<u64>().ok());
    let ticks = number(14).unwrap_or(0) + number(15).unwrap_or(0);
    // USER_HZ is 100 and pages are 4 KiB on every Linux that Ostler is built for.
    (number(24).unwrap_or(0) * 4096, ticks * 10_000)
}
