//! What must be true, by what the world saw: it knows nothing of the driver's mind.

use std::collections::{BTreeMap, BTreeSet};

use ostler_gateway::driver::{Action, Effect};
use ostler_job::{
    JobId,
    durable::{AttemptKey, Delivery, JobState, Reason, Spec},
};
use ostler_store::{Change, EventKind, Memory, Store};

/// The first thing that was not true, and what has happened.
#[derive(Default)]
pub(crate) struct Checker {
    /// What went wrong first.
    pub(crate) broken: Option<String>,
    pub(crate) tally: Tally,
    acknowledged: BTreeSet<JobId>,
    deleted: BTreeSet<JobId>,
    finished: BTreeSet<JobId>,
    recorded: BTreeSet<AttemptKey>,
    /// How often jobs were started by themselves, since they were last retried by hand.
    starts: BTreeMap<JobId, u32>,
    /// Jobs of each idempotency key.
    keyed: BTreeMap<String, Vec<JobId>>,
}

/// How often things happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) started: u64,
    pub(crate) finished: BTreeMap<JobState, u64>,
    pub(crate) reasons: BTreeMap<Reason, u64>,
    pub(crate) crashes: u64,
    pub(crate) fenced: u64,
    pub(crate) resent: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.started += other.started;
        self.crashes += other.crashes;
        self.fenced += other.fenced;
        self.resent += other.resent;
        for (&state, n) in &other.finished {
            *self.finished.entry(state).or_default() += n;
        }
        for (&reason, n) in &other.reasons {
            *self.reasons.entry(reason).or_default() += n;
        }
    }

    /// Asserts that what the simulation is about took place.
    pub(crate) fn check(&self) {
        assert!(self.acknowledged > 1_000 && self.started > 1_000, "{self:?}");
        assert!(self.crashes > 100 && self.fenced > 50 && self.resent > 20, "{self:?}");
        let ends = [JobState::Succeeded, JobState::Dead, JobState::Cancelled, JobState::Expired];
        assert!(ends.iter().all(|state| self.finished.contains_key(state)), "{self:?}");
        let reasons = [Reason::Lost, Reason::Quarantined, Reason::Killed, Reason::ExitStatus];
        assert!(reasons.iter().all(|reason| self.reasons.contains_key(reason)), "{self:?}");
    }
}

impl Checker {
    pub(crate) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A batch was committed.
    pub(crate) fn committed(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.change(change));
    }

    /// The same without the store's word: the batch was under way in a crash.
    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Submit { job, status, .. } => self.status(*job, status.state, status.reason),
            Change::Update { job, status, .. } => self.status(*job, status.state, status.reason),
            Change::Attempt(attempt) => {
                let reason = attempt.ending.as_ref().map(|it| it.reason);
                *self.tally.reasons.entry(reason.unwrap_or(Reason::Ok)).or_default() += 1;
                if !self.recorded.insert(attempt.key) {
                    self.fail(format!("{:?} was finished twice", attempt.key));
                }
            }
            Change::Delete { job } => {
                self.deleted.insert(*job);
            }
            Change::Event { kind: EventKind::Operator, job: Some(job), detail, .. } => {
                if detail.contains("retry") {
                    self.starts.remove(job);
                }
            }
            Change::Key { .. }
            | Change::Event { .. }
            | Change::Token(_)
            | Change::Forget { .. }
            | Change::Reserve { .. } => {}
        }
    }

    fn status(&mut self, job: JobId, state: JobState, reason: Option<Reason>) {
        if state.is_finished() {
            *self.tally.finished.entry(state).or_default() += 1;
            if reason == Some(Reason::Quarantined) {
                *self.tally.reasons.entry(Reason::Quarantined).or_default() += 1;
            }
            if !self.finished.insert(job) {
                self.fail(format!("job {job} finished twice"));
            }
        } else {
            self.finished.remove(&job);
        }
    }

    /// Effects are about to happen.
    pub(crate) fn acts(&mut self, action: &Action, store: &Memory) {
        for effect in &action.effects {
            match effect {
                Effect::Run { key, .. } => {
                    let job = store.job(key.job).ok().flatten();
                    let leased = job.is_some_and(|job| job.status.fence == key.fence);
                    if !leased {
                        self.fail(format!("{key:?} is to run and its lease is not in the store"));
                    }
                }
                Effect::Settle { key, fenced: false, .. } => {
                    let known = self.recorded.contains(key);
                    if !known {
                        self.fail(format!("{key:?} is settled and was not recorded"));
                    }
                }
                Effect::Settle { .. } => self.tally.fenced += 1,
                Effect::Steer { .. }
                | Effect::Answer { .. }
                | Effect::Changed { .. }
                | Effect::Deleted { .. } => {}
            }
        }
    }

    /// A client was told that these are taken.
    pub(crate) fn acknowledge(&mut self, jobs: &[JobId], key: Option<&str>) {
        self.tally.acknowledged += jobs.len() as u64;
        self.acknowledged.extend(jobs);
        let Some(key) = key else { return };
        let before = self.keyed.entry(key.to_owned()).or_insert_with(|| jobs.to_vec());
        if before != jobs {
            let what = format!("key {key} stood for {before:?} and then for {jobs:?}");
            self.fail(what);
        }
    }

    /// A runner started a job's process.
    pub(crate) fn start(&mut self, key: AttemptKey, spec: &Spec) {
        self.tally.started += 1;
        let starts = self.starts.entry(key.job).or_default();
        *starts += 1;
        if *starts > 1 && spec.delivery == Delivery::AtMostOnce {
            self.fail(format!("{key:?} started a job again that may start once"));
        }
    }

    /// Everything acknowledged is in the store, unless an operator deleted it.
    pub(crate) fn check_store(&mut self, store: &Memory) {
        for job in self.jobs().collect::<Vec<_>>() {
            if store.job(job).ok().flatten().is_none() {
                self.fail(format!("job {job} was acknowledged and is lost"));
                return;
            }
        }
    }

    /// After enough time without faults, nothing is left to do.
    pub(crate) fn check_drained(&mut self, store: &Memory) {
        self.check_store(store);
        for &job in self.acknowledged.difference(&self.deleted) {
            let status = store.job(job).ok().flatten().map(|job| job.status);
            if let Some(status) = status.filter(|status| !status.state.is_finished()) {
                return self.fail(format!("job {job} never came to an end: {status:?}"));
            }
        }
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.acknowledged.difference(&self.deleted).copied()
    }
}
