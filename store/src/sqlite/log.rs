//! Small logs, which travel as base64, as the bytes that they are: a quarter less to write.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::{
    Result,
    types::{ToSql, ToSqlOutput, ValueRef},
};

use super::codec::unreadable;

/// A log as it is kept.
pub(super) enum Whole<'a> {
    Bytes(Vec<u8>),
    /// Text that base64 would not give back as it was.
    Text(&'a str),
}

impl<'a> Whole<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // The decoder refuses whatever the encoder would write differently.
        STANDARD.decode(text).map_or(Self::Text(text), Self::Bytes)
    }
}

impl ToSql for Whole<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Reads it back.
pub(super) fn whole(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Blob(bytes) => Some(STANDARD.encode(bytes)),
        ValueRef::Text(text) => {
            Some(std::str::from_utf8(text).map_err(|error| unreadable(column, error))?.to_owned())
        }
        ValueRef::Integer(_) | ValueRef::Real(_) => return Err(unreadable(column, "log")),
    })
}
