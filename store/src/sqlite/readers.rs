//! Connections that read. SQLite's log lets them see a whole past while the writer goes on.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use rusqlite::{Connection, OpenFlags};

use super::{fault, open, place::Place};
use crate::StoreError;

/// Readers that are kept for the next query.
const KEPT: usize = 4;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 2000;

/// See the module.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    place: Arc<Place>,
    free: Mutex<Vec<Reader>>,
}

#[derive(Debug)]
struct Reader {
    db: Connection,
    alarm: Deadline,
}

impl Reader {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let mut db = open::reader(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // A look has some statements for each condition.
        db.set_prepared_statement_cache_capacity(64);
        let alarm = Deadline::new();
        let rings = alarm.clone();
        db.progress_handler(STEPS, Some(move || rings.rings()))?;
        Ok(Self { db, alarm })
    }
}

/// Interrupts what a connection does at a moment.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    base: Instant,
    /// Nanoseconds after the base; 0: never.
    at: Arc<AtomicU64>,
}

/// Until it is dropped, the alarm may ring.
#[derive(Debug)]
pub(super) struct DeadlineGuard<'a>(&'a Deadline);

impl Drop for DeadlineGuard<'_> {
    fn drop(&mut self) {
        self.0.at.store(0, Relaxed);
    }
}

impl Deadline {
    fn new() -> Self {
        Self { base: Instant::now(), at: Arc::default() }
    }

    pub(super) fn set(&self, at: Instant) -> DeadlineGuard<'_> {
        let after = at.saturating_duration_since(self.base).as_nanos();
        self.at.store(u64::try_from(after).unwrap_or(0), Relaxed);
        DeadlineGuard(self)
    }

    fn rings(&self) -> bool {
        match self.at.load(Relaxed) {
            0 => false,
            at => self.base.elapsed().as_nanos() >= u128::from(at),
        }
    }
}

impl Readers {
    pub(super) fn new(path: &Path, place: Arc<Place>) -> Self {
        Self { path: path.to_owned(), place, free: Mutex::default() }
    }

    /// Reads with a connection of its own, in one transaction.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.read_with(|db, _| work(db))
    }

    /// The same, with the alarm that interrupts it.
    pub(super) fn read_with<T>(
        &self,
        work: impl FnOnce(&Connection, &Deadline) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let kept = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if kept.is_none() {
            // What has the name now may be something else.
            self.place.check()?;
        }
        let done = kept.map_or_else(|| Reader::open(&self.path), Ok).and_then(|reader| {
            let snapshot = reader.db.unchecked_transaction()?;
            let done = work(&snapshot, &reader.alarm)?;
            snapshot.commit()?;
            Ok((done, reader))
        });
        let name = self.path.display().to_string();
        let (done, reader) = done.map_err(|error| fault::from_sql("reading", &name, error))?;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(reader);
        }
        Ok(done)
    }
}
