//! Attempts that end without a word of their own: those that never began, and what is said of those that are lost.

use ostler_job::{
    JobId, Now, Span,
    durable::{JobState, Reason},
};

use super::{Driver, Left};

/// How often a job may come back unstarted before it has to wait: whatever the reason is, it is not gone at once.
const RETURNS: u32 = 5;
/// The first such wait, which doubles, and the longest.
const RETURN_WAIT: (Span, Span) = (Span::from_secs(1), Span::from_secs(64));
/// What the record of a lost attempt says: its runner did not tell the end of it.
pub const GIVEN_UP: &[&str] = &[NOT_HEARD, RESTARTED, LACKED];
pub(super) const NOT_HEARD: &str = "its runner was not heard for as long as a lease lasts";
pub(super) const RESTARTED: &str = "its runner was started again";
pub(super) const LACKED: &str = "its runner lived, and had it no more";

impl Driver {
    /// The attempt provably never began: it is not counted, and the job goes elsewhere.
    pub(super) fn return_(&mut self, id: JobId, now: Now) {
        self.leave(id, Left::Unstarted, now);
        let job = &mut self.jobs[id];
        job.attempts -= 1;
        let (begun, expires, kill) = (job.attempts > 0, job.expires, job.kill);
        let run = job.run_mut();
        run.returns += 1;
        let more = run.returns.checked_sub(RETURNS);
        if kill {
            return self.end(id, JobState::Cancelled, Reason::Cancelled, now);
        }
        if !begun {
            // Its time may have come meanwhile.
            if expires <= now.wall {
                return self.end(id, JobState::Expired, Reason::Expired, now);
            }
            self.timers.expire(id, expires);
        }
        let Some(more) = more else { return self.queue(id, now) };
        let wait = Span(RETURN_WAIT.0.0 << more.min(8)).min(RETURN_WAIT.1);
        self.jobs[id].due = now.wall.after(wait);
        self.wait_for_retry(id, now.mono + wait);
    }
}
