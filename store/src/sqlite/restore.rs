//! A copy in the place of a store that nobody has open.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rusqlite::OpenFlags;

use super::{fault, open, paths, schema};
use crate::{Fault, StoreError};

/// What was put in the place of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Jobs in it, and how many of them have not finished.
    pub jobs: (u64, u64),
    /// Where the store that was there before is now; `None`: there was none.
    pub aside: Option<PathBuf>,
}

/// Checks the copy, sets aside what is there, and puts the copy in its place, marked as one.
pub(super) fn put(path: &Path, from: &Path) -> Result<Restored, StoreError> {
    let _lock = open::lock(path)?;
    let name = from.display().to_string();
    let partial = paths::suffixed(path, ".restoring");
    let logs = |path: &Path| ["-wal", "-shm"].map(|suffix| paths::suffixed(path, suffix));
    let remove = || {
        for file in logs(&partial).iter().chain([&partial]) {
            // A rest of an earlier try, perhaps, or none.
            let _gone = ostler_private::remove(file);
        }
    };
    refuse_own(path, from)?;
    remove();
    let made = copy(from, &partial)
        // A copy made by hand may have its log beside it.
        .and_then(|()| copy_if_there(&logs(from)[0], &logs(&partial)[0]))
        .map_err(|error| fault::from_io("copying", &name, &error))
        .and_then(|()| mark(&partial, &name))
        .and_then(|jobs| Ok((jobs, in_place(path, &partial)?)));
    remove();
    made.map(|(jobs, aside)| Restored { jobs, aside })
}

fn refuse_own(path: &Path, from: &Path) -> Result<(), StoreError> {
    let file = |path: &Path| path.metadata().map(|it| (it.dev(), it.ino())).ok();
    if file(path).is_some_and(|it| Some(it) == file(from)) {
        let detail = format!("{} is the store itself and no copy of it", from.display());
        return Err(StoreError::new(Fault::Misuse, detail));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = ostler_private::open(from)?;
    let mut into = ostler_private::create_new(to)?;
    io::copy(&mut from, &mut into).and_then(|_| into.sync_all()).map_err(ostler_private::named(to))
}

fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Checks that it is a whole store, brings it to the present version, and marks it as a copy. Answers its jobs.
fn mark(partial: &Path, name: &str) -> Result<(u64, u64), StoreError> {
    let sql = |error| fault::from_sql("reading", name, error);
    schema::check(&open::reader(partial, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sql)?, name)?;
    let db = open::writer(partial, None)?;
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if sound != "ok" {
        return Err(StoreError::new(Fault::Corrupt, format!("{name} is damaged: {sound}")));
    }
    db.execute("UPDATE meta SET value = 1 WHERE name = 'copy'", []).map_err(sql)?;
    let count = "SELECT count(*), ifnull(sum(NOT finished), 0) FROM job";
    let jobs = db
        .query_row(count, [], |row| Ok((super::codec::uint(row, 0)?, super::codec::uint(row, 1)?)))
        .map_err(sql)?;
    // Closed in order, its log is home and gone.
    db.close().map_err(|(_, error)| sql(error))?;
    Ok(jobs)
}

/// Nothing is there for a moment, and never two halves: the store that was there keeps its log under its new name.
fn in_place(path: &Path, partial: &Path) -> Result<Option<PathBuf>, StoreError> {
    let name = path.display().to_string();
    let io = |error: io::Error| fault::from_io("replacing", &name, &error);
    ostler_private::sync(partial).map_err(io)?;
    let free = |it: &PathBuf| it.symlink_metadata().is_err();
    let aside = (1..)
        .map(|n| paths::suffixed(path, &format!(".before-{n}")))
        .find(free)
        .filter(|_| path.symlink_metadata().is_ok());
    for suffix in ["-wal", "-shm", ""] {
        let file = paths::suffixed(path, suffix);
        if file.symlink_metadata().is_err() {
            continue;
        }
        match &aside {
            Some(aside) => {
                ostler_private::rename(&file, &paths::suffixed(aside, suffix)).map_err(io)?;
            }
            // A log without its file.
            None => ostler_private::remove(&file).map_err(io)?,
        }
    }
    ostler_private::rename(partial, path).and_then(|()| paths::sync_folder(path)).map_err(io)?;
    Ok(aside)
}
