//! Connections, and the lock that keeps others away.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    fault,
    history::HistoryFile,
    paths::{suffixed, sync_folder},
    schema,
};
use crate::{Fault, StoreError};

/// Bytes of a page. A commit writes whole pages, so that small ones suit a store of small commits.
const PAGE: u32 = 4096;
/// KiB of pages that the writer keeps in memory, and each reader. When a balanced page was renumbered on its way, SQLite
/// looks at every page of the writer's cache before the commit is over; with 32 MiB that was a tenth of a job's cost.
const CACHE: (u32, u32) = (8 * 1024, 2 * 1024);
/// KiB of changed pages that the writer holds before it writes ahead of the commit.
const SPILL: u32 = 32 * 1024;

/// Holds others off until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Closing alone is not enough: a process that was just forked has the file as well, until its exec.
    fn drop(&mut self) {
        // The lock goes with the process at the latest.
        let _later = self.0.unlock();
    }
}

/// Takes the lock of a store's file: a file beside it, because SQLite's own locks are lost as soon as anybody in the
/// process closes the file.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let name = path.display().to_string();
    let beside = suffixed(path, "-lock");
    let open = ostler_private::lock(&beside);
    let file = open.map_err(|error| fault::from_io("locking", &name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::new(Fault::Locked, format!("{name} is open in another process")))
        }
        Err(TryLockError::Error(error)) => {
            Err(fault::from_io("locking", &name, &ostler_private::named(&beside)(error)))
        }
    }
}

/// Opens the file for writing, makes or migrates it, and brings everything in its log home.
pub(super) fn writer(path: &Path, pages_max: Option<u32>) -> Result<Connection, StoreError> {
    let name = path.display().to_string();
    // SQLite's error would name neither of the files beside it.
    ["", "-wal", "-shm"]
        .iter()
        .try_for_each(|suffix| ostler_private::look(&suffixed(path, suffix)))
        .map_err(|error| fault::from_io("opening", &name, &error))?;
    refuse_emptied(path, &name)?;
    let fresh = !path.exists();
    // What jobs run and what they are given is nobody else's. The log takes its mode from the file.
    let made = ostler_private::append(path);
    made.map(drop).map_err(|error| fault::from_io("opening", &name, &error))?;
    let mut db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| fault::from_sql("opening", &name, error))?;
    let failed = |error, db: &Connection| fault::from_writing("opening", &name, error, db);
    writer_pragmas(&db).map_err(|error| failed(error, &db))?;
    schema::migrate(&mut db, &name)?;
    // After an fsync that failed, the system may show what is not on the disk. Copied into the file and fsynced there, it
    // is; and the log begins anew, so that nothing acknowledged from now on stands behind a hole.
    let busy: i64 = db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| failed(error, &db))?;
    if busy != 0 {
        return Err(StoreError::new(Fault::Locked, format!("{name} is read by another process")));
    }
    if let Some(pages) = pages_max {
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(|error| failed(error, &db))?;
    }
    if fresh {
        sync_folder(path).map_err(|error| fault::from_io("opening", &name, &error))?;
    }
    Ok(db)
}

/// A file without a byte is a new store to SQLite. One that was in use has lost everything, to a power cut perhaps, and nobody is to
/// take it for a store in which nothing was ever done.
fn refuse_emptied(path: &Path, name: &str) -> Result<(), StoreError> {
    let is_empty = |path: &Path| path.metadata().is_ok_and(|data| data.len() == 0);
    let log = suffixed(path, "-wal");
    if is_empty(path) && (is_empty(&log) || !log.exists()) {
        let known = HistoryFile::of(path)?.known;
        if known.is_some_and(|it| it.epoch > 0) {
            let detail = format!("{name} has been emptied: nothing is in it of what was stored");
            return Err(StoreError::new(Fault::Corrupt, detail));
        }
    }
    Ok(())
}

/// Another connection: reads, or copies the log into the file.
pub(super) fn reader(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    pragmas(&db, CACHE.1)?;
    Ok(db)
}

/// The connection's end copies nothing home, even when it is the last one. The next opening does.
pub(super) fn leave_log(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// A log that somebody who read for long has let grow gives its room back when it begins anew, and keeps what it usually
/// needs.
pub(super) fn bound_log(db: &Connection, pages: u32) -> rusqlite::Result<()> {
    let bytes = 2 * i64::from(pages) * i64::from(PAGE);
    db.pragma_update_and_check(None, "journal_size_limit", bytes, |_| Ok(()))
}

fn writer_pragmas(db: &Connection) -> rusqlite::Result<()> {
    pragmas(db, CACHE.0)?;
    db.pragma_update(None, "cache_spill", -i64::from(SPILL))?;
    db.pragma_update(None, "page_size", PAGE)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

fn pragmas(db: &Connection, cache: u32) -> rusqlite::Result<()> {
    // A plan is made once for a statement. Otherwise SQLite makes it anew for each value bound to one that an index with a
    // condition might serve, which cost more than all else of reading a job.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -i64::from(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_was_emptied_is_not_taken_for_a_new_one() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("store.db");
        // Never used: a start that was cut short left it.
        std::fs::write(&path, "").expect("there is room");
        let store = crate::Sqlite::open(&path).expect("it opens");
        crate::Store::begin(&store, 1).expect("a term begins");
        drop(store);
        let log = suffixed(&path, "-wal");
        for left in [None, Some("")] {
            std::fs::write(&path, "").expect("there is room");
            let _none = std::fs::remove_file(&log);
            if let Some(text) = left {
                std::fs::write(&log, text).expect("there is room");
            }
            let error = crate::Sqlite::open(&path).map(drop).expect_err("it is refused");
            assert_eq!(error.fault, Fault::Corrupt, "{error}");
            assert_eq!(path.metadata().expect("it is there").len(), 0, "it is left as it is");
        }
        // Whoever wants to begin anew says so.
        std::fs::remove_file(&path).expect("it is there");
        crate::Sqlite::open(&path).map(drop).expect("it opens");
    }

    #[test]
    fn whatever_cannot_be_opened_has_one_cure_that_fits() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("store.db");
        let store = crate::Sqlite::open(&path).expect("it opens");
        crate::Store::begin(&store, 1).expect("a term begins");
        drop(store);
        let other = folder.path().join("other");
        std::fs::create_dir(&other).expect("there is room");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("there is room");
        for name in ["", "-wal", "-shm", "-history", "-lock"] {
            for to in [Path::new("/dev/full"), Path::new("/dev/zero"), &pipe, &other] {
                let it = suffixed(&path, name);
                let kept = suffixed(&path, "-kept");
                let was = std::fs::rename(&it, &kept).is_ok();
                std::os::unix::fs::symlink(to, &it).expect("there is room");
                let error = crate::Sqlite::open(&path).map(drop).expect_err("it is refused");
                assert_eq!(error.fault, Fault::Io, "{name} {to:?}: {error}");
                let told = error.to_string();
                assert!(told.contains(&it.display().to_string()), "{told}");
                assert!(told.ends_with("move it away; accepting goes on by itself then"), "{told}");
                assert!(error.at_start().ends_with("move it away; then do it again"));
                std::fs::remove_file(&it).expect("it is there");
                if was {
                    std::fs::rename(&kept, &it).expect("it is there");
                }
            }
        }
        crate::Sqlite::open(&path).map(drop).expect("it opens");
    }

    /// What a 202 promises: every commit is fsynced before it returns.
    #[test]
    fn every_connection_that_writes_fsyncs_its_commits() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("store.db");
        let writer = writer(&path, None).expect("it opens");
        let checkpoints = reader(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("it opens");
        for db in [writer, checkpoints] {
            let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            assert_eq!(number("synchronous"), Ok(2), "FULL");
        }
    }
}
