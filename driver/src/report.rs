//! What runners tell of their attempts.

use ostler_job::durable::{Change, EventKind};
use ostler_job::{
    JobId, Now, Span, Wall,
    durable::{
        Attempt, AttemptKey, Ending, Finish, JobState, LogState, Order, Reason, Report, Usage,
    },
};
use ostler_scheduler::Left;
use serde_json::json;

use super::{
    Driver, RunnerName,
    event::{Effect, Reports},
};

impl Driver {
    pub(super) fn reports(&mut self, reports: Reports, now: Now) {
        let number = self.meet(&reports.runner, now);
        for report in reports.reports {
            let key = report.key();
            if let Report::Log { bytes, .. } = report {
                if self.leased(key, number).is_some() {
                    self.fetch(&reports.runner, key, bytes, false);
                }
                continue;
            }
            let ended = match &report {
                Report::Finished(it) => Some(it.ending.reason).filter(|it| *it != Reason::Lost),
                Report::Started { .. }
                | Report::Paused { .. }
                | Report::NotStarted { .. }
                | Report::Log { .. } => None,
            };
            let is_leased = self.leased(key, number).is_some();
            if !(is_leased || ended.is_some() && self.take_up(key, number, ended, now)) {
                self.late(&reports.runner, number, &report);
                continue;
            }
            self.touch(key.job);
            self.jobs[key.job].run_mut().seen = true;
            match report {
                Report::Started { at, .. } => self.started(key.job, at, now),
                Report::Paused { stopped, .. } => self.paused(&reports.runner, key, stopped),
                Report::NotStarted { .. } => self.return_(key.job, now),
                // What nobody put on a link is no runner's fault.
                Report::Finished(finish)
                    if reports.link != 0 && self.spares(&reports.runner, &finish, now) =>
                {
                    self.spare(&reports.runner, number, &finish, now);
                }
                Report::Finished(finish) => self.finished(&reports.runner, number, *finish, now),
                Report::Log { .. } => {}
            }
        }
    }

    /// It is not about a present lease: nothing that it says counts.
    fn late(&mut self, runner: &RunnerName, number: u32, report: &Report) {
        let key = report.key();
        self.hear_of(key.fence);
        let taken = self.runners.get(number).is_some_and(|it| it.settling.contains(&key));
        let over = matches!(report, Report::Finished(_));
        if over && !taken {
            self.counters.fence_rejected += 1;
        }
        if taken && let Report::Finished(finish) = report {
            // It is told anew on another link: what was being fetched is asked for again.
            self.fetch_rest(runner, finish);
        }
        if !matches!(report, Report::NotStarted { .. }) {
            let runner = runner.clone();
            self.outbox.effect(Effect::Settle { runner, key, fenced: !taken });
        }
    }

    /// A log too large to come with its report is fetched whole before its attempt is settled.
    fn fetch_rest(&mut self, runner: &RunnerName, finish: &Finish) {
        if finish.log.whole.is_none() && finish.log.file > 0 {
            self.fetch(runner, finish.key, finish.log.file, true);
        }
    }

    fn fetch(&mut self, runner: &RunnerName, key: AttemptKey, bytes: u64, ended: bool) {
        self.outbox.effect(Effect::Log { runner: runner.clone(), key, bytes, ended });
    }

    fn started(&mut self, id: JobId, at: Wall, now: Now) {
        let job = &mut self.jobs[id];
        if job.state != JobState::Leased {
            return;
        }
        let (attempt, kind) = (job.attempts, job.identity);
        let run = job.run_mut();
        let number = run.runner;
        run.started_at = Some(run.moment(at, now.wall));
        run.returns = 0;
        let detail = json!({ "runner": **self.hosts.name(run.runner), "attempt": attempt });
        self.counters.started += 1;
        self.shift(id, JobState::Running);
        self.outbox.event((now.wall, EventKind::Started), Some(id), None, &detail);
        self.begins(number, kind, now);
    }

    fn paused(&mut self, runner: &RunnerName, key: AttemptKey, stopped: bool) {
        let to = if stopped { JobState::Stopped } else { JobState::Running };
        self.shift(key.job, to);
        // An order that crossed a report of the opposite is given again.
        let stop = self.jobs[key.job].run_mut().stop;
        if stop != stopped {
            let order = if stop { Order::Stop } else { Order::Continue };
            self.outbox.effect(Effect::Steer { runner: runner.clone(), key, order });
        }
    }

    /// The attempt is over: recorded, settled, and the job goes where that leads.
    fn finished(&mut self, runner: &RunnerName, number: u32, finish: Finish, now: Now) {
        let (key, id) = (finish.key, finish.key.job);
        self.fetch_rest(runner, &finish);
        let mut ending = finish.ending.clone();
        if ending.reason == Reason::Killed {
            self.tell_relocated(id, &mut ending);
        }
        let job = &mut self.jobs[id];
        let run = job.run_mut();
        run.returns = 0;
        let began = run.started_at.or_else(|| Some(run.moment(finish.started_at?, now.wall)));
        // On one clock, and it never ended later than now, however late its runner could tell.
        let lasted = Span(finish.ran.0.saturating_add(finish.stopped.0));
        let over = began.map_or(now.wall, |began| began.after(lasted).min(now.wall));
        let lasted = lasted.0 / 1_000_000;
        run.started_at = began.map(|_| Wall(over.0.saturating_sub(lasted)));
        run.finished_at = Some(over);
        if ending.reason != Reason::Lost {
            (run.exit_status, run.signal) = (ending.exit_status, ending.signal);
        }
        let has_begun = began.is_some() && ending.reason != Reason::Unstartable;
        let identity = job.identity;
        if ending.reason == Reason::Ok {
            self.estimates.learn(identity, finish.ran);
        }
        self.record(key, ending.clone(), (finish.ran, finish.usage, finish.log), now);
        if let Some(it) = self.runners.get_mut(number) {
            it.settling.insert(key);
        }
        self.outbox.effect(Effect::Settle { runner: runner.clone(), key, fenced: false });
        if has_begun {
            self.begins(number, identity, now);
        }
        let gone = self.let_go(id, Left::Over);
        if self.arrives(id, ending.reason) {
            return self.wait_again(id, &gone, now);
        }
        self.vacate(id, &gone, now);
        let job = &self.jobs[id];
        match ending.reason {
            // Whoever wanted to end it came too late.
            Reason::Ok => self.end(id, JobState::Succeeded, Reason::Ok, now),
            // Only an order of ours kills; a store whose disk was full has not kept it.
            Reason::Killed => self.end(id, JobState::Cancelled, Reason::Killed, now),
            _ if job.kill => self.end(id, JobState::Cancelled, Reason::Killed, now),
            Reason::Lost => self.end(id, JobState::Dead, Reason::Lost, now),
            Reason::ExitStatus
            | Reason::Signal
            | Reason::Timeout
            | Reason::Unstartable
            | Reason::Quarantined
            | Reason::Cancelled
            | Reason::Expired => self.retry(id, &ending, now),
        }
    }

    /// An attempt failed by itself: the job tries again after a while, or is dead.
    fn retry(&mut self, id: JobId, ending: &Ending, now: Now) {
        let job = &mut self.jobs[id];
        job.failures += 1;
        let retry = &job.policy.retry;
        let is_futile = retry.judge(ending.reason, ending.exit_status).is_err();
        if job.policy.once || job.failures >= retry.attempts || is_futile {
            return self.end(id, JobState::Dead, ending.reason, now);
        }
        let seed = self.seed ^ (id.0 << 20) ^ u64::from(job.failures);
        let wait = ostler_scheduler::retry::delay(retry, job.failures, seed);
        self.counters.retried += 1;
        self.jobs[id].due = now.wall.after(wait);
        self.go_over(id);
        self.tell_retrying(id, ending.reason, wait, now);
        self.wait_for_retry(id, now.mono + wait, now);
    }

    /// The record of an attempt that nobody will finish.
    pub(super) fn record_lost(&mut self, id: JobId, ending: Ending, now: Now) {
        let key = self.jobs[id].key(id);
        self.record(key, ending, (Span::ZERO, Usage::default(), LogState::default()), now);
    }

    fn record(
        &mut self,
        key: AttemptKey,
        ending: Ending,
        (ran, usage, log): (Span, Usage, LogState),
        now: Now,
    ) {
        let Some(run) = &self.jobs[key.job].run else { return };
        self.outbox.change(Change::Attempt(Box::new(Attempt {
            key,
            runner: self.hosts.name(run.runner).to_string(),
            leased_at: run.leased_at,
            started_at: run.started_at,
            finished_at: run.finished_at.or(Some(now.wall)),
            ending: Some(ending),
            ran,
            usage,
            log,
        })));
    }
}
