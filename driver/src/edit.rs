//! A job that waits is changed: where, for what, until when. What waits keeps its age and its place among those that need what it
//! needs.

use ostler_job::durable::{Change, Edited};
use ostler_job::{
    JobId, Now, Wall,
    durable::{Edit, JobState, QueueName},
};

use super::{
    Driver,
    counts::Whose,
    event::{Answer, EditRefusal},
};

impl Driver {
    /// An operator changes a job that waits, and what of it is on record.
    pub(super) fn edit(
        &mut self,
        id: JobId,
        edit: &Edit,
        who: &str,
        now: Now,
    ) -> Result<(), Answer> {
        let job = &self.jobs[id];
        let refused = |why| Err(Answer::EditRefused { job: id, why });
        let failures = job.failures;
        if edit.retry.as_ref().is_some_and(|retry| failures >= retry.attempts) {
            return refused(EditRefusal::Spent { failures });
        }
        if edit.not_before.is_some() && job.attempts > 0 {
            return refused(EditRefusal::Begun);
        }
        self.change(id, edit, now)?;
        let fields = edit.fields().into_iter().map(str::to_owned).collect();
        let edited = Edited { at: now.wall, by: who.to_owned(), fields };
        let (edit, edited) = (Box::new(edit.clone()), Box::new(edited));
        self.outbox.change(Change::Edit { job: id, edit, edited });
        Ok(())
    }

    /// A job that waits is another one from here on, or nothing of it is.
    pub(super) fn change(&mut self, id: JobId, edit: &Edit, now: Now) -> Result<(), Answer> {
        let to = edit.queue.as_ref().map(|queue| self.way_into(queue, id, now)).transpose()?;
        self.touch(id);
        if edit.retry.is_some() || edit.within.is_some() {
            self.jobs.amend(id, edit);
        }
        if let Some(host) = &edit.host {
            self.pin(id, host.as_deref());
        }
        if let Some(queue) = to {
            self.jobs.requeue(id, queue);
            // An attempt that was lost on the way elsewhere, and comes back, leads here.
            if let Some(to) = self.jobs[id].run.as_mut().and_then(|run| run.to.as_mut()) {
                *to = queue;
            }
        }
        let is_placed_by = edit.within.is_some() || edit.host.is_some() || to.is_some();
        if let Some(at) = edit.not_before {
            self.postpone(id, at, now);
        } else if is_placed_by && self.jobs[id].state == JobState::Pending {
            self.requeue(id, now);
        }
        Ok(())
    }

    /// The queue that a job is to wait in from now on, if it takes it. Whatever is in it already stays.
    pub(super) fn way_into(&self, queue: &QueueName, id: JobId, now: Now) -> Result<u32, Answer> {
        let job = &self.jobs[id];
        if self.queues.find(Some(queue)) == Some(job.queue) {
            return Ok(job.queue);
        }
        let queue = self.open_queue(Some(queue))?;
        let full = self.full_for(Whose { tenant: job.tenant, queue }, now);
        full.map_or(Ok(queue), Err)
    }

    fn pin(&mut self, id: JobId, host: Option<&str>) {
        let host = host.map(|name| self.hosts.hold(name));
        if let Some(old) = self.jobs[id].host() {
            self.hosts.release(old, |_| false);
        }
        self.jobs[id].pin(host);
    }

    /// The scheduler's place of a pending job follows what it is now.
    fn requeue(&mut self, id: JobId, now: Now) {
        let submit = self.scheduled(id, now);
        let claims = self.jobs[id].claims.as_ref().map_or(&[][..], |claims| &claims.list);
        self.scheduler.handle_resubmit(submit, claims, now.mono);
        self.place(now);
    }

    /// A job that was never started does not start before this moment; `None`: it may now.
    fn postpone(&mut self, id: JobId, at: Option<Wall>, now: Now) {
        let state = self.jobs[id].state;
        // An attempt that came back unstarted: it waits for a date, and not to be given out again.
        if let Some(run) = self.jobs[id].run.take() {
            self.timers.unretry(id, run.retry_at);
            self.hosts.release(run.runner, |_| false);
        }
        let job = &mut self.jobs[id];
        let due = at.unwrap_or_else(|| job.due.min(now.wall));
        job.due = due;
        if state == JobState::Pending && due <= now.wall {
            self.requeue(id, now);
        } else if state != JobState::Paused {
            // Of one that waits for a date again, nothing is kept from others.
            self.withdraw(id, now);
            self.wait(id, now);
        }
    }
}
