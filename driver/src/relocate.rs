//! A job that runs is ended for it to wait in another queue, neither failed nor cancelled.
//!
//! It is in its queue until its attempt is over, whoever says so: its runner, a lease that has run out, or that it never began. What
//! ends by itself meanwhile has ended.

use ostler_job::{
    JobId, Now,
    durable::{Ending, Order, QueueName, Reason},
};

use super::{
    Driver,
    event::{Answer, EditRefusal},
};

impl Driver {
    /// Its runner is told to end it, and again whenever it comes back. `false`: it is ended for good already.
    pub(super) fn relocate(
        &mut self,
        id: JobId,
        queue: &QueueName,
        now: Now,
    ) -> Result<bool, Answer> {
        let job = &self.jobs[id];
        if job.kill {
            return Ok(false);
        }
        if job.policy.once {
            return Err(Answer::EditRefused { job: id, why: EditRefusal::Once });
        }
        // Asked twice, it has its place there already.
        if job.moves_to().is_some_and(|to| self.queues.find(Some(queue)) == Some(to)) {
            return Ok(true);
        }
        let to = self.way_into(queue, id, now)?;
        if to == job.queue && job.moves_to().is_none() {
            return Ok(true);
        }
        self.touch(id);
        self.jobs.redirect(id, Some(to));
        self.jobs[id].run_mut().kill.get_or_insert(Order::Kill);
        self.order(id, Order::Kill);
        Ok(true)
    }

    /// The attempt, of which nothing is running any more, was to end for the job to wait elsewhere: from here on it is there.
    pub(super) fn go_over(&mut self, id: JobId) {
        let to = self.jobs[id].run.as_ref().and_then(|run| run.to);
        if let Some(to) = to.filter(|&to| self.queues.contains(to)) {
            self.jobs.requeue(id, to);
        }
    }

    /// Whether an attempt that ended so leads back into a queue at once, and not by a retry: it is there from here on.
    pub(super) fn arrives(&mut self, id: JobId, reason: Reason) -> bool {
        let job = &mut self.jobs[id];
        let is_relocated = reason == Reason::Killed && job.run_mut().to.is_some();
        let is_lost = reason == Reason::Lost && !job.policy.once;
        if job.kill || !(is_relocated || is_lost) {
            return false;
        }
        self.go_over(id);
        if is_relocated {
            // No attempt of it can come back.
            self.jobs[id].run_mut().to = None;
        }
        true
    }

    /// What the record says of an attempt that was ended for that.
    pub(super) fn tell_relocated(&self, id: JobId, ending: &mut Ending) {
        if let Some(to) = self.jobs[id].moves_to() {
            let told = format!("it was ended to wait in the queue {}", self.queues.get(to).name);
            let more = ending.detail.take().map(|more| format!("; {more}")).unwrap_or_default();
            ending.detail = Some(told + &more);
        }
    }
}
