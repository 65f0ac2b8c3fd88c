//! What SQLite's errors mean to whoever uses the store.

use rusqlite::{Error, ffi};

use crate::{Fault, StoreError};

/// An error while doing something to the store's file.
pub(super) fn from_sql(doing: &str, name: &str, error: Error) -> StoreError {
    StoreError::new(fault(&error), format!("{doing} {name}: {error}"))
}

/// The same of the operating system.
pub(super) fn from_io(doing: &str, name: &str, error: &std::io::Error) -> StoreError {
    let full =
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let fault = if full { Fault::Full } else { Fault::Io };
    StoreError::new(fault, format!("{doing} {name}: {error}"))
}

fn fault(error: &Error) -> Fault {
    match error.sqlite_error() {
        Some(error) => match error.extended_code & 0xff {
            ffi::SQLITE_FULL => Fault::Full,
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
