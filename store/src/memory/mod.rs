//! The model: what a store does, in maps, as plainly as possible.
//!
//! It forgets everything when it is dropped. What it is for: the suite compares engines with it, and a simulation
//! drives it, with faults at chosen commits. A commit that has returned is safe, as with every engine; one that was
//! under way in a crash is wholly there or wholly absent, and whoever simulates chooses which.

mod invariants;
mod schedules;
mod tables;

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Epoch, Firing, JobState, KeptSchedule, Queue, ScheduleName, Term},
};

use self::tables::Tables;
use crate::{
    Applied, Change, CountQuery, Counts, Event, Fault, Job, Loaded, OfQueues, Page, Query,
    ReadLimit, Same, Store, StoreError, Unfinished,
};

/// What happens to a commit instead of what should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// The disk is full: nothing is kept, and the next commit may succeed.
    Full,
    /// Writing fails. Whether the batch is there shows when the store is read again, and until a new term begins every
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
    kept: Tables,
    planned: VecDeque<Option<Planned>>,
    broken: bool,
    /// The term that commits are taken of.
    epoch: Epoch,
    /// What is remembered beside the store, whatever is put in its place.
    beside: Beside,
}

#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    epoch: u64,
    fences: u64,
    last_job: u64,
    last_event: u64,
}

/// A copy of a [`Memory`]'s jobs, to be put back later.
#[derive(Clone, Debug)]
pub struct Copy(Tables);

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens to commits to come: the first entry to the next one, and so on; `None` lets one be.
    pub fn plan(&self, planned: impl IntoIterator<Item = Option<Planned>>) {
        self.lock().planned.extend(planned);
    }

    /// Nothing that was planned happens.
    pub fn unplan(&self) {
        self.lock().planned.clear();
    }

    /// The process dies, and the store is opened anew: nothing is planned any more, and after an I/O error it works
    /// again. `in_flight` is the batch that was under way, with whether it turns out to be there.
    pub fn crash(&self, in_flight: Option<(&[Change], bool)>) {
        let mut inner = self.lock();
        inner.planned.clear();
        inner.broken = false;
        inner.epoch = Epoch::default();
        if let Some((changes, true)) = in_flight {
            // A batch that cannot be is not there either.
            let _absent = inner.keep(changes);
        }
    }

    /// A backup of it as it is.
    pub fn copy(&self) -> Copy {
        Copy(self.lock().kept.clone())
    }

    /// The process is ended, and a backup put in the place of what there is.
    pub fn restore(&self, copy: &Copy) {
        self.crash(None);
        self.lock().kept = copy.0.clone();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn commit(&mut self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        if self.broken || epoch != self.epoch {
            let why = if self.broken { "an earlier commit failed" } else { "the term is over" };
            return Err(StoreError::new(Fault::Unknown, why));
        }
        match self.planned.pop_front().flatten() {
            None => self.keep(changes),
            Some(Planned::Full) => {
                Err(StoreError::new(Fault::Full, "no space is left, as planned"))
            }
            Some(Planned::Io { kept }) => {
                self.broken = true;
                if kept {
                    self.keep(changes)?;
                }
                Err(StoreError::new(Fault::Unknown, "writing failed, as planned"))
            }
            Some(Planned::Forgotten) => self.kept.clone().commit(changes),
        }
    }

    /// Whole, or not at all.
    fn keep(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let applied = self.kept.commit(changes)?;
        self.kept.changed();
        let Tables { last_job, last_event, fences, .. } = self.kept;
        let beside = &mut self.beside;
        beside.last_job = beside.last_job.max(last_job);
        beside.last_event = beside.last_event.max(last_event);
        beside.fences = beside.fences.max(fences);
        Ok(applied)
    }

    fn begin(&mut self) -> Result<Term, StoreError> {
        if matches!(self.planned.front(), Some(Some(Planned::Full))) {
            self.planned.pop_front();
            return Err(StoreError::new(Fault::Full, "no space is left, as planned"));
        }
        self.broken = false;
        let (kept, beside) = (&mut self.kept, &mut self.beside);
        let went_back = beside.epoch > kept.epoch
            || beside.last_job > kept.last_job
            || beside.last_event > kept.last_event;
        kept.epoch = kept.epoch.max(beside.epoch) + 1;
        // Zero is the fence of a job that never had a lease.
        let first = kept.fences.max(beside.fences).max(1);
        kept.fences = first + Term::BLOCK;
        if went_back {
            kept.doubted = first;
        }
        kept.last_job = kept.last_job.max(beside.last_job);
        kept.last_event = kept.last_event.max(beside.last_event);
        let Tables { epoch, fences, doubted, last_job, last_event, .. } = *kept;
        *beside = Beside { epoch, fences, last_job, last_event };
        self.epoch = Epoch(epoch);
        Ok(Term { epoch: self.epoch, fences: first..fences, went_back, doubted })
    }
}

impl Store for Memory {
    fn begin(&self, _room: u64) -> Result<Term, StoreError> {
        self.lock().begin()
    }

    fn commit(&self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.lock().commit(epoch, changes)
    }

    fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        Ok(self.lock().kept.queues.values().cloned().collect())
    }

    fn schedules(&self, now: Wall) -> Result<Vec<KeptSchedule>, StoreError> {
        Ok(self.lock().kept.kept_schedules(now))
    }

    fn firings(
        &self,
        schedule: &ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> Result<Vec<Firing>, StoreError> {
        let inner = self.lock();
        let firings = inner.kept.firings_of(schedule, Wall(0), before).rev();
        Ok(firings.take(max).cloned().collect())
    }

    fn fired_after(
        &self,
        schedule: &ScheduleName,
        after: Wall,
        max: usize,
    ) -> Result<Vec<Wall>, StoreError> {
        Ok(self.lock().kept.fired_after(schedule, after).take(max).collect())
    }

    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError> {
        let (loaded, jobs) = {
            let inner = self.lock();
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

    fn search(&self, query: &Query, _: &ReadLimit) -> Result<Page, StoreError> {
        Ok(self.lock().kept.page(query))
    }

    fn count(&self, query: &CountQuery, _: &ReadLimit) -> Result<Counts, StoreError> {
        Ok(self.lock().kept.count(query))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.lock().kept.jobs.get(&job).cloned())
    }

    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let inner = self.lock();
        Ok(jobs.iter().filter_map(|job| inner.kept.jobs.get(job).cloned()).collect())
    }

    fn absent(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        let inner = self.lock();
        Ok(jobs.iter().filter(|job| !inner.kept.jobs.contains_key(job)).copied().collect())
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
        same: Same<'_>,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError> {
        let inner = self.lock();
        let succeeded = |job: &&Job| {
            job.spec.tenant == tenant
                && Same::of(&job.spec.identity, job.spec.content) == same
                && job.status.state == JobState::Succeeded
                && job.status.finished_at.is_some_and(|finished| finished >= since)
        };
        Ok(inner.kept.jobs.values().rev().find(succeeded).map(|job| job.id))
    }

    fn prunable_of(
        &self,
        queues: OfQueues<'_>,
        (succeeded_before, others_before): (Wall, Wall),
        now: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let inner = self.lock();
        let is_meant = |job: &Job| match queues {
            OfQueues::One(queue) => job.status.is_in(queue),
            OfQueues::AllBut(others) => !others.iter().any(|queue| job.status.is_in(queue)),
        };
        let old = |job: &&Job| {
            let succeeded = job.status.state == JobState::Succeeded;
            let before = if succeeded { succeeded_before } else { others_before };
            let finished_at = job.status.finished_at.filter(|_| job.status.state.is_finished());
            is_meant(job)
                && finished_at.is_some_and(|finished| {
                    let wrong = finished > crate::latest(now);
                    finished < before || wrong && job.submitted_at < before
                })
        };
        Ok(inner.kept.jobs.values().filter(old).take(max).map(|job| job.id).collect())
    }

    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError> {
        let inner = self.lock();
        Ok(inner.kept.jobs.values().any(|job| reads(job, sha256)))
    }

    fn payload_wanted(&self, sha256: &str, runner: &str) -> Result<bool, StoreError> {
        let inner = self.lock();
        let mut out = inner.kept.jobs.values().filter(|job| job.status.state.is_out());
        Ok(out.any(|job| job.status.runner.as_deref() == Some(runner) && reads(job, sha256)))
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

fn reads(job: &Job, sha256: &str) -> bool {
    job.spec.work.payload().is_some_and(|payload| payload.sha256 == sha256)
}
