//! A job leaves the runner that has it: its slot is free, or it stands in its place again first.

use ostler_job::{JobId, Now, durable::JobState};
use ostler_scheduler::Left;

use super::Driver;

/// Where a job was that its runner has no more. The scheduler is yet to be told.
pub(super) struct Gone {
    left: Left,
    runner: u32,
    queue: u32,
}

impl Driver {
    /// Its runner has the job no more: it is in no place until it waits again, or its slot is given to others.
    pub(super) fn let_go(&mut self, id: JobId, left: Left) -> Gone {
        let job = &mut self.jobs[id];
        let queue = job.queue;
        let run = job.run_mut();
        let runner = run.runner;
        if let Some(it) = self.runners.get_mut(runner) {
            it.leased.remove(&id);
        }
        // Out of the runner's hands before the scheduler hears of the free slot: it may grant others at once.
        self.shift(id, JobState::Paused);
        self.keep_claims(id, left == Left::Unstarted);
        Gone { left, runner, queue }
    }

    /// The slot that the job had is free.
    pub(super) fn vacate(&mut self, id: JobId, gone: &Gone, now: Now) {
        match gone.left {
            Left::Over => self.scheduler.handle_finish(id, now.mono),
            Left::Unstarted => {
                // Forgotten when it comes back: if it waits again, it does so later.
                self.scheduler.handle_cancel(id, now.mono);
                self.scheduler.handle_return(id, now.mono);
            }
        }
        self.place(now);
        self.look_at_holder(id, (gone.queue, gone.runner), now);
    }

    /// The job waits again, where it stood in its line: nobody takes the slot that it had before it stands there.
    pub(super) fn wait_again(&mut self, id: JobId, gone: &Gone, now: Now) {
        if self.stays_paused(id) {
            self.vacate(id, gone, now);
            return self.drop_unbegun(id, now);
        }
        self.pend(id);
        let submit = self.scheduled(id, now);
        let claims = self.jobs[id].claims.as_ref().map_or(&[][..], |claims| &claims.list);
        self.scheduler.handle_again(submit, claims, gone.left, now.mono);
        self.place(now);
        self.look_at_holder(id, (gone.queue, gone.runner), now);
    }
}
