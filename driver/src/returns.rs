//! Attempts that end without a word of their own: those that never began, and what is said of those that are lost.

use ostler_job::{
    JobId, Mono, Now, Span,
    durable::{AttemptKey, Ending, EventKind, JobState, Reason},
};
use ostler_scheduler::Left;
use serde_json::json;

use super::{Driver, Effect, jobs::Job};

/// How often a job may come back unstarted before it has to wait: whatever the reason is, it is not gone at once.
const RETURNS: u32 = 5;
/// The first such wait, which doubles, and the longest.
pub(super) const RETURN_WAIT: (Span, Span) = (Span::from_secs(1), Span::from_secs(64));
/// What the record of a lost attempt says: its runner did not tell the end of it.
pub const GIVEN_UP: &[&str] = &[NOT_HEARD, RESTARTED, LACKED];
pub(super) const NOT_HEARD: &str = "its runner was not heard for as long as a lease lasts";
pub(super) const RESTARTED: &str = "its runner was started again";
pub(super) const LACKED: &str = "its runner lived, and had it no more";

impl Driver {
    /// The attempt provably never began: it is not counted, and the job goes elsewhere.
    pub(super) fn return_(&mut self, id: JobId, now: Now) {
        let gone = self.let_go(id, Left::Unstarted);
        let job = &mut self.jobs[id];
        job.attempts -= 1;
        let (begun, expires, kill) = (job.attempts > 0, job.expires, job.kill);
        let run = job.run_mut();
        run.returns += 1;
        let more = run.returns.checked_sub(RETURNS);
        if kill {
            self.vacate(id, &gone, now);
            return self.end(id, JobState::Cancelled, Reason::Cancelled, now);
        }
        if !begun {
            // Its time may have come meanwhile.
            if expires <= now.mono {
                self.vacate(id, &gone, now);
                return self.end(id, JobState::Expired, Reason::Expired, now);
            }
            self.timers.expire(id, expires);
        }
        self.go_over(id);
        self.jobs[id].run_mut().to = None;
        let Some(more) = more else { return self.wait_again(id, &gone, now) };
        self.vacate(id, &gone, now);
        let wait = Span(RETURN_WAIT.0.0 << more.min(8)).min(RETURN_WAIT.1);
        self.jobs[id].due = now.wall.after(wait);
        self.wait_for_retry(id, now.mono + wait, now);
    }

    /// Its next attempt is due then.
    pub(super) fn wait_for_retry(&mut self, id: JobId, at: Mono, now: Now) {
        if self.stays_paused(id) {
            return self.drop_unbegun(id, now);
        }
        self.shift(id, JobState::Retrying);
        let run = self.jobs[id].run_mut();
        (run.retry_at, run.finished_at) = (at, None);
        self.timers.retry(id, at);
    }

    /// An operator paused the job while it was out, and its attempt is over: it waits until it is resumed.
    pub(super) fn stays_paused(&mut self, id: JobId) -> bool {
        let Some(run) = &mut self.jobs[id].run else { return false };
        if !std::mem::take(&mut run.stop) {
            return false;
        }
        run.finished_at = None;
        self.shift(id, JobState::Paused);
        true
    }

    /// Whether the attempt is the present lease of its job.
    pub(crate) fn is_leased(&self, key: AttemptKey) -> bool {
        self.jobs.get(key.job).is_some_and(|job| job.fence == key.fence && job.at().is_some())
    }

    /// The job that this attempt is the present lease of, at this runner.
    pub(super) fn leased(&self, key: AttemptKey, runner: u32) -> Option<&Job> {
        let job = self.jobs.get(key.job)?;
        (job.fence == key.fence && job.at() == Some(runner)).then_some(job)
    }

    /// The runner is lost with the attempt, which may have run or not.
    pub(super) fn lose(&mut self, id: JobId, why: &str, now: Now) {
        self.counters.lost += 1;
        let detail = Some(why.to_owned());
        let ending = Ending { reason: Reason::Lost, exit_status: None, signal: None, detail };
        let run = self.jobs[id].run_mut();
        (run.finished_at, run.lost) = (Some(now.wall), true);
        let (runner, key) = (self.hosts.name(run.runner).clone(), self.jobs[id].key(id));
        self.outbox.effect(Effect::Lost { runner, key });
        self.record_lost(id, ending, now);
        let gone = self.let_go(id, Left::Over);
        let job = &mut self.jobs[id];
        job.crashes += 1;
        let end = if job.kill {
            (JobState::Cancelled, Reason::Lost)
        } else if job.policy.once {
            (JobState::Dead, Reason::Lost)
        } else if job.crashes >= self.config.crashes_max && !job.run_mut().stop {
            self.counters.quarantined += 1;
            (JobState::Dead, Reason::Quarantined)
        } else {
            self.tell_retrying(id, Reason::Lost, Span::ZERO, now);
            // Should its runner come back with it, it is to end there all the same.
            self.go_over(id);
            return self.wait_again(id, &gone, now);
        };
        self.vacate(id, &gone, now);
        self.end(id, end.0, end.1, now);
    }

    pub(super) fn tell_retrying(&mut self, id: JobId, reason: Reason, wait: Span, now: Now) {
        let detail = json!({
            "reason": reason, "attempt": self.jobs[id].attempts, "wait_seconds": wait.as_secs_f64(),
        });
        self.outbox.event((now.wall, EventKind::Retrying), Some(id), None, &detail);
    }
}
