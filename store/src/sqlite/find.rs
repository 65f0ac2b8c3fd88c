//! Pages of a filter.
//!
//! SQL narrows, [`Filter::matches`](crate::Filter::matches) decides. Rows come newest first from an index that suits the
//! filter, one stretch of ids after the other: after each it is known how far the look has come, so that one that takes
//! long can end there and go on another time. A stretch is as long as some milliseconds allow.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use ostler_job::JobId;
use rusqlite::{Connection, ErrorCode, Result, Rows, params_from_iter, types::Value};

use super::{
    codec::int,
    query_plan::{QueryPlan, Range, choices, rarest, top},
    read,
    readers::Deadline,
};
use crate::{Job, Page, Query, ReadLimit};

/// Ids of the first stretch, and of the shortest: this many rows are always looked at in one go.
const SHORTEST: i64 = 1024;
/// A stretch that took less is followed by a longer one.
const QUICK: Duration = Duration::from_millis(4);
/// A stretch that takes more is broken off and begun anew as a shorter one.
const SLOW: Duration = Duration::from_millis(20);

pub(super) fn page(
    db: &Connection,
    alarm: &Deadline,
    query: &Query,
    limit: &ReadLimit,
) -> Result<Page> {
    if query.limit == 0 {
        return Ok(Page::default());
    }
    let mut taking = Taking { query, page: Page::default() };
    if query.filter.ids.is_empty() {
        scan(db, alarm, &mut taking, limit)?;
    } else {
        look_up(db, &mut taking)?;
    }
    Ok(taking.page)
}

struct Taking<'a> {
    query: &'a Query,
    page: Page,
}

impl Taking<'_> {
    /// Jobs that fill the page, and one that shows that there are more.
    fn wanted(&self) -> usize {
        (self.query.limit - self.page.jobs.len()).saturating_add(1)
    }

    /// `false`: the page is full.
    fn take(&mut self, job: Job) -> bool {
        if self.page.jobs.len() == self.query.limit {
            self.page.next = self.page.jobs.last().map(|job| job.id);
            return false;
        }
        self.page.jobs.push(job);
        true
    }
}

/// The jobs that are named.
fn look_up(db: &Connection, taking: &mut Taking<'_>) -> Result<()> {
    let below = taking.query.below.unwrap_or(JobId(u64::MAX));
    let mut ids: Vec<_> = taking.query.filter.ids.iter().filter(|id| **id < below).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    for id in ids {
        let job = read::one(db, *id)?.filter(|job| taking.query.filter.matches(job));
        if !job.is_none_or(|job| taking.take(job)) {
            break;
        }
    }
    Ok(())
}

fn scan(
    db: &Connection,
    alarm: &Deadline,
    taking: &mut Taking<'_>,
    limit: &ReadLimit,
) -> Result<()> {
    let choices = choices(&taking.query.filter);
    let range = Range::of(db, &taking.query.filter)?;
    let mut above = top(db, taking.query.below)?;
    let mut length = SHORTEST;
    loop {
        if above <= range.tail {
            above = above.min(range.early);
        }
        if above <= range.floor {
            return Ok(());
        }
        let mut low = range.floor.max(above.saturating_sub(length));
        if above > range.tail {
            low = low.max(range.tail);
        }
        let (since, kept) = (Instant::now(), taking.page.jobs.len());
        // The shortest is looked through to its end, so that every look comes further.
        let _set = (length > SHORTEST).then(|| alarm.set(since + SLOW));
        match stretch(db, &choices, low, above, taking) {
            Ok(false) => return Ok(()),
            Ok(true) => above = low,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                taking.page.jobs.truncate(kept);
                length = (length / 8).max(SHORTEST);
            }
            Err(error) => return Err(error),
        }
        if above > range.floor && limit.is_over() {
            taking.page.next = Some(JobId(above.unsigned_abs()));
            taking.page.partial = taking.page.jobs.len() < taking.query.limit;
            return Ok(());
        }
        if since.elapsed() < QUICK {
            length = length.saturating_mul(4);
        }
    }
}

/// Takes what the ways of the rarest choice give of a stretch, newest first. `false`: the page is full.
///
/// One after the other, each only as far down as those before it leave room: what one of them has to look through and does
/// not keep would be in vain below that.
fn stretch(
    db: &Connection,
    choices: &[Vec<QueryPlan>],
    mut low: i64,
    above: i64,
    taking: &mut Taking<'_>,
) -> Result<bool> {
    let wanted = taking.wanted();
    let mut found = Vec::new();
    for way in rarest(db, choices, low, above)? {
        let mut statement = db.prepare_cached(&way.sql())?;
        let bounds = [Value::Integer(low), Value::Integer(above)];
        let mut rows = statement.query(params_from_iter(way.values.iter().chain(&bounds)))?;
        let mut own = 0;
        while own < wanted
            && let Some(job) = next(&mut rows)?
        {
            if taking.query.filter.matches(&job) {
                found.push(job);
                own += 1;
            }
        }
        found.sort_unstable_by_key(|job: &Job| Reverse(job.id));
        found.truncate(wanted);
        if found.len() == wanted {
            low = found.last().map_or(low, |last| int(last.id.0));
        }
    }
    Ok(found.into_iter().all(|job| taking.take(job)))
}

fn next(rows: &mut Rows<'_>) -> Result<Option<Job>> {
    rows.next()?.map(read::job).transpose()
}

#[cfg(test)]
mod tests {
    use ostler_job::{Wall, durable::JobState};

    use super::*;
    use crate::Filter;

    /// Every way gives rows as it goes: a plan that sorted would read all of them before the first.
    #[test]
    fn no_way_sorts() {
        let mut db = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut db, "memory").unwrap();
        let text = || Some("x".to_owned());
        let filters = [
            Filter::default(),
            Filter { states: vec![JobState::Dead, JobState::Running], ..Filter::default() },
            Filter { states: vec![JobState::Dead, JobState::Succeeded], ..Filter::default() },
            Filter { identity: text(), ..Filter::default() },
            Filter { tenant: text(), text: text(), ..Filter::default() },
            Filter { tags: vec![String::new(), String::new()], ..Filter::default() },
            Filter { exit_status: Some((0, true)), ..Filter::default() },
            Filter { exit_status: Some((0, false)), ..Filter::default() },
            Filter { exit_status: Some((3, true)), ..Filter::default() },
            Filter { exit_status: Some((1, false)), runner: text(), ..Filter::default() },
            Filter { since: Some(Wall(1)), until: Some(Wall(2)), ..Filter::default() },
        ];
        for way in filters.iter().flat_map(choices).flatten() {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", way.sql())).unwrap();
            let bounds = [Value::Integer(0), Value::Integer(9)];
            let values = params_from_iter(way.values.iter().chain(&bounds));
            let steps = plan.query_map(values, |row| row.get(3));
            let steps: Vec<String> = steps.unwrap().collect::<Result<_>>().unwrap();
            assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
        }
    }
}
