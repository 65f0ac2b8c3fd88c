//! Taking jobs.

use std::sync::Arc;

use ostler_job::durable::{Change, EventKind};
use ostler_job::{
    HostId, JobId, Now, Promise, QueueId, Since, Span, Wall,
    durable::{JobState, Reason},
};
use serde_json::{Value, json};

use super::{
    Driver,
    counts::Whose,
    dedupe::Batch,
    event::{Answer, Effect, NewJob, Submit},
    jobs::{Job, Terms},
    moments::Moment,
    queues,
    room::Rooms,
};

/// What a refused submitter is told to wait, at least and at most.
const RETRY_AFTER: (Span, Span) = (Span::from_secs(1), Span::from_secs(60));

impl Driver {
    /// Answers a submit: one answer for each job, or `Keyed` alone.
    pub(super) fn submit(&mut self, submit: Submit, now: Now) {
        let ticket = submit.ticket;
        let known = submit.key.as_ref().and_then(|(key, request)| {
            let (before, jobs) = self.keys.get(key)?;
            Some(Answer::Keyed { jobs: jobs.clone(), same: before == request })
        });
        let answers = match known {
            Some(answer) => vec![answer],
            None => self.take_all(submit, now),
        };
        self.outbox.effect(Effect::Answer { ticket, answers });
    }

    fn take_all(&mut self, submit: Submit, now: Now) -> Vec<Answer> {
        let plan = self.plan(&submit.jobs, now);
        let refused = |answer: &Option<Answer>| {
            use Answer::{Duplicate, QueueFull, QueueRefused};
            matches!(answer, Some(Duplicate { .. } | QueueFull { .. } | QueueRefused { .. }))
        };
        if submit.all_or_none && plan.iter().any(refused) {
            return self.refuse_all(plan);
        }
        let mut answers = Vec::with_capacity(plan.len());
        let mut taken = Vec::new();
        for (new, answer) in submit.jobs.into_iter().zip(plan) {
            let answer = answer.unwrap_or_else(|| self.take(new, &submit.who, now));
            if let Answer::Done { job, .. } | Answer::Late { job, .. } | Answer::Coalesced { job } =
                answer
            {
                taken.push(job);
            }
            answers.push(answer);
        }
        if let Some((key, request)) = submit.key
            && !taken.is_empty()
        {
            self.keys.put(key.clone(), (request.clone(), taken.clone()));
            self.outbox.change(Change::Key { key, request, jobs: taken, at: now.wall });
        }
        answers
    }

    /// The answers of a plan that comes to nothing: none names a job that it would have made.
    fn refuse_all(&self, plan: Vec<Option<Answer>>) -> Vec<Answer> {
        let taken = plan.iter().enumerate().filter(|(_, answer)| answer.is_none());
        let taken: Vec<usize> = taken.map(|(place, _)| place).collect();
        let answer = |answer| match answer {
            Some(Answer::Duplicate { job }) => {
                let made = job.0.checked_sub(self.next_job.0).and_then(|nth| nth.try_into().ok());
                let of = made.and_then(|nth: usize| taken.get(nth).copied());
                of.map_or(Answer::Duplicate { job }, |of| Answer::Repeated { of })
            }
            Some(why @ (Answer::QueueFull { .. } | Answer::QueueRefused { .. })) => why,
            Some(_) | None => Answer::WithOthers,
        };
        plan.into_iter().map(answer).collect()
    }

    /// What becomes of each job; `None`: it is taken. Nothing is changed yet.
    pub(super) fn plan(&self, jobs: &[NewJob], now: Now) -> Vec<Option<Answer>> {
        let mut batch = Batch::new(self.next_job, jobs);
        let mut rooms = Rooms::default();
        let mut plan = Vec::with_capacity(jobs.len());
        for new in jobs {
            let answer = match self.queues.find(new.spec.queue.as_ref()) {
                // What is asked for is wrong, whatever else there is.
                None => self.open_queue(new.spec.queue.as_ref()).err(),
                Some(queue) => self
                    .superfluous(new, &batch, now)
                    .or_else(|| self.open_queue(new.spec.queue.as_ref()).err())
                    .or_else(|| self.full(&mut rooms, queue, &new.spec.tenant, now)),
            };
            if answer.is_none() {
                batch.take(self.same(&new.spec));
            }
            plan.push(answer);
        }
        plan
    }

    pub(super) fn retry_after(&self, now: Now) -> Span {
        self.scheduler.next_start(now.mono).clamp(RETRY_AFTER.0, RETRY_AFTER.1)
    }

    /// The job is taken: it waits, or is granted at once.
    pub(super) fn take(&mut self, new: NewJob, who: &str, now: Now) -> Answer {
        let id = self.next_job;
        self.next_job = JobId(id.0 + 1);
        let queue = self.queues.find(new.spec.queue.as_ref()).unwrap_or(queues::DEFAULT);
        let place = (new.spec.host.as_deref(), queue);
        self.enter(id, &(&*new.spec).into(), place, now.wall, now);
        if let Some(key) = &new.spec.firing {
            self.hold_firing(id, key, now);
        }
        self.jobs[id].due = new.spec.not_before.unwrap_or(Wall(0));
        self.touch_new(id, Arc::clone(&new.spec));
        if self.jobs[id].expires <= now.mono {
            self.end(id, JobState::Expired, Reason::Expired, now);
        } else if new.paused {
            self.note_pause(id, who, now);
            self.shift(id, JobState::Paused);
        } else {
            self.wait(id, now);
        }
        if let (true, Some(at), JobState::Scheduled) =
            (new.delayed, new.spec.not_before, self.jobs[id].state)
        {
            self.timers.schedule(id, Moment::Length(now.mono + at.since(now.wall)));
        }
        self.counters.submitted += 1;
        let state = self.jobs[id].state;
        let answer = match self.misses(id, now) {
            Some(expected) => Answer::Late { job: id, state, expected },
            None => Answer::Done { job: id, state },
        };
        // What is given to a runner at once has nothing to say.
        let waits = self.why(id, now).filter(|_| !state.is_out());
        let detail = waits.map_or(Value::Null, |why| json!({"state": state, "reason": why.word()}));
        self.outbox.event((now.wall, EventKind::Submitted), Some(id), Some(who), &detail);
        answer
    }

    /// When the job is expected to be done, if that is after what it was promised.
    fn misses(&self, id: JobId, now: Now) -> Option<Span> {
        let job = &self.jobs[id];
        let within = job.policy.within?;
        let waits = job.state == JobState::Pending;
        if !waits && job.state != JobState::Leased {
            return None;
        }
        let ahead = if waits { self.scheduler.ahead_of(id, now.mono)? } else { Span::ZERO };
        let own = self.estimates.known(job.identity).map_or(0, |it| it.p50.0);
        let expected = Span(ahead.0.saturating_add(own));
        (expected > within).then_some(expected)
    }

    /// Puts a job into the table, in no place yet.
    pub(super) fn enter(
        &mut self,
        id: JobId,
        asked: &Terms<'_>,
        (host, queue): (Option<&str>, u32),
        at: Wall,
        now: Now,
    ) {
        let identity = self.jobs.identity(asked.tenant, asked.identity);
        let same = self.jobs.same(asked.tenant, asked.identity, asked.content);
        let policy = self.jobs.policy(asked);
        let tenant = self.tenants.hold(asked.tenant);
        let age = (at, Since::ago(now.wall.since(at), now.mono));
        let mut job = Job::new((identity, same), policy, Whose { tenant, queue }, age);
        job.pin(host.map(|name| self.hosts.hold(name)));
        job.claims = self.resources.hold(asked.needs);
        job.expires = Self::deadline(age, asked.expires, now);
        self.timers.expire(id, job.expires);
        self.jobs.insert(id, job);
    }

    /// The job as the scheduler knows it. That counts a promise from now on: what has passed of it is taken off.
    pub(super) fn scheduled(&self, id: JobId, now: Now) -> ostler_scheduler::Submit {
        let job = &self.jobs[id];
        let Span(window) = job.policy.within.unwrap_or(Promise::SOMETIME);
        let left = Span(window.saturating_sub(self.runnable(job, now).0));
        ostler_scheduler::Submit {
            job: id,
            queue: QueueId(job.queue),
            tenant: ostler_job::TenantId(job.tenant),
            weight: self.queues.weight(job.queue, self.tenants.name(job.tenant)),
            promise: Promise::Within(left),
            expires: None,
            host: job.host().map(HostId),
            estimate: self.estimates.of(job.identity),
        }
    }
}
