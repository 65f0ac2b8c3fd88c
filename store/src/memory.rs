//! The model: what a store does, in maps, as plainly as possible.
//!
//! It forgets everything when it is dropped. What it is for: the suite compares engines with it, and a simulation
//! drives it, with faults at chosen commits. A commit that has returned is safe, as with every engine; one that was
//! under way in a crash is wholly there or wholly absent, and whoever simulates chooses which.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Fence, Input, JobState, Spec, Status, Work},
};

use crate::{
    Applied, Change, Event, Fault, Filter, Job, Loaded, Page, Query, Store, StoreError, Token,
    Unfinished,
};

/// What happens to a commit instead of what should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// The disk is full: nothing is kept, and the next commit may succeed.
    Full,
    /// Reading or writing fails. Whether the batch is there shows when the store is opened anew, and until then every
    /// commit is refused.
    Io {
        /// It is.
        kept: bool,
    },
    /// The commit returns as if it had been kept, and it was not. No store may do this: it is there to show that
    /// whoever checks for lost jobs would notice.
    Forgotten,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: Kept,
    planned: VecDeque<Option<Planned>>,
    broken: bool,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    life: u64,
    last_job: u64,
    last_event: u64,
    jobs: BTreeMap<JobId, Job>,
    attempts: BTreeMap<(JobId, u32), Attempt>,
    keys: BTreeMap<String, Key>,
    key_order: u64,
    events: BTreeMap<u64, Event>,
    tokens: BTreeMap<String, Token>,
}

#[derive(Clone, Debug)]
struct Key {
    order: u64,
    request: String,
    jobs: Vec<JobId>,
    at: Wall,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens to commits to come: the first entry to the next one, and so on; `None` lets one be.
    pub fn plan(&self, planned: impl IntoIterator<Item = Option<Planned>>) {
        self.lock().planned.extend(planned);
    }

    /// The process dies, and the store is opened anew: nothing is planned any more, and after an I/O error it works
    /// again. `in_flight` is the batch that was under way, with whether it turns out to be there.
    pub fn crash(&self, in_flight: Option<(&[Change], bool)>) {
        let mut inner = self.lock();
        inner.planned.clear();
        inner.broken = false;
        if let Some((changes, true)) = in_flight {
            // A batch that cannot be is not there either.
            let _absent = inner.kept.commit(changes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        if self.broken {
            return Err(StoreError::new(Fault::Io, "an earlier commit failed"));
        }
        match self.planned.pop_front().flatten() {
            None => self.kept.commit(changes),
            Some(Planned::Full) => {
                Err(StoreError::new(Fault::Full, "no space is left, as planned"))
            }
            Some(Planned::Io { kept }) => {
                self.broken = true;
                if kept {
                    self.kept.commit(changes)?;
                }
                Err(StoreError::new(Fault::Io, "writing failed, as planned"))
            }
            Some(Planned::Forgotten) => self.kept.clone().commit(changes),
        }
    }
}

impl Kept {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
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
        Ok(changes.iter().map(|change| self.apply(change)).collect())
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
            Change::Update { job, expect, status } => self.update(*job, *expect, status),
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
            Change::Forget { events, keys } => self.forget(*events, *keys),
        }
    }

    fn submit(&mut self, id: JobId, spec: &Spec, status: &Status, at: Wall) -> Applied {
        let (spec, status) = (spec.clone(), status.clone());
        self.jobs.insert(id, Job { id, spec, status, submitted_at: at });
        self.last_job = id.0;
        Applied::Done
    }

    fn update(&mut self, job: JobId, expect: Fence, status: &Status) -> Applied {
        match self.jobs.get_mut(&job) {
            Some(job) if job.status.fence == expect => {
                job.status = status.clone();
                Applied::Done
            }
            _ => Applied::Fenced,
        }
    }

    fn attempt(&mut self, attempt: &Attempt) -> Applied {
        let key = attempt.key;
        if !self.jobs.contains_key(&key.job) {
            return Applied::Fenced;
        }
        self.attempts.insert((key.job, key.attempt), attempt.clone());
        Applied::Done
    }

    fn delete(&mut self, job: JobId) -> Applied {
        if !self.jobs.get(&job).is_some_and(|it| it.status.state.is_finished()) {
            return Applied::Fenced;
        }
        self.jobs.remove(&job);
        self.attempts.retain(|key, _| key.0 != job);
        Applied::Done
    }

    fn forget(&mut self, events: Wall, keys: Wall) -> Applied {
        while self.events.first_key_value().is_some_and(|(_, event)| event.at < events) {
            self.events.pop_first();
        }
        let kept = self.keys.values().filter(|key| key.at >= keys).map(|key| key.order).min();
        self.keys.retain(|_, key| kept.is_some_and(|kept| key.order >= kept));
        Applied::Done
    }

    fn loaded(&mut self) -> Loaded {
        self.life += 1;
        Loaded {
            life: self.life,
            next_job: JobId(self.last_job + 1),
            last_event: self.last_event,
            tokens: self.tokens.values().cloned().collect(),
        }
    }

    fn page(&self, query: &Query) -> Page {
        let below = query.below.unwrap_or(JobId(u64::MAX));
        let matching = self.jobs.range(..below).rev().map(|(_, job)| job);
        let mut jobs: Vec<_> = matching
            .filter(|job| Filter::matches(&query.filter, job))
            .take(query.limit.saturating_add(1))
            .cloned()
            .collect();
        let more = jobs.len() > query.limit;
        jobs.truncate(query.limit);
        let next = jobs.last().filter(|_| more).map(|job| job.id);
        Page { jobs, next }
    }
}

impl Store for Memory {
    fn commit(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.lock().commit(changes)
    }

    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError> {
        let (loaded, jobs) = {
            let mut inner = self.lock();
            let unfinished = |job: &&Job| !job.status.state.is_finished();
            let jobs: Vec<_> = inner.kept.jobs.values().filter(unfinished).cloned().collect();
            (inner.kept.loaded(), jobs)
        };
        jobs.into_iter().for_each(each);
        Ok(loaded)
    }

    fn load_unfinished(&self, each: &mut dyn FnMut(Unfinished)) -> Result<Loaded, StoreError> {
        self.load(&mut |job| each(job.into()))
    }

    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.lock().kept.page(query))
    }

    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.lock().kept.jobs.get(&job).cloned())
    }

    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let inner = self.lock();
        Ok(jobs.iter().filter_map(|job| inner.kept.jobs.get(job).cloned()).collect())
    }

    fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        let inner = self.lock();
        let attempts = inner.kept.attempts.range((job, 0)..=(job, u32::MAX));
        Ok(attempts.map(|(_, attempt)| attempt.clone()).collect())
    }

    fn keyed(&self, key: &str) -> Result<Option<(String, Vec<JobId>)>, StoreError> {
        let inner = self.lock();
        Ok(inner.kept.keys.get(key).map(|key| (key.request.clone(), key.jobs.clone())))
    }

    fn succeeded_since(
        &self,
        tenant: &str,
        identity: &str,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError> {
        let inner = self.lock();
        let succeeded = |job: &&Job| {
            job.spec.tenant == tenant
                && job.spec.identity == identity
                && job.status.state == JobState::Succeeded
                && job.status.finished_at.is_some_and(|finished| finished >= since)
        };
        Ok(inner.kept.jobs.values().rev().find(succeeded).map(|job| job.id))
    }

    fn prunable(
        &self,
        succeeded_before: Wall,
        others_before: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let inner = self.lock();
        let old = |job: &&Job| {
            let succeeded = job.status.state == JobState::Succeeded;
            let before = if succeeded { succeeded_before } else { others_before };
            job.status.state.is_finished()
                && job.status.finished_at.is_some_and(|finished| finished < before)
        };
        Ok(inner.kept.jobs.values().filter(old).take(max).map(|job| job.id).collect())
    }

    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError> {
        let inner = self.lock();
        Ok(inner.kept.jobs.values().any(|job| payload(&job.spec) == Some(sha256)))
    }

    fn tail(&self, after: u64, max: usize) -> Result<Vec<Event>, StoreError> {
        let inner = self.lock();
        let events = inner.kept.events.range(after.saturating_add(1)..);
        Ok(events.take(max).map(|(_, event)| event.clone()).collect())
    }

    fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::new(Fault::Misuse, "a store in memory has no file to copy"))
    }

    fn size(&self) -> u64 {
        0
    }
}

/// The payload that a job reads, if it reads one.
pub(crate) fn payload(spec: &Spec) -> Option<&str> {
    match &spec.work {
        Work::Shell(command) => match &command.stdin {
            Input::Payload(payload) => Some(&payload.sha256),
            Input::Empty | Input::Text(_) | Input::Base64(_) => None,
        },
        Work::Noop => None,
    }
}
