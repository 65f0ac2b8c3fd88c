//! What became of the moments at which schedules fire, as rows.

use ostler_job::{
    JobId, Wall,
    durable::{Fate, Firing, ScheduleName},
};
use rusqlite::{Connection, Result, Row, params};

use super::{
    codec::{int, uint, unreadable},
    write::{self, Stop},
};
use crate::{Applied, Fault, StoreError};

/// Writes one in the place of what was written of that moment, unless that has a job that is another one.
pub(super) fn put(
    db: &Connection,
    schedule: &ScheduleName,
    firing: &Firing,
) -> write::Result<Applied> {
    let Firing { due, last, count, at, fate, job, by, detail } = firing;
    let sql = "INSERT INTO firing (schedule, due, last, count, at, fate, job, who, detail)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (schedule, due) DO UPDATE SET last = excluded.last, count = excluded.count, at = excluded.at,
            fate = excluded.fate, job = excluded.job, who = excluded.who, detail = excluded.detail
        WHERE job IS NULL OR job IS excluded.job";
    let rows = db.prepare_cached(sql)?.execute(params![
        schedule.as_str(),
        int(due.0),
        int(last.0),
        count,
        int(at.0),
        fate.number(),
        job.map(|job| int(job.0)),
        by,
        detail,
    ])?;
    if rows == 0 {
        let detail = format!("what was due of schedule {schedule} at {} has a job already", due.0);
        return Err(Stop::Told(StoreError::new(Fault::Fenced, detail)));
    }
    if job.is_some() {
        let sql = "UPDATE stand SET latest = ?2 WHERE schedule = ?1 AND latest < ?2";
        db.prepare_cached(sql)?.execute(params![schedule.as_str(), int(due.0)])?;
    }
    Ok(Applied::Done)
}

/// Those that do not wait and were decided before a moment go. What is kept is not looked at.
pub(super) fn forget(db: &Connection, before: Wall) -> write::Result<()> {
    db.prepare_cached(FORGET)?.execute([int(before.0)])?;
    Ok(())
}

const FORGET: &str = "DELETE FROM firing INDEXED BY firing_at WHERE fate <> 1 AND at < ?";

pub(super) fn page(
    db: &Connection,
    schedule: &ScheduleName,
    before: Option<Wall>,
    max: usize,
) -> Result<Vec<Firing>> {
    // What is before nothing is before the moment after the last.
    let last = before.map_or(i64::MAX, |before| int(before.0).saturating_sub(1));
    let row = params![schedule.as_str(), last, limit(max)];
    db.prepare_cached(PAGE)?.query_map(row, firing)?.collect()
}

const PAGE: &str = "SELECT due, last, count, at, fate, job, who, detail FROM firing
    WHERE schedule = ? AND due <= ? ORDER BY due DESC LIMIT ?";

pub(super) fn fired_after(
    db: &Connection,
    schedule: &ScheduleName,
    after: Wall,
    max: usize,
) -> Result<Vec<Wall>> {
    let row = params![schedule.as_str(), int(after.0), limit(max)];
    db.prepare_cached(FIRED)?.query_map(row, |row| uint(row, 0).map(Wall))?.collect()
}

const FIRED: &str = "SELECT due FROM firing WHERE schedule = ? AND due > ? AND job IS NOT NULL
    ORDER BY due LIMIT ?";

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn firing(row: &Row<'_>) -> Result<Firing> {
    let moment = |column| uint(row, column).map(Wall);
    let job = row.get::<_, Option<i64>>(5)?.map(u64::try_from).transpose();
    let job = job.map_err(|error| unreadable(5, error))?.map(JobId);
    let (fate, unknown) = fate(row.get(4)?, job.is_some());
    Ok(Firing {
        due: moment(0)?,
        last: moment(1)?,
        count: row.get(2)?,
        at: moment(3)?,
        fate,
        job,
        by: row.get(6)?,
        detail: unknown.or(row.get(7)?),
    })
}

/// The fate of a number, and what is to be said of one that a later version wrote: those beside it are shown all the same.
fn fate(number: i64, has_job: bool) -> (Fate, Option<String>) {
    let known = u8::try_from(number).ok().and_then(Fate::from_number);
    let likeliest = if has_job { Fate::Fired } else { Fate::Refused };
    let detail = || format!("its fate is unreadable: code {number}, which a later version wrote");
    (known.unwrap_or(likeliest), known.is_none().then(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(sql: &str) -> Vec<String> {
        let mut db = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut db, "memory").unwrap();
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![1; plan.parameter_count()];
        let values = rusqlite::params_from_iter(values);
        plan.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    }

    /// A table of firings may be large, and each look is for a few of them.
    #[test]
    fn firings_come_from_an_index_in_the_order_that_is_wanted() {
        for (sql, part) in [
            (FORGET, "INDEX firing_at (at<?)"),
            (PAGE, "PRIMARY KEY (schedule=? AND due<?)"),
            (FIRED, "PRIMARY KEY (schedule=? AND due>?)"),
        ] {
            let steps = steps(sql);
            assert!(steps.len() == 1 && steps[0].contains(part), "{sql}: {steps:?}");
            assert!(steps[0].starts_with("SEARCH"), "{sql}: {steps:?}");
        }
    }
}
