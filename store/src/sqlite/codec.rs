//! Values of the store's words in SQLite's types.

use std::fmt;

use ostler_job::{
    JobId, Wall,
    durable::{JobState, QueueName, Reason},
};
use rusqlite::{Error, Row, types::Type};
use serde::de::DeserializeOwned;

use crate::EventKind;

/// Something in the file that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

pub(super) fn unreadable(column: usize, what: impl fmt::Display) -> Error {
    let what = Box::new(Unreadable(format!("unreadable {what}")));
    Error::FromSqlConversionFailure(column, Type::Null, what)
}

/// SQLite's integers are signed; what is above them is as good as their end.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn moment(at: Option<Wall>) -> Option<i64> {
    at.map(|at| int(at.0))
}

pub(super) fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| unreadable(column, error))
}

pub(super) fn wall(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Wall>> {
    let at = row.get::<_, Option<i64>>(column)?.map(u64::try_from).transpose();
    Ok(at.map_err(|error| unreadable(column, error))?.map(Wall))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<JobState> {
    coded(JobState::from_number, row, column)
}

pub(super) fn queue_name(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<QueueName>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else { return Ok(None) };
    let name = QueueName::new(text);
    name.map(Some).ok_or_else(|| unreadable(column, format_args!("name of a queue {text:?}")))
}

pub(super) fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Reason>> {
    if row.get_ref(column)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    coded(Reason::from_number, row, column).map(Some)
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EventKind> {
    coded(EventKind::from_number, row, column)
}

fn coded<T>(from_number: fn(u8) -> Option<T>, row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let number = row.get::<_, u8>(column)?;
    from_number(number).ok_or_else(|| unreadable(column, format_args!("code {number}")))
}

/// A job's identity as the index has it: FNV-1a, without its lowest bit to be an `i64`. Two identities may share one,
/// so whoever looks by it compares the words too.
pub(super) fn identity(words: &str) -> i64 {
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    int(hash >> 1)
}

/// Work that asked for a dedupe is found by a tag that nobody can give: theirs have no control characters.
pub(super) fn content_tag(content: u64) -> String {
    format!("\u{1}content {content:016x}")
}

/// A list of ids as text.
pub(super) fn ids(jobs: &[JobId]) -> String {
    let list: Vec<_> = jobs.iter().map(|job| job.0.to_string()).collect();
    format!("[{}]", list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_found_by_the_hash_that_others_have() {
        // The published value for FNV-1a.
        assert_eq!(identity("a"), int(0xaf63_dc4c_8601_ec8c >> 1));
    }
}
