//! What is kept, and how changes change it.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Fence, Firing, Queue, QueueName, Schedule, ScheduleName, Spec, Status},
};

use super::schedules::Expected;
use crate::{
    Applied, Change, CountQuery, Counts, Event, Fault, Filter, Job, Loaded, Page, Query,
    StoreError, Token,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) epoch: u64,
    pub(super) fences: u64,
    pub(super) doubted: u64,
    pub(super) last_job: u64,
    pub(super) last_event: u64,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) attempts: BTreeMap<(JobId, u32), Attempt>,
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) key_order: u64,
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) queues: BTreeMap<QueueName, Queue>,
    pub(super) schedules: BTreeMap<ScheduleName, Schedule>,
    pub(super) firings: BTreeMap<(ScheduleName, Wall), Firing>,
    pub(super) kept_at: Option<Wall>,
    /// Commits since everything was looked at.
    pub(super) unchecked: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) order: u64,
    pub(super) request: String,
    pub(super) jobs: Vec<JobId>,
    pub(super) at: Wall,
}

/// Neither too old nor of a clock that was wrong.
fn is_young(at: Wall, old: Wall, now: Wall) -> bool {
    old <= at && at <= crate::latest(now)
}

impl Tables {
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.check(changes)?;
        Ok(changes.iter().map(|change| self.apply(change)).collect())
    }

    /// Whether every change finds what it expects, those before it being done.
    fn check(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut last = self.last_job;
        for change in changes {
            if let Change::Submit { job, .. } = change {
                if job.0 <= last {
                    let detail = format!("job {job} is submitted after job {last}");
                    return Err(StoreError::new(Fault::Misuse, detail));
                }
                last = job.0;
            }
        }
        // The fence of each job, and whether it is finished; `None`: it is gone.
        let mut then: BTreeMap<JobId, Option<(Fence, bool)>> = BTreeMap::new();
        let seen = |status: &Status| Some((status.fence, status.state.is_finished()));
        let mut schedules = Expected::default();
        for change in changes {
            schedules.check(self, change)?;
            let now = |job: &JobId| {
                let kept = || self.jobs.get(job).and_then(|it| seen(&it.status));
                then.get(job).copied().unwrap_or_else(kept)
            };
            let (job, fits, after) = match change {
                Change::Submit { job, status, .. } => (job, true, seen(status)),
                Change::Update { job, expect, status } => {
                    (job, now(job).is_some_and(|it| it.0 == *expect), seen(status))
                }
                Change::Edit { job, .. } => (job, now(job).is_some(), now(job)),
                Change::Attempt(it) => (&it.key.job, now(&it.key.job).is_some(), now(&it.key.job)),
                Change::Delete { job } => (job, now(job).is_some_and(|it| it.1), None),
                Change::Key { .. }
                | Change::Event { .. }
                | Change::Token(_)
                | Change::Queue(_)
                | Change::QueueGone(_)
                | Change::Schedule(_)
                | Change::Stand { .. }
                | Change::Firing { .. }
                | Change::ScheduleGone(_)
                | Change::Forget { .. }
                | Change::Reserve { .. } => continue,
            };
            if !fits {
                let detail = format!("job {job} is not as its writer knew it");
                return Err(StoreError::new(Fault::Fenced, detail));
            }
            then.insert(*job, after);
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Applied {
        match change {
            Change::Submit { job, spec, status, at } => self.submit(*job, spec, status, *at),
            Change::Key { key, request, jobs, at } => {
                self.key_order += 1;
                let (request, jobs) = (request.clone(), jobs.clone());
                let order = self.key_order;
                self.keys.insert(key.clone(), Key { order, request, jobs, at: *at });
                Applied::Done
            }
            Change::Update { job, status, .. } => self.update(*job, status),
            Change::Edit { job, edit, edited } => {
                self.jobs.entry(*job).and_modify(|it| {
                    edit.apply(&mut it.spec);
                    it.spec.edited = Some(edited.clone());
                });
                Applied::Done
            }
            Change::Attempt(attempt) => self.attempt(attempt),
            Change::Delete { job } => self.delete(*job),
            Change::Event { at, kind, job, who, detail } => {
                self.last_event += 1;
                let seq = self.last_event;
                let (who, detail) = (who.clone(), detail.clone());
                let event = Event { seq, at: *at, kind: *kind, job: *job, who, detail };
                self.events.insert(seq, event);
                Applied::Seq(seq)
            }
            Change::Token(token) => {
                self.tokens.insert(token.name.clone(), token.clone());
                Applied::Done
            }
            Change::Queue(queue) => {
                self.queues.insert(queue.name.clone(), (**queue).clone());
                Applied::Done
            }
            Change::QueueGone(name) => {
                self.queues.remove(name);
                Applied::Done
            }
            Change::Schedule(schedule) => self.put_schedule(schedule),
            Change::Stand { schedule, stand, .. } => self.stand(schedule, stand),
            Change::Firing { schedule, firing } => self.put_firing(schedule, firing),
            Change::ScheduleGone(name) => self.remove_schedule(name),
            Change::Forget { now, events, keys } => self.forget(*now, *events, *keys),
            Change::Reserve { fences } => {
                self.fences = *fences;
                Applied::Done
            }
        }
    }

    fn submit(&mut self, id: JobId, spec: &Spec, status: &Status, at: Wall) -> Applied {
        let (spec, status) = (spec.clone(), status.clone());
        self.jobs.insert(id, Job { id, spec, status, submitted_at: at });
        self.last_job = id.0;
        Applied::Done
    }

    fn update(&mut self, job: JobId, status: &Status) -> Applied {
        self.jobs.entry(job).and_modify(|it| it.status = status.clone());
        Applied::Done
    }

    fn attempt(&mut self, attempt: &Attempt) -> Applied {
        let key = attempt.key;
        self.attempts.insert((key.job, key.attempt), attempt.clone());
        Applied::Done
    }

    fn delete(&mut self, job: JobId) -> Applied {
        self.jobs.remove(&job);
        self.attempts.retain(|key, _| key.0 != job);
        Applied::Done
    }

    fn forget(&mut self, now: Wall, events: Wall, keys: Wall) -> Applied {
        let kept = self.events.values().find(|event| is_young(event.at, events, now));
        let kept = kept.map(|event| event.seq);
        self.events.retain(|seq, _| kept.is_some_and(|kept| *seq >= kept));
        let young = self.keys.values().filter(|key| is_young(key.at, keys, now));
        let kept = young.map(|key| key.order).min();
        self.keys.retain(|_, key| kept.is_some_and(|kept| key.order >= kept));
        self.forget_firings(events);
        self.kept_at = Some(now);
        Applied::Done
    }

    pub(super) fn loaded(&self) -> Loaded {
        Loaded {
            next_job: JobId(self.last_job + 1),
            last_event: self.last_event,
            kept_at: self.kept_at,
            tokens: self.tokens.values().cloned().collect(),
        }
    }

    pub(super) fn page(&self, query: &Query) -> Page {
        let sort = query.sort;
        let of = |job: &Job| sort.cursor(job).expect("what is listed is in that order");
        let within = |job: &&Job| {
            sort.cursor(job).is_some_and(|it| query.after.is_none_or(|end| sort.is_after(it, end)))
        };
        let matching = self.jobs.values().filter(|job| query.filter.matches(job)).filter(within);
        let mut jobs: Vec<Job> = matching.cloned().collect();
        jobs.sort_unstable_by_key(of);
        if sort.is_downwards() {
            jobs.reverse();
        }
        let more = jobs.len() > query.limit;
        jobs.truncate(query.limit);
        let next = jobs.last().filter(|_| more).map(of);
        Page { jobs, next, partial: false }
    }

    pub(super) fn count(&self, query: &CountQuery) -> Counts {
        let below = query.below.unwrap_or(JobId(u64::MAX));
        let mut counts = Counts::default();
        for job in self.jobs.range(..below).map(|(_, job)| job) {
            if Filter::matches(&query.filter, job) {
                counts.add(query.by.iter().map(|key| key.value(job)).collect(), 1);
            }
        }
        counts
    }
}
