//! What operators do to jobs.

use ostler_job::durable::{Change, EventKind};
use ostler_job::{
    JobId, Mono, Now, Wall,
    durable::{Edit, Held, JobState, Order, QueueName, Reason},
};
use serde_json::{Value, json};

use super::{
    Driver,
    event::{Answer, Effect, Steer, SteerJob, Verb},
    room::Rooms,
};

impl Driver {
    pub(super) fn steer(&mut self, steer: Steer, now: Now) {
        let Steer { ticket, who, verb, jobs } = steer;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            let id = job.id;
            let answer = match self.jobs.get(id).map(|it| it.state) {
                Some(state) if !state.is_finished() => self.steer_unfinished(id, &verb, &who, now),
                _ => self.steer_finished(job, &verb, now),
            };
            if let Answer::Done { .. } = answer {
                let is_edit = matches!(verb, Verb::Edit(_));
                let kind = if is_edit { EventKind::Edited } else { EventKind::Operator };
                let detail = self.with_reason(id, verb.detail(), now);
                self.outbox.event((now.wall, kind), Some(id), Some(&who), &detail);
            }
            answers.push(answer);
        }
        self.outbox.effect(Effect::Answer { ticket, answers });
    }

    /// An event of a job that waits from here on says where it is, and what for.
    fn with_reason(&self, id: JobId, mut detail: Value, now: Now) -> Value {
        let waits = self.jobs.get(id).filter(|job| !job.state.is_out());
        if let (Some(job), Some(why)) = (waits, self.why(id, now)) {
            detail["state"] = json!(job.state);
            detail["reason"] = json!(why.word());
        }
        detail
    }

    pub(super) fn steer_unfinished(
        &mut self,
        id: JobId,
        verb: &Verb,
        who: &str,
        now: Now,
    ) -> Answer {
        let out = self.jobs[id].state.is_out();
        match verb {
            Verb::Pause => self.note_pause(id, who, now),
            Verb::Resume => {
                self.pauses.remove(&id);
            }
            Verb::Cancel
            | Verb::Kill
            | Verb::Retry
            | Verb::Move { .. }
            | Verb::Edit(_)
            | Verb::Purge(_)
            | Verb::Delete => {}
        }
        let done = match verb {
            Verb::Cancel if out => self.order_end(id, Order::Kill),
            Verb::Kill if out => self.order_end(id, Order::KillNow),
            Verb::Cancel | Verb::Kill => {
                self.withdraw(id, now);
                self.end(id, JobState::Cancelled, Reason::Cancelled, now);
                true
            }
            Verb::Pause if out => self.order_stop(id, true),
            Verb::Resume if out => self.order_stop(id, false),
            Verb::Pause => {
                self.set_aside(id, now);
                self.shift(id, JobState::Paused);
                true
            }
            Verb::Resume => {
                if self.jobs[id].state == JobState::Paused {
                    self.wait(id, now);
                }
                true
            }
            Verb::Retry => self.hurry(id, now),
            Verb::Move { queue: Some(queue), relocate: true, .. } if out => {
                match self.relocate(id, queue, now) {
                    Ok(done) => done,
                    Err(refused) => return refused,
                }
            }
            Verb::Purge(_) | Verb::Move { .. } | Verb::Edit(_) if out => false,
            Verb::Purge(queue) => self.purge(id, queue, now),
            Verb::Move { host, queue, .. } => {
                let edit = Edit { host: host.clone(), queue: queue.clone(), ..Edit::default() };
                match self.change(id, &edit, now) {
                    Ok(()) => true,
                    Err(refused) => return refused,
                }
            }
            Verb::Edit(edit) => match self.edit(id, edit, who, now) {
                Ok(()) => true,
                Err(refused) => return refused,
            },
            Verb::Delete => false,
        };
        let state = self.jobs[id].state;
        if done { Answer::Done { job: id, state } } else { Answer::NotNow { job: id, state } }
    }

    /// Who pauses a job first has paused it.
    pub(super) fn note_pause(&mut self, id: JobId, who: &str, now: Now) {
        let held = || Held { who: who.to_owned(), since: now.wall };
        self.pauses.entry(id).or_insert_with(held);
    }

    /// Takes a waiting job out of what it waits in.
    pub(super) fn withdraw(&mut self, id: JobId, now: Now) {
        let job = &self.jobs[id];
        match job.state {
            JobState::Scheduled => self.timers.unschedule(id),
            JobState::Retrying => {
                let at = job.run.as_ref().map_or(Mono(0), |run| run.retry_at);
                self.timers.unretry(id, at);
            }
            JobState::Pending => {
                self.scheduler.handle_cancel(id, now.mono);
                self.place(now);
            }
            JobState::Paused
            | JobState::Leased
            | JobState::Running
            | JobState::Stopped
            | JobState::Succeeded
            | JobState::Dead
            | JobState::Cancelled
            | JobState::Expired => {}
        }
    }

    /// Ends a running job: at once, and again whenever its runner comes back, until it is over.
    fn order_end(&mut self, id: JobId, order: Order) -> bool {
        self.touch(id);
        self.jobs.redirect(id, None);
        let job = &mut self.jobs[id];
        job.kill = true;
        job.run_mut().kill = Some(order);
        self.order(id, order);
        true
    }

    fn order_stop(&mut self, id: JobId, stop: bool) -> bool {
        self.touch(id);
        self.jobs[id].run_mut().stop = stop;
        self.order(id, if stop { Order::Stop } else { Order::Continue });
        true
    }

    pub(super) fn order(&mut self, id: JobId, order: Order) {
        let job = &self.jobs[id];
        let Some(runner) = job.at() else { return };
        let runner = self.hosts.name(runner).clone();
        self.outbox.effect(Effect::Steer { runner, key: job.key(id), order });
    }

    /// A job whose time has not come is due now.
    fn hurry(&mut self, id: JobId, now: Now) -> bool {
        if !matches!(self.jobs[id].state, JobState::Scheduled | JobState::Retrying) {
            return false;
        }
        self.withdraw(id, now);
        self.touch(id);
        self.jobs[id].due = now.wall;
        self.queue(id, now);
        true
    }

    /// A job that waits in this queue is cancelled.
    fn purge(&mut self, id: JobId, queue: &QueueName, now: Now) -> bool {
        if self.queues.find(Some(queue)) != Some(self.jobs[id].queue) {
            return false;
        }
        self.withdraw(id, now);
        self.end(id, JobState::Cancelled, Reason::Cancelled, now);
        true
    }

    fn steer_finished(&mut self, job: SteerJob, verb: &Verb, now: Now) -> Answer {
        let id = job.id;
        let Some(record) = job.finished else { return Answer::Unknown };
        let state = record.status.state;
        // The record may be older than what happened since it was read.
        let stale = match self.gone.get(&id) {
            Some(None) => return Answer::Unknown,
            Some(&Some(fence)) => fence != record.status.fence,
            None => false,
        };
        if stale || !state.is_finished() {
            return Answer::Unknown;
        }
        if matches!(verb, Verb::Retry | Verb::Delete) {
            self.given_up.take(&id);
        }
        match verb {
            // Asked twice, as by somebody who got no answer, it is as good as done.
            Verb::Cancel | Verb::Kill if state == JobState::Cancelled => {
                Answer::Done { job: id, state }
            }
            Verb::Retry => self.redrive(&record, now),
            Verb::Delete => {
                self.forget_success(id, &record.spec);
                self.gone.put(id, None);
                self.outbox.change(Change::Delete { job: id });
                self.outbox.effect(Effect::Deleted { job: id });
                Answer::Done { job: id, state }
            }
            Verb::Cancel
            | Verb::Kill
            | Verb::Pause
            | Verb::Resume
            | Verb::Move { .. }
            | Verb::Edit(_)
            | Verb::Purge(_) => Answer::NotNow { job: id, state },
        }
    }

    /// A finished job waits anew; its attempts are counted on, its failures and crashes forgotten.
    fn redrive(&mut self, record: &ostler_job::durable::Job, now: Now) -> Answer {
        let id = record.id;
        // It comes in anew, and its queue may be gone, take nothing or be full.
        let queue = match self.open_queue(record.status.queue.as_ref()) {
            Ok(queue) => queue,
            Err(refused) => return refused,
        };
        if let Some(full) = self.full(&mut Rooms::default(), queue, &record.spec.tenant, now) {
            return full;
        }
        self.forget_success(id, &record.spec);
        self.enter_known(&record.clone().into(), now);
        self.touch(id);
        let job = &mut self.jobs[id];
        (job.failures, job.crashes, job.kill, job.due) = (0, 0, false, now.wall.max(Wall(1)));
        // Whenever it had to be started by: somebody wants it now.
        self.timers.unexpire(id, std::mem::replace(&mut job.expires, super::jobs::NEVER));
        self.queue(id, now);
        Answer::Done { job: id, state: self.jobs[id].state }
    }
}

impl Verb {
    /// What the audit trail says of it.
    fn detail(&self) -> Value {
        let mut detail = json!({ "verb": self.code() });
        match self {
            Self::Move { host, queue, relocate } => {
                if let Some(Some(host)) = host {
                    detail["host"] = json!(host);
                }
                if let Some(queue) = queue {
                    detail["queue"] = json!(queue);
                }
                if *relocate {
                    detail["relocate"] = json!(true);
                }
            }
            Self::Edit(edit) => {
                detail["fields"] = json!(edit.fields());
                if let Some(Some(host)) = &edit.host {
                    detail["host"] = json!(host);
                }
                if let Some(queue) = &edit.queue {
                    detail["queue"] = json!(queue);
                }
            }
            Self::Purge(queue) => detail["queue"] = json!(queue),
            Self::Cancel | Self::Kill | Self::Pause | Self::Resume | Self::Retry | Self::Delete => {
            }
        }
        detail
    }

    /// As it is written in events.
    const fn code(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Move { .. } => "move",
            Self::Edit(_) => "edit",
            Self::Purge(_) => "purge",
            Self::Delete => "delete",
        }
    }
}
