//! Pages of what has finished, in the order of when it did: a walk along the index of that.
//!
//! Every row of the index is looked at, so that it is known how far the walk has come; SQL says of each whether it is meant.

use ostler_job::{JobId, Wall, durable::Cursor};
use rusqlite::{Connection, Result, params_from_iter, types::Value};

use super::{
    codec::{int, uint},
    conditions::{Conditions, is_of_spec},
    find::Taking,
    read,
    walk::{Ids, SHORTEST},
};
use crate::{Query, ReadLimit};

/// Rows between two looks at the clock.
const ROWS: i64 = 64;

pub(super) fn page(
    db: &Connection,
    taking: &mut Taking<'_>,
    ids: &Ids,
    limit: &ReadLimit,
) -> Result<()> {
    let mut seen = 0;
    for (sql, values) in statements(taking.query) {
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let cursor = Cursor { at: Wall(uint(row, 0)?), id: JobId(uint(row, 1)?) };
            let is_meant = row.get::<_, Option<bool>>(2)? == Some(true);
            if is_meant && ids.contains(int(cursor.id.0)) && !take(db, taking, cursor)? {
                return Ok(());
            }
            seen += 1;
            if seen >= SHORTEST && seen % ROWS == 0 && limit.is_over() {
                taking.end(cursor);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// `false`: the page is full.
fn take(db: &Connection, taking: &mut Taking<'_>, cursor: Cursor) -> Result<bool> {
    let job = read::one(db, cursor.id)?.filter(|job| taking.query.filter.matches(job));
    Ok(job.is_none_or(|job| taking.take(job)))
}

/// One after the other: whatever else finished at the very moment where the page before ended, which may be many, and the rest.
pub(super) fn statements(query: &Query) -> Vec<(String, Vec<Value>)> {
    let filter = &query.filter;
    let conditions = Conditions::of(filter, None);
    let is_downwards = query.sort.is_downwards();
    let statement = |rows: &str, bounds: [i64; 2]| {
        let meant = conditions.sql();
        let spec = if is_of_spec(filter) { "CROSS JOIN spec ON spec.job = job.id" } else { "" };
        let order = if is_downwards { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT finished_at, job.id, ({meant}) FROM job INDEXED BY job_finished {spec}
             WHERE {rows} ORDER BY finished_at {order}, job.id {order}"
        );
        (sql, conditions.values.iter().cloned().chain(bounds.map(Value::Integer)).collect())
    };
    let mut low = filter.finished_since.map_or(0, |since| int(since.0));
    let mut above = filter.finished_until.map_or(i64::MAX, |until| int(until.0));
    let mut all = Vec::new();
    if let Some((at, id)) = query.after.map(|it| (int(it.at.0), int(it.id.0))) {
        let beyond = if is_downwards { "job.id < ?" } else { "job.id > ?" };
        all.push(statement(&format!("finished_at = ? AND {beyond}"), [at, id]));
        match is_downwards {
            true => above = above.min(at),
            false => low = low.max(at.saturating_add(1)),
        }
    }
    all.push(statement("finished_at >= ? AND finished_at < ?", [low, above]));
    all
}
