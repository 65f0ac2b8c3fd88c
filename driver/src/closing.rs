//! Orders that keep a queue from some runners: they are answered when nothing of it begins there any more.
//!
//! A job whose lease is still being written is given to nobody. One that was sent may begin until its runner says that it has, which is
//! waited for, though not for longer than a lease lasts.

use ostler_job::durable::{AttemptKey, JobState, QueueName};
use ostler_job::{JobId, Mono, Now};

use super::{
    Driver,
    event::{Answer, Effect},
    queue_event::QueueRefusal,
    runners::Runner,
    ticket::Ticket,
};

/// An order whose answer is due when these have begun, or never will.
#[derive(Debug)]
pub(super) struct Closing {
    ticket: Ticket,
    name: QueueName,
    is_new: bool,
    sent: Vec<AttemptKey>,
    until: Mono,
}

impl Driver {
    /// The queue is as somebody wants it. Answers when that holds for what was given to runners before, too.
    pub(super) fn answer_closed(
        &mut self,
        ticket: Ticket,
        queue: u32,
        is_new: bool,
        now: Now,
    ) -> Option<Answer> {
        let sent = self.call_back(queue, now);
        if sent.is_empty() {
            return Some(self.queue_answer(queue, is_new));
        }
        let until = now.mono + self.config.lease;
        let name = self.queues.get(queue).name.clone();
        self.closings.push(Closing { ticket, name, is_new, sent, until });
        None
    }

    /// Takes back what of the queue, and of those below it, is leased to runners that it is not for, and nobody has yet; answers what
    /// they may have.
    fn call_back(&mut self, queue: u32, now: Now) -> Vec<AttemptKey> {
        let is_meant = |of: u32| of == queue || self.queues.above(of).any(|above| above == queue);
        let is_astray = |(runner, id): &(u32, JobId)| {
            let (of, state) = (self.jobs[*id].queue, self.jobs[*id].state);
            state == JobState::Leased && !self.is_for(of, *runner) && is_meant(of)
        };
        let leased = |(number, runner): (u32, &Runner)| {
            runner.leased.iter().map(move |&id| (number, id)).collect::<Vec<_>>()
        };
        let astray = self.runners.iter().flat_map(leased).filter(is_astray).map(|(_, id)| id);
        let is_sent = |id: &JobId| self.jobs[*id].run.as_ref().is_some_and(|it| it.sent.is_some());
        let (sent, unsent): (Vec<JobId>, Vec<JobId>) = astray.partition(is_sent);
        unsent.into_iter().for_each(|id| self.return_(id, now));
        sent.into_iter().map(|id| self.jobs[id].key(id)).collect()
    }

    /// Answers the orders that hold by now.
    pub(super) fn answer_closings(&mut self, now: Now) {
        for mut it in std::mem::take(&mut self.closings) {
            it.sent
                .retain(|&key| self.is_leased(key) && self.jobs[key.job].state == JobState::Leased);
            if !it.sent.is_empty() && now.mono < it.until {
                self.closings.push(it);
                continue;
            }
            let answer = match self.queues.find(Some(&it.name)) {
                Some(queue) => self.queue_answer(queue, it.is_new),
                None => Answer::QueueRefused { queue: it.name, why: QueueRefusal::Unknown },
            };
            self.outbox.effect(Effect::Answer { ticket: it.ticket, answers: vec![answer] });
        }
    }

    /// When the first of them is answered at the latest.
    pub(super) fn first_closing(&self) -> Option<Mono> {
        self.closings.iter().map(|it| it.until).min()
    }
}
