//! The contract, each of its questions handed to whoever answers it.

use std::path::Path;

use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Epoch, Firing, KeptSchedule, Queue, ScheduleName, Term},
};

use super::{Sqlite, backup, count, find, firings, paths, read, schedules};
use crate::{
    Applied, Change, CountQuery, Counts, Event, Job, Loaded, OfQueues, Page, Query, ReadLimit,
    Same, Store, StoreError, Unfinished,
};

impl Store for Sqlite {
    fn begin(&self, room: u64) -> Result<Term, StoreError> {
        self.mend()?;
        self.fit(self.with(|engine| engine.writer().begin(room)))
    }

    fn commit(&self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.with(|engine| {
            let applied = engine.writer().commit(epoch, changes)?;
            // What was written to a file without a name is not safe.
            engine.place.check()?;
            Ok(applied)
        })
    }

    fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        self.fit(self.read(read::queues))
    }

    fn schedules(&self, now: Wall) -> Result<Vec<KeptSchedule>, StoreError> {
        self.fit(self.read(|db| schedules::kept(db, now)))
    }

    fn firings(
        &self,
        schedule: &ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> Result<Vec<Firing>, StoreError> {
        self.read(|db| firings::page(db, schedule, before, max))
    }

    fn fired_after(
        &self,
        schedule: &ScheduleName,
        after: Wall,
        max: usize,
    ) -> Result<Vec<Wall>, StoreError> {
        self.read(|db| firings::fired_after(db, schedule, after, max))
    }

    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError> {
        self.load_as(read::job, each)
    }

    fn load_unfinished(&self, each: &mut dyn FnMut(Unfinished)) -> Result<Loaded, StoreError> {
        self.load_as(read::unfinished, each)
    }

    fn search(&self, query: &Query, limit: &ReadLimit) -> Result<Page, StoreError> {
        self.with(|engine| {
            engine.readers.read_with(|db, alarm| find::page(db, alarm, query, limit))
        })
    }

    fn count(&self, query: &CountQuery, limit: &ReadLimit) -> Result<Counts, StoreError> {
        self.with(|engine| {
            engine.readers.read_with(|db, alarm| count::counts(db, alarm, query, limit))
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        self.is_held().transpose()?;
        self.with(|engine| engine.place.check())
    }

    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        self.read(|db| read::one(db, job))
    }

    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError> {
        self.read(|db| jobs.iter().filter_map(|job| read::one(db, *job).transpose()).collect())
    }

    fn absent(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| read::absent(db, jobs))
    }

    fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.read(|db| read::attempts(db, job))
    }

    fn keyed(&self, key: &str) -> Result<Option<(String, Vec<JobId>)>, StoreError> {
        self.read(|db| read::keyed(db, key))
    }

    fn succeeded_since(
        &self,
        tenant: &str,
        same: Same<'_>,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError> {
        self.read(|db| read::succeeded_since(db, tenant, same, since))
    }

    fn prunable_of(
        &self,
        queues: OfQueues<'_>,
        before: (Wall, Wall),
        now: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| read::prunable(db, queues, before, now, max))
    }

    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError> {
        self.read(|db| read::payload_used(db, sha256))
    }

    fn payload_wanted(&self, sha256: &str, runner: &str) -> Result<bool, StoreError> {
        self.read(|db| read::payload_wanted(db, sha256, runner))
    }

    fn tail(&self, after: u64, max: usize) -> Result<Vec<Event>, StoreError> {
        self.read(|db| read::tail(db, after, max))
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        backup::copy(&self.path, to).map_err(StoreError::of_copy)
    }

    fn size(&self) -> u64 {
        let bytes = |suffix| {
            let path = paths::suffixed(&self.path, suffix);
            path.metadata().map_or(0, |it| it.len())
        };
        bytes("") + bytes("-wal")
    }
}
