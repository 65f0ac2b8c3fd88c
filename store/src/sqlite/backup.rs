//! A copy of the store while it is in use.

use std::{fs, io, path::Path};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{fault, open, paths};
use crate::{Fault, StoreError};

/// Pages copied at a time.
const STEP: i32 = 256;

/// Copies the whole file in one transaction that reads, so that it is of one moment and never begins anew because
/// somebody writes. It gets its name when it is whole and on the disk.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let name = to.display().to_string();
    let io = |error: io::Error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return StoreError::new(Fault::Misuse, format!("{name} is there already"));
        }
        fault::from_io("writing the backup", &name, &error)
    };
    if to.symlink_metadata().is_ok() {
        return Err(io(io::ErrorKind::AlreadyExists.into()));
    }
    let partial = paths::suffixed(to, ".partial");
    // As private as the store itself; a link to it is as well.
    ostler_private::create_new(&partial).map(drop).map_err(io)?;
    let done = pages(from, &partial)
        .map_err(|error| fault::from_sql("writing the backup", &name, error))
        .and_then(|()| {
            // A hard link, because a rename would replace a file that somebody has made meanwhile.
            ostler_private::sync(&partial)
                .and_then(|()| fs::hard_link(&partial, to).map_err(ostler_private::named(to)))
                .map_err(io)
        });
    // A half copy is of no use, and a whole one has its own name by now.
    let _left = ostler_private::remove(&partial);
    done.and_then(|()| paths::sync_folder(to).map_err(io))
}

fn pages(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let from = open::reader(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut to = Connection::open(to)?;
    // It is fsynced whole.
    to.pragma_update(None, "synchronous", "OFF")?;
    to.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    let snapshot = from.unchecked_transaction()?;
    // The transaction begins with what it reads first.
    snapshot.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
    let backup = Backup::new(&snapshot, &mut to)?;
    while backup.step(STEP)? == StepResult::More {}
    drop(backup);
    // Whoever begins a term of it knows that numbers were given since.
    to.execute("UPDATE meta SET value = 1 WHERE name = 'copy'", []).map(drop)
}
