//! How a runner that ends deals with what runs, and how it tells its own end from the jobs'.
//!
//! Whoever stops a host or a service may signal every process of it, jobs and supervisors before the runner. An end that
//! may come of that is held back for a moment: when the runner is told to end as well, it was no failure of the job.

use std::time::{Duration, Instant};

use ostler_job::durable::{AttemptKey, Order, Reason, Report};

use super::{Attempts, BUSY, Drain, Live, SETTLE, SETTLE_ALONE, STOPPED};

/// Within so much of each other, the signals of jobs and runner are taken to have one sender.
const TOGETHER: Duration = Duration::from_secs(1);
/// Between SIGTERM and SIGKILL for a job that does not say how long it needs, when its runner ends.
const GRACE: Duration = Duration::from_secs(1);
/// What is said of an attempt that was ended together with a signal that the runner lived through.
const SIGNALLED: &str = "the runner was sent a signal at the same moment";

impl Attempts {
    /// An attempt that ended because its runner does is no failure of its job.
    pub(super) fn spare(&self, report: Report, live: &Live) -> Report {
        let is_ours = matches!(self.drain, Drain::Killing(_)) && !live.kill_wanted;
        match report {
            Report::Finished(finish) if is_ours && finish.ending.reason == Reason::Killed => {
                lost(Report::Finished(finish), STOPPED)
            }
            Report::Finished(_)
            | Report::Started { .. }
            | Report::Paused { .. }
            | Report::Log { .. }
            | Report::NotStarted { .. } => report,
        }
    }

    /// This process was sent a signal that ends processes, whether it ends of it or not.
    pub(crate) fn note_signal(&mut self) {
        self.signalled_at = Some(Instant::now());
    }

    /// Decides about the ends that were held back: now that this runner ends, or when enough time has passed.
    pub(super) fn judge_suspects(&mut self) {
        let is_signalled = self.signalled_at.is_some_and(|at| at.elapsed() < TOGETHER);
        let why = match self.drain {
            Drain::No if is_signalled => Some(SIGNALLED),
            Drain::No => None,
            Drain::Until(_) | Drain::Killing(_) => Some(STOPPED),
        };
        let is_ripe = |since: &Instant| why.is_some() || since.elapsed() >= TOGETHER;
        let ripe: Vec<_> = self.suspects.extract_if(.., |(since, _)| is_ripe(since)).collect();
        for (_, report) in ripe {
            let is_wanted = self.live.get(&report.key()).is_some_and(|live| live.kill_wanted);
            let report = match why {
                Some(why) if !is_wanted => lost(report, why),
                _ => report,
            };
            self.take_report(report);
        }
    }

    /// Takes nothing new. What runs has some time, and is killed after that.
    pub(crate) fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Until(Instant::now() + self.drain_time);
            self.beaten_at = None;
        }
    }

    /// Kills what runs.
    pub(crate) fn end_now(&mut self) {
        self.drain = Drain::Killing(Instant::now());
        self.steer_all(Order::KillNow, |_| true);
    }

    pub(super) fn steer_all(&mut self, order: Order, which: impl Fn(&Live) -> bool) {
        let chosen = self.live.iter().filter(|(_, live)| which(live));
        let keys: Vec<AttemptKey> = chosen.map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.steer(key, order));
    }

    pub(super) fn keep_drain(&mut self) {
        let now = Instant::now();
        match self.drain {
            Drain::Until(at) if at <= now => {
                self.drain = Drain::Killing(now + GRACE);
                self.steer_all(Order::Kill, |_| true);
            }
            Drain::Killing(at) if at <= now => {
                self.drain = Drain::Killing(now + GRACE);
                self.steer_all(Order::KillNow, |live| !live.has_grace);
            }
            Drain::No | Drain::Until(_) | Drain::Killing(_) => {}
        }
        if self.live.is_empty() && self.drain != Drain::No {
            self.idle_since.get_or_insert(now);
        }
    }

    /// Whether nothing is to be done before somebody says so, but for a BEAT.
    pub(crate) fn is_calm(&self) -> bool {
        let is_told = self.outgoing.is_empty() && self.suspects.is_empty() && !self.is_troubled;
        self.live.is_empty() && is_told && self.drain == Drain::No
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.live.is_empty()
    }

    /// Whether a runner that drains may end: nothing runs, and the gateway knows, or has had time to. What it does not
    /// know yet the next runner tells. What is done about ends nobody does later, so it has a moment, unless there is hurry.
    pub(crate) fn is_over(&self, has_gateway: bool, is_hurried: bool) -> bool {
        let patience = if has_gateway { SETTLE } else { SETTLE_ALONE };
        let is_settled = self.unsettled.is_empty() && self.inbox.reports.borrow().is_empty();
        let waited = |time| self.idle_since.is_some_and(|since| since.elapsed() >= time);
        let is_free = is_hurried || !self.executors.is_busy() || waited(BUSY);
        self.live.is_empty() && (is_settled || waited(patience)) && is_free
    }
}

/// The same end, as the work of whoever ended the runner.
fn lost(report: Report, why: &str) -> Report {
    let Report::Finished(mut finish) = report else { return report };
    finish.ending.reason = Reason::Lost;
    finish.ending.detail = Some(why.to_owned());
    Report::Finished(finish)
}
