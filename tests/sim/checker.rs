//! What must be true, by what the world saw: it knows nothing of the driver's mind.

use std::collections::{BTreeMap, BTreeSet};

use ostler_driver::{Answer, Batch, Effect};
use ostler_job::{
    JobId, Mono, Now, Span, Wall,
    durable::{
        AttemptKey, Delivery, Ending, Fence, JobState, Order, Queue, QueueName, QueueShape, Reason,
        ShapeOwner, Spec, Status,
    },
};
use ostler_store::{Change, EventKind, Memory, Store};

use crate::{
    attached::{Out, Queues},
    barred::Barred,
    claims::Claims,
    heard::Heard,
    schedules::Timetable,
    tally::Tally,
};

/// The first thing that was not true, and what has happened.
#[derive(Default)]
pub(crate) struct Checker {
    /// What went wrong first.
    pub(crate) broken: Option<String>,
    pub(crate) tally: Tally,
    pub(crate) expected: Expected,
    /// Who was heard when.
    pub(crate) heard: Heard,
    /// Somebody sets the clocks: moments are not compared.
    steps: bool,
    // What never comes again, whatever store is put in the place of which.
    ids: BTreeSet<JobId>,
    given: BTreeSet<AttemptKey>,
    /// Attempts that go on, and are to stop by the end of the batch.
    to_stop: BTreeSet<AttemptKey>,
    fences: BTreeMap<JobId, Fence>,
    last_event: u64,
    /// What may not begin any more.
    barred: Barred,
    /// Given by a store that another one was put in the place of, which does not know of that: they may begin all the same.
    unknown: BTreeSet<AttemptKey>,
    /// Every shape that a queue ever had, as the store has it.
    shapes: BTreeMap<QueueName, Vec<Queue>>,
    /// What attempts came to at their runners, and when.
    ends: BTreeMap<AttemptKey, (Reason, Mono)>,
}

/// What a store must have, and what follows from that; an older store has an older one.
#[derive(Clone, Default)]
pub(crate) struct Expected {
    acknowledged: BTreeSet<JobId>,
    deleted: BTreeSet<JobId>,
    finished: BTreeSet<JobId>,
    /// Attempts that were given up with their runners.
    lost: BTreeSet<AttemptKey>,
    /// Jobs that ended so.
    dead_lost: BTreeSet<JobId>,
    recorded: BTreeSet<AttemptKey>,
    /// Where each job is, by what was written last.
    status: BTreeMap<JobId, (JobState, AttemptKey)>,
    /// How often each was leased.
    leases: BTreeMap<JobId, u32>,
    /// How often jobs were started by themselves, since they were last retried by hand.
    starts: BTreeMap<JobId, Vec<(AttemptKey, Mono)>>,
    /// Attempts that failed since then.
    failures: BTreeMap<JobId, u32>,
    /// Jobs that are not due by what was said at their submit, since somebody hurried them.
    hurried: BTreeSet<JobId>,
    /// Not before this is the next attempt.
    waits: BTreeMap<JobId, Mono>,
    /// The lease that a job had when somebody ended it: it gets no later one.
    cancelled: BTreeMap<JobId, Fence>,
    /// The lease that a job had when somebody paused it: until it is resumed it gets no later one, and that one does not go on.
    paused: BTreeMap<JobId, Fence>,
    /// The queues as they were left.
    queues: Queues,
    /// What runners have.
    out: Out,
    /// What those jobs have of what they name.
    claims: Claims,
    /// Jobs of each idempotency key.
    keyed: BTreeMap<String, Vec<JobId>>,
    /// What fires by itself.
    pub(crate) timetable: Timetable,
}

impl Checker {
    pub(crate) fn new(steps: bool) -> Self {
        Self { steps, heard: Heard::new(steps), ..Self::default() }
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A backup is in the place of the store, which must have this.
    pub(crate) fn restored(&mut self, expected: Expected) {
        self.expected = expected;
        let known = &self.expected.status;
        let is_known = |key: &AttemptKey| known.get(&key.job).is_some_and(|it| it.1 == *key);
        self.unknown.extend(self.barred.forget().filter(|key| !is_known(key)));
    }

    /// A batch was committed.
    pub(crate) fn committed(&mut self, changes: &[Change]) {
        let before = self.expected.queues.clone();
        changes.iter().for_each(|change| self.change(change));
        let it = &mut self.expected;
        self.tally.back += it.out.back() as u64;
        let fired = it.timetable.committed().err();
        let wrong = [it.out.committed(&before, &it.queues), it.claims.committed(), fired];
        wrong.into_iter().flatten().for_each(|wrong| self.fail(wrong));
    }

    fn change(&mut self, change: &Change) {
        if let Err(wrong) = self.expected.timetable.change(change) {
            self.fail(wrong);
        }
        if let Change::Firing { firing, .. } = change {
            *self.tally.fates.entry(firing.fate.code()).or_default() += 1;
        }
        match change {
            Change::Submit { job, spec, status, .. } => {
                if spec.firing.is_some() {
                    // Nobody waits for the answer.
                    self.acknowledge(&[*job], None);
                }
                self.expected.claims.submitted(*job, &spec.needs);
                if !self.ids.insert(*job) {
                    self.fail(format!("id {job} was given twice"));
                }
                self.status(*job, status);
            }
            Change::Update { job, status, .. } => self.status(*job, status),
            Change::Attempt(attempt) => self.attempt(attempt.key, attempt.ending.as_ref()),
            Change::Delete { job } => {
                self.expected.deleted.insert(*job);
            }
            Change::Queue(queue) => {
                self.shapes.entry(queue.name.clone()).or_default().push((**queue).clone());
                self.expected.queues.insert(queue.name.clone(), (**queue).clone());
            }
            Change::QueueGone(name) => {
                self.expected.queues.remove(name);
            }
            Change::Event { kind: EventKind::Operator, job: Some(job), detail, .. } => {
                self.operator(*job, detail);
            }
            Change::Event { kind: EventKind::Retrying, job: Some(job), detail, .. } => {
                self.retrying(*job, detail);
            }
            Change::Event { at, kind: EventKind::Runner, detail, .. } => {
                self.heard.gave_up(*at, detail).into_iter().for_each(|what| self.fail(what));
            }
            Change::Key { .. }
            | Change::Edit { .. }
            | Change::Event { .. }
            | Change::Token(_)
            | Change::Schedule(_)
            | Change::Stand { .. }
            | Change::Firing { .. }
            | Change::ScheduleGone(_)
            | Change::Forget { .. }
            | Change::Reserve { .. } => {}
        }
    }

    fn operator(&mut self, job: JobId, detail: &str) {
        let it = &mut self.expected;
        let state = it.status.get(&job).map(|it| it.0);
        let says = |verb: &str| detail.contains(&format!("\"{verb}\""));
        if says("retry") || says("resume") {
            it.paused.remove(&job);
        }
        if says("pause") {
            let fence = it.status.get(&job).map_or(Fence(0), |it| it.1.fence);
            it.paused.insert(job, fence);
        }
        if says("retry") {
            it.starts.remove(&job);
            it.failures.remove(&job);
            it.waits.remove(&job);
            it.cancelled.remove(&job);
            it.hurried.insert(job);
        } else if says("cancel") || says("kill") {
            let fence = it.status.get(&job).map_or(Fence(0), |it| it.1.fence);
            it.cancelled.insert(job, fence);
        } else if says("pause") && !state.is_some_and(|it| it.is_out() || it == JobState::Paused) {
            self.fail(format!("job {job} was paused and is {state:?}"));
        }
    }

    fn retrying(&mut self, job: JobId, detail: &str) {
        let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
        let wait = Span::from_millis((detail["wait_seconds"].as_f64().unwrap_or(0.0) * 1e3) as u64);
        let key = self.expected.status.get(&job).map(|it| it.1);
        if let Some((_, ended)) = key.and_then(|key| self.ends.get(&key)) {
            self.expected.waits.insert(job, *ended + wait);
        }
    }

    fn attempt(&mut self, key: AttemptKey, ending: Option<&Ending>) {
        let reason = ending.map_or(Reason::Ok, |it| it.reason);
        *self.tally.reasons.entry(reason).or_default() += 1;
        // One that was given up may be heard of after all.
        let given_up = self.expected.lost.remove(&key);
        if reason == Reason::Lost {
            self.expected.lost.insert(key);
        }
        if !self.expected.recorded.insert(key) && !given_up {
            self.fail(format!("{key:?} was finished twice"));
        }
        let end = self.ends.get(&key).map(|it| it.0);
        if reason != Reason::Lost && end != Some(reason) {
            self.fail(format!("{key:?} is recorded as {reason:?} and came to {end:?}"));
        }
        // Who is killed has not failed: it is over, or waits elsewhere.
        if !matches!(reason, Reason::Ok | Reason::Lost | Reason::Killed) {
            *self.expected.failures.entry(key.job).or_default() += 1;
        }
    }

    fn status(&mut self, job: JobId, status: &Status) {
        let key = AttemptKey { job, attempt: status.attempts, fence: status.fence };
        let before = self.expected.status.insert(job, (status.state, key));
        let is_new = before.map_or(Fence(0), |it| it.1.fence) != status.fence;
        if is_new {
            *self.expected.leases.entry(job).or_default() += 1;
        }
        self.expected.out.status(job, status, is_new);
        self.expected.claims.status(job, status, is_new);
        if !status.state.is_finished() {
            self.expected.finished.remove(&job);
            return;
        }
        *self.tally.finished.entry(status.state).or_default() += 1;
        if status.reason == Some(Reason::Quarantined) {
            *self.tally.reasons.entry(Reason::Quarantined).or_default() += 1;
        }
        let late = before.is_some_and(|it| it.1 == key) && self.expected.dead_lost.remove(&job);
        if status.reason == Some(Reason::Lost) {
            self.expected.dead_lost.insert(job);
        }
        if !self.expected.finished.insert(job) && !late {
            self.fail(format!("job {job} finished twice"));
        }
        let end = self.ends.get(&key).map(|it| it.0);
        let told = !matches!(status.reason, Some(Reason::Lost | Reason::Quarantined));
        let right = if status.state == JobState::Succeeded {
            end == Some(Reason::Ok)
        } else if status.state == JobState::Dead {
            !told || (end == status.reason && end != Some(Reason::Ok))
        } else {
            true
        };
        if !right {
            self.fail(format!("{key:?} came to {end:?}, and its job is {status:?}"));
        }
    }

    /// Events are told to their readers.
    pub(crate) fn tell_events(&mut self, batch: &Batch) {
        for (_, event) in &batch.events {
            if event.seq <= self.last_event {
                self.fail(format!("event {} comes after {}", event.seq, self.last_event));
            }
            self.last_event = event.seq;
        }
    }

    /// An effect is about to happen.
    pub(crate) fn acts(&mut self, effect: &Effect, store: &Memory, now: Mono) {
        match effect {
            Effect::Run { runner, key, .. } => self.given(runner, *key, store, now),
            Effect::Settle { key, fenced: false, .. } => {
                if !self.expected.recorded.contains(key) {
                    self.fail(format!("{key:?} is settled and was not recorded"));
                }
            }
            Effect::Settle { .. } => self.tally.fenced += 1,
            Effect::Steer { key, order: Order::Continue, .. } => {
                let paused = self.expected.paused.get(&key.job);
                if paused.is_some_and(|fence| *fence >= key.fence) {
                    self.to_stop.insert(*key);
                }
            }
            Effect::Steer { key, order: Order::Stop, .. } => {
                self.to_stop.remove(key);
            }
            Effect::Steer { .. }
            | Effect::Lost { .. }
            | Effect::Broken { .. }
            | Effect::Log { .. }
            | Effect::Answer { .. }
            | Effect::Changed { .. }
            | Effect::Fired { .. }
            | Effect::SetBack
            | Effect::Deleted { .. } => {}
        }
    }

    /// All effects of a batch have happened: what was resumed and paused in one has stopped again.
    pub(crate) fn acted(&mut self) {
        if let Some(key) = self.to_stop.pop_first() {
            self.fail(format!("{key:?} is to go on, and somebody has paused its job"));
        }
    }

    /// A runner is about to be given an attempt.
    fn given(&mut self, runner: &str, key: AttemptKey, store: &Memory, now: Mono) {
        self.barred.given(key, runner, now);
        let Some(job) = store.job(key.job).ok().flatten() else {
            return self.fail(format!("{key:?} is to run and is not in the store"));
        };
        let (spec, status) = (job.spec, job.status);
        let again = !self.given.insert(key);
        let before = self.fences.insert(key.job, key.fence);
        let failures = self.expected.failures.get(&key.job).copied().unwrap_or(0);
        let ended = self.expected.cancelled.get(&key.job);
        let paused = self.expected.paused.get(&key.job);
        // One that was given back may be late.
        let first = self.expected.leases.get(&key.job) == Some(&1);
        let leased_at = status.leased_at.unwrap_or_default();
        let late = spec.expires.is_some_and(|at| at <= leased_at);
        let hurried = self.expected.hurried.contains(&key.job);
        let wrong = if status.fence != key.fence || status.state != JobState::Leased {
            "its lease is not in the store"
        } else if again || before.is_some_and(|before| before >= key.fence) {
            "its fence is not above those before"
        } else if self.is_held(&status) {
            "its queue is paused"
        } else if status.host.as_deref().is_some_and(|host| host != runner) {
            "it is pinned to another host"
        } else if failures >= spec.retry.attempts {
            "it has had its attempts"
        } else if ended.is_some_and(|fence| *fence < key.fence) {
            "somebody has ended its job"
        } else if paused.is_some_and(|fence| *fence < key.fence) {
            "somebody has paused its job"
        } else if first && late && !hurried && !self.steps {
            "it had to be started before"
        } else {
            return;
        };
        self.fail(format!("{key:?} is to run at {runner}: {wrong} ({status:?})"));
    }

    /// Whether its queue, or the one above, gives nothing, by what was written last.
    fn is_held(&self, status: &Status) -> bool {
        let queue = |name: &QueueName| self.expected.queues.get(name);
        let own = queue(&status.queue.clone().unwrap_or_default());
        let above = own.and_then(|it| queue(it.shape.parent.as_ref()?));
        let leased_at = status.leased_at.unwrap_or_default();
        let is_paused = |it: &Queue| it.paused.as_ref().is_some_and(|held| held.since < leased_at);
        !self.steps && own.into_iter().chain(above).any(is_paused)
    }

    /// A request is answered: whoever stands for another is there.
    pub(crate) fn answered(&mut self, answers: &[Answer], store: &Memory) {
        for answer in answers {
            if let Answer::Coalesced { job } | Answer::Duplicate { job } = answer
                && store.job(*job).ok().flatten().is_none()
                && !self.expected.deleted.contains(job)
            {
                let known = (self.ids.contains(job), self.expected.status.get(job));
                self.fail(format!("job {job} stands for another and is not there: {known:?}"));
            }
            // Whoever is told of a queue is told what a restart will find.
            if let Answer::Queue(view) = answer
                && let Some(shapes) = self.shapes.get(&view.queue.name)
                && !shapes.contains(&view.queue)
                && *view.queue
                    != Queue::new(QueueName::default(), QueueShape::default(), ShapeOwner::Api)
            {
                self.fail(format!("{:?} was answered and never written", view.queue));
            }
        }
    }

    /// Whoever has changed what a queue is attached to is told that it is so.
    pub(crate) fn detached(&mut self, answers: &[Answer], now: Mono) {
        let it = &self.expected;
        let of = |job: JobId| it.out.queue(job);
        for answer in answers {
            if let Answer::Queue(view) = answer {
                self.tally.detached += 1;
                self.barred.answered(&view.queue, now, of, |key| it.lost.contains(key));
            }
        }
    }

    /// A client was told that these are taken.
    pub(crate) fn acknowledge(&mut self, jobs: &[JobId], key: Option<&str>) {
        self.tally.acknowledged += jobs.len() as u64;
        self.expected.acknowledged.extend(jobs);
        let Some(key) = key else { return };
        let keyed = &mut self.expected.keyed;
        let before = keyed.entry(key.to_owned()).or_insert_with(|| jobs.to_vec());
        if before != jobs {
            let what = format!("key {key} stood for {before:?} and then for {jobs:?}");
            self.fail(what);
        }
    }

    /// A runner started a job's process.
    pub(crate) fn start(&mut self, key: AttemptKey, spec: &Spec, now: Now) {
        self.tally.started += 1;
        self.barred.begins(key).into_iter().for_each(|wrong| self.fail(wrong));
        if self.unknown.contains(&key) {
            return;
        }
        let starts = self.expected.starts.entry(key.job).or_default();
        starts.push((key, now.mono));
        if starts.len() > 1 && spec.delivery == Delivery::AtMostOnce {
            let what = format!("a job that may start once was started again: {starts:?}");
            self.fail(what);
        }
        if self.steps {
            return;
        }
        let hurried = self.expected.hurried.contains(&key.job);
        if spec.not_before.is_some_and(|at| now.wall < at) && !hurried {
            self.fail(format!("{key:?} started before its time"));
        }
        if self.expected.waits.get(&key.job).is_some_and(|at| now.mono < *at) {
            self.fail(format!("{key:?} started before the wait after the last attempt was over"));
        }
    }

    /// An attempt is over at its runner.
    pub(crate) fn ended(&mut self, key: AttemptKey, ending: &Ending, now: Now) {
        self.ends.insert(key, (ending.reason, now.mono));
    }

    /// Everything acknowledged is in the store, unless an operator deleted it.
    pub(crate) fn check_store(&mut self, store: &Memory) {
        for job in self.jobs().collect::<Vec<_>>() {
            if store.job(job).ok().flatten().is_none() {
                self.fail(format!("job {job} was acknowledged and is lost"));
                return;
            }
        }
        let kept: Vec<Queue> = store.queues().unwrap_or_default();
        if !kept.iter().eq(self.expected.queues.values()) {
            self.fail(format!("queues are {kept:?} and were {:?}", self.expected.queues));
        }
        let kept = store.schedules(Wall(u64::MAX)).unwrap_or_default();
        let kept: Vec<_> = kept.into_iter().map(|it| it.schedule).collect();
        let expected = self.expected.timetable.schedules();
        if kept != expected {
            self.fail(format!("schedules are {kept:?} and were {expected:?}"));
        }
    }

    /// After enough time without faults, nothing is left to do.
    pub(crate) fn check_drained(&mut self, store: &Memory) {
        self.check_store(store);
        for job in self.jobs().collect::<Vec<_>>() {
            let status = store.job(job).ok().flatten().map(|job| job.status);
            if let Some(status) = status.filter(|status| !status.state.is_finished()) {
                return self.fail(format!("job {job} never came to an end: {status:?}"));
            }
        }
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> {
        let it = &self.expected;
        it.acknowledged.difference(&it.deleted).copied()
    }
}
