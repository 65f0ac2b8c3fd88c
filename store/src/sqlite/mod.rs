//! The embedded engine: one SQLite file, one connection that writes, a few that read.
//!
//! `synchronous=FULL` with a write-ahead log: a commit is one fsync of the log, and a reader never waits for the writer.
//! What the log holds is copied into the file by a thread of its own, not by the one that commits. It deliberately lacks
//! a cache of jobs: whoever schedules has those that wait in memory, and the others are read when somebody asks.

mod backup;
mod checkpoint;
mod codec;
mod fault;
mod find;
mod log;
mod open;
mod read;
mod schema;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ostler_job::{JobId, Wall, durable::Attempt};
use rusqlite::Row;

use self::{checkpoint::Checkpoints, open::Readers, write::Writer};
use crate::{Applied, Change, Event, Job, Loaded, Page, Query, Store, StoreError, Unfinished};

/// What is seldom set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Pages of 4 KiB in the log that make it worth copying into the file. A page that is written often is copied once
    /// each time, so that a longer log writes less in all and takes longer to open after a crash.
    pub checkpoint_pages: u32,
    /// Pages that the file may have, as if the disk were full then; `None`: as many as the disk holds.
    pub pages_max: Option<u32>,
}

impl Default for SqliteOptions {
    /// 32 MiB of log.
    fn default() -> Self {
        Self { checkpoint_pages: 8192, pages_max: None }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    // Fields are dropped in this order: the lock goes last.
    _checkpoints: Checkpoints,
    readers: Readers,
    writer: Arc<Mutex<Writer>>,
    _lock: open::Lock,
}

impl Sqlite {
    /// Opens the file, made when it is not there and migrated when an earlier version wrote it. As long as this lives,
    /// another one is refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// The same with options.
    pub fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let lock = open::lock(path)?;
        let db = open::writer(path, options.pages_max)?;
        let writer = Writer::new(db, name.clone());
        let writer = writer.map_err(|error| fault::from_sql("opening", &name, error))?;
        let writer = Arc::new(Mutex::new(writer));
        Ok(Self {
            path: path.to_owned(),
            _checkpoints: Checkpoints::start(path, &writer, options.checkpoint_pages)?,
            readers: Readers::new(path),
            writer,
            _lock: lock,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The new life is on the disk before the first job is given out.
    fn begin_life<T>(
        &self,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T),
    ) -> Result<Loaded, StoreError> {
        let (life, (last_job, last_event)) = {
            let mut writer = self.writer();
            let life = writer.transact("opening", |db, _| {
                let sql = "UPDATE meta SET value = value + 1 WHERE name = 'life' RETURNING value";
                db.query_row(sql, [], |row| codec::uint(row, 0))
            })?;
            (life, writer.last())
        };
        let tokens = self.readers.read(|db| {
            read::each_unfinished(db, read, each)?;
            read::tokens(db)
        })?;
        Ok(Loaded { life, next_job: JobId(last_job.0 + 1), last_event, tokens })
    }
}

impl Store for Sqlite {
    fn commit(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.writer().commit(changes)
    }

    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError> {
        self.begin_life(read::job, each)
    }

    fn load_unfinished(&self, each: &mut dyn FnMut(Unfinished)) -> Result<Loaded, StoreError> {
        self.begin_life(read::unfinished, each)
    }

    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.readers.read(|db| find::page(db, query))
    }

    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        self.readers.read(|db| read::one(db, job))
    }

    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError> {
        self.readers
            .read(|db| jobs.iter().filter_map(|job| read::one(db, *job).transpose()).collect())
    }

    fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(|db| read::attempts(db, job))
    }

    fn keyed(&self, key: &str) -> Result<Option<(String, Vec<JobId>)>, StoreError> {
        self.readers.read(|db| read::keyed(db, key))
    }

    fn succeeded_since(
        &self,
        tenant: &str,
        identity: &str,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError> {
        self.readers.read(|db| read::succeeded_since(db, tenant, identity, since))
    }

    fn prunable(
        &self,
        succeeded_before: Wall,
        others_before: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.readers.read(|db| read::prunable(db, succeeded_before, others_before, max))
    }

    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError> {
        self.readers.read(|db| read::payload_used(db, sha256))
    }

    fn tail(&self, after: u64, max: usize) -> Result<Vec<Event>, StoreError> {
        self.readers.read(|db| read::tail(db, after, max))
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        backup::copy(&self.path, to)
    }

    fn size(&self) -> u64 {
        let bytes = |suffix| {
            let path = open::suffixed(&self.path, suffix);
            path.metadata().map_or(0, |it| it.len())
        };
        bytes("") + bytes("-wal")
    }
}
