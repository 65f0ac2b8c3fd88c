//! What SQLite's errors mean to whoever uses the store.

use rusqlite::{Connection, Error, ffi};

use crate::{Fault, StoreError};

/// The system's numbers for a full disk, for a quota that is used up, and for a file that may not grow.
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;
const EFBIG: i32 = 27;

/// An error while doing something to the store's file.
pub(super) fn from_sql(doing: &str, name: &str, error: Error) -> StoreError {
    let fault = fault(&error);
    let said = if let Error::SqlInputError { msg, .. } = error {
        // Its words would go on with all of the SQL.
        msg
    } else {
        error.to_string()
    };
    StoreError::new(fault, format!("{doing} {name}: {said}"))
}

/// The same of the connection that writes, which still knows what the system said.
pub(super) fn from_writing(doing: &str, name: &str, error: Error, db: &Connection) -> StoreError {
    // SAFETY: the handle is that of an open connection, which nobody else uses meanwhile.
    let errno = unsafe { ffi::sqlite3_system_errno(db.handle()) };
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    let mut error = from_sql(doing, name, error);
    if errno != 0 && matches!(code & 0xff, ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN) {
        // SQLite's word for all of them is "disk I/O error".
        error.detail.push_str(&format!(": {}", std::io::Error::from_raw_os_error(errno)));
    }
    if is_full(code, errno) {
        error.fault = Fault::Full;
    }
    if errno == EFBIG && error.fault == Fault::Full {
        error.detail.push_str("; let Ostler write longer files (ulimit -f, LimitFSIZE=)");
        return error.with_cure();
    }
    error
}

/// No room, in SQLite's other words: of the file that readers and the writer share, or of a quota. Nothing was committed.
const fn is_full(code: i32, errno: i32) -> bool {
    let is_no_room = matches!(errno, ENOSPC | EDQUOT | EFBIG);
    match code {
        ffi::SQLITE_IOERR_SHMSIZE => true,
        ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_SHMMAP => {
            is_no_room
        }
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_IOERR_SHMOPEN => is_no_room,
        _ => false,
    }
}

/// The same of the operating system.
pub(crate) fn from_io(doing: &str, name: &str, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
    let fault = if full { Fault::Full } else { Fault::Io };
    // In words, it names the file already: one beside the store, perhaps.
    let said = error.get_ref().is_some();
    let detail =
        if said { format!("{doing}: {error}") } else { format!("{doing} {name}: {error}") };
    let error = StoreError::new(fault, detail);
    if said { error.with_cure() } else { error }
}

fn fault(error: &Error) -> Fault {
    match error.sqlite_error() {
        Some(error) => match error.extended_code & 0xff {
            ffi::SQLITE_FULL => Fault::Full,
            _ if error.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Fault::Full,
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Fault::Corrupt,
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Fault::Locked,
            ffi::SQLITE_IOERR
            | ffi::SQLITE_CANTOPEN
            | ffi::SQLITE_READONLY
            | ffi::SQLITE_PERM
            | ffi::SQLITE_AUTH
            | ffi::SQLITE_NOMEM
            | ffi::SQLITE_PROTOCOL => Fault::Io,
            _ => Fault::Misuse,
        },
        // What was read is not what was written.
        None if is_conversion(error) => Fault::Corrupt,
        None => Fault::Misuse,
    }
}

fn is_conversion(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_told_in_every_word_for_it() {
        for (code, errno, full) in [
            (ffi::SQLITE_IOERR_SHMSIZE, ENOSPC, true),
            (ffi::SQLITE_IOERR_SHMSIZE, 0, true),
            (ffi::SQLITE_IOERR_WRITE, EDQUOT, true),
            (ffi::SQLITE_IOERR_WRITE, ENOSPC, true),
            (ffi::SQLITE_IOERR_WRITE, EFBIG, true),
            (ffi::SQLITE_IOERR_WRITE, 5, false),
            // What an fsync could not write is lost, whatever the reason.
            (ffi::SQLITE_IOERR_FSYNC, ENOSPC, false),
            (ffi::SQLITE_IOERR_READ, ENOSPC, false),
        ] {
            assert_eq!(is_full(code, errno), full, "{code} {errno}");
        }
    }
}
