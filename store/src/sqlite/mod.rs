//! The embedded engine: one SQLite file, one connection that writes, a few that read.
//!
//! `synchronous=FULL` with a write-ahead log: a commit is one fsync of the log, and a reader never waits for the writer.
//! What the log holds is copied into the file by a thread of its own, not by the one that commits. It deliberately lacks
//! a cache of jobs: whoever schedules has those that wait in memory, and the others are read when somebody asks.

mod backup;
mod checkpoint;
mod codec;
mod conditions;
mod contract;
mod count;
mod fault;
mod few;
mod find;
mod finished;
mod firings;
mod history;
mod invariants;
mod log;
mod open;
mod paths;
mod place;
mod query_plan;
mod read;
mod readers;
mod refused;
mod restore;
mod schedules;
mod schema;
mod walk;
mod write;
mod writer;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ostler_job::JobId;
use rusqlite::{Connection, Row};

pub(crate) use fault::from_io;
pub use restore::Restored;

use self::{
    checkpoint::Checkpoints, place::Place, readers::Readers, refused::Refused, writer::Writer,
};
use crate::{Fault, Loaded, StoreError};

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
    options: SqliteOptions,
    /// Or why there is none: the file is not open yet, or cannot be opened; another one takes its place when a write has failed
    /// and a new term begins.
    engine: RwLock<Result<Engine, StoreError>>,
    /// As long as it was not opened.
    refused: Mutex<Option<Refused>>,
    /// Its jobs were read: it is a store, and in use from then on.
    used: AtomicBool,
    // Dropped last.
    held: RwLock<Option<Held>>,
}

/// What is kept from when the file was opened first.
#[derive(Debug)]
struct Held {
    /// The file itself, whatever becomes of its log.
    file: Place,
    _lock: open::Lock,
}

/// Everything that has the file open.
#[derive(Debug)]
struct Engine {
    // Fields are dropped in this order.
    _checkpoints: Checkpoints,
    readers: Readers,
    writer: Arc<Mutex<Writer>>,
    place: Arc<Place>,
}

impl Engine {
    fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let db = open::writer(path, options.pages_max)?;
        open::bound_log(&db, options.checkpoint_pages)
            .map_err(|error| fault::from_sql("opening", &path.display().to_string(), error))?;
        let writer = Arc::new(Mutex::new(Writer::new(db, path)?));
        let place = Arc::new(Place::with_log(path)?);
        Ok(Self {
            _checkpoints: Checkpoints::start(path, &writer, options.checkpoint_pages)?,
            readers: Readers::new(path, place.clone()),
            writer,
            place,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sqlite {
    /// Opens the file, made when it is not there and migrated when an earlier version wrote it. As long as this lives,
    /// another one is refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// The same with options.
    pub fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let store = Self::of(path, options);
        store.open_first()?;
        Ok(store)
    }

    /// The file at this path, which is opened when a term begins. Until it can be, everything fails with what is wrong.
    pub fn at(path: &Path) -> Self {
        Self::of(path, SqliteOptions::default())
    }

    fn of(path: &Path, options: SqliteOptions) -> Self {
        let shut = StoreError::new(Fault::Unknown, format!("{} is not open yet", path.display()));
        let (engine, refused) = (RwLock::new(Err(shut)), Mutex::default());
        let (used, held) = (AtomicBool::new(false), RwLock::default());
        Self { path: path.to_owned(), options, engine, refused, used, held }
    }

    /// Opens the file for the first time. What was refused is left alone, its lock too, so that somebody can mend it.
    fn open_first(&self) -> Result<(), StoreError> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = &mut *refused {
            refused.check(&self.path)?;
        }
        let opened = open::lock(&self.path).and_then(|lock| {
            let engine = Engine::open(&self.path, self.options).map_err(damaged)?;
            Ok((engine, Held { file: Place::of(&self.path)?, _lock: lock }))
        });
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok((opened, held)) => {
                *engine = Ok(opened);
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
                Ok(())
            }
            Err(error) => {
                *refused = Some(Refused::new(&self.path, error.clone()));
                *engine = Err(error.clone());
                Err(error)
            }
        }
    }

    /// What turns out to be damaged before it was used is as one that could not be opened.
    fn fit<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let done = if self.used.load(Relaxed) { done } else { done.map_err(damaged) };
        if let Err(error) = &done
            && refused::lasts(error)
            && !self.used.load(Relaxed)
        {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Err(error.clone());
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = None;
            *refused = Some(Refused::new(&self.path, error.clone()));
        }
        done
    }

    /// Whether the file is where it was opened; `None`: it is not open.
    fn is_held(&self) -> Option<Result<(), StoreError>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|held| held.file.check())
    }

    /// Puts a copy, made by [`crate::Store::backup`] or by hand, in the place of a store that nobody has open. What was there is
    /// set aside, and the next term gives no number again that may have been given since the copy was made.
    pub fn restore(path: &Path, from: &Path) -> Result<Restored, StoreError> {
        restore::put(path, from).map_err(StoreError::of_copy)
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.engine.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(engine) => work(engine),
            Err(error) => Err(error.clone()),
        }
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with(|engine| engine.readers.read(work))
    }

    /// Opens the file anew when a write has failed: what the log holds is copied home and fsynced there, so that nothing
    /// acknowledged from then on stands behind a hole.
    fn mend(&self) -> Result<(), StoreError> {
        // What has the name now is not opened in its stead.
        let Some(held) = self.is_held() else { return self.open_first() };
        held?;
        let is_well =
            |engine: &Engine| engine.place.check().map(|()| engine.writer().broken.is_none());
        if self.with(is_well).unwrap_or(false) {
            return Ok(());
        }
        // As long as nothing can be written, what there is can be read: it is not closed for nothing.
        self.probe()?;
        let detail = format!("{} is being opened anew", self.path.display());
        // Closed first: the log is copied home only when nobody reads. Who asks meanwhile does not wait for the disk.
        drop(self.put(Err(StoreError::new(Fault::Unknown, detail))));
        let opened = Engine::open(&self.path, self.options);
        let outcome = opened.as_ref().map(|_| ()).map_err(Clone::clone);
        drop(self.put(opened));
        outcome
    }

    /// Another one, or none, takes the place of what was open.
    fn put(&self, engine: Result<Engine, StoreError>) -> Result<Engine, StoreError> {
        let mut place = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, engine)
    }

    /// Whether anything can be written beside the file, and is on the disk then.
    fn probe(&self) -> Result<(), StoreError> {
        let path = paths::suffixed(&self.path, "-probe");
        let written = ostler_private::truncated(&path).and_then(|mut file| {
            let written = file.write_all(&[0; 4096]).and_then(|()| file.sync_all());
            written.map_err(ostler_private::named(&path))?;
            ostler_private::remove(&path)
        });
        written.map_err(|error| from_io("writing beside", &self.path.display().to_string(), &error))
    }

    fn load_as<T>(
        &self,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T),
    ) -> Result<Loaded, StoreError> {
        let loaded = self.with(|engine| {
            let (last_job, last_event) = engine.writer().last();
            let found = engine.readers.read(|db| {
                read::each_unfinished(db, read, each)?;
                Ok((read::tokens(db)?, read::kept_at(db)?))
            })?;
            let (tokens, kept_at) = found;
            let next_job = JobId(last_job.0.saturating_add(1));
            Ok(Loaded { next_job, last_event, kept_at, tokens })
        });
        self.used.fetch_or(loaded.is_ok(), Relaxed);
        self.fit(loaded)
    }
}

/// Whoever opens a file asks for nothing that a whole one has not: a table, a row.
fn damaged(mut error: StoreError) -> StoreError {
    if error.fault == Fault::Misuse {
        error.fault = Fault::Corrupt;
    }
    error
}
