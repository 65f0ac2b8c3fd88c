//! Filters that an index knows to have few jobs: all of them are found, whatever order they are wanted in, and put into it.

use ostler_job::durable::{Cursor, Sort};
use rusqlite::{Connection, Result, params_from_iter};

use super::{
    codec::{int, uint, wall},
    query_plan::{QueryPlan, choices, plain, unordered},
    walk::Ids,
};
use crate::{Filter, Query};

/// So many are few: to look at all of them takes some milliseconds. Where there are more, a walk in the order that is wanted soon comes
/// to as many as a page has.
const FEW: i64 = 2000;

/// Where the jobs of a query are, first to last; `None`: they may be many.
pub(super) fn cursors(db: &Connection, query: &Query, ids: &Ids) -> Result<Option<Vec<Cursor>>> {
    let Query { filter, sort, after, .. } = query;
    let ways = match way(db, filter)? {
        Some(way) => vec![way],
        None if sort.is_by_finish() => match rare(db, filter, ids)? {
            Some(ways) => ways,
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    let mut found = Vec::new();
    for way in &ways {
        collect(db, way, *sort, ids, &mut found)?;
    }
    found.retain(|it| after.is_none_or(|after| sort.is_after(*it, after)));
    found.sort_unstable();
    if sort.is_downwards() {
        found.reverse();
    }
    Ok(Some(found))
}

/// The way that gives all of a filter's jobs in no order, when they are few and in no index of ids.
pub(super) fn way(db: &Connection, filter: &Filter) -> Result<Option<QueryPlan>> {
    for way in unordered(filter) {
        if way.count_all(db, FEW)? < FEW {
            return Ok(Some(way));
        }
    }
    Ok(None)
}

/// The ways of the first choice that has few jobs.
fn rare(db: &Connection, filter: &Filter, ids: &Ids) -> Result<Option<Vec<QueryPlan>>> {
    let (low, above) = ids.ends();
    if above - low < FEW {
        return Ok(Some(vec![plain(filter)]));
    }
    for ways in choices(filter) {
        let mut rows = 0;
        for way in &ways {
            rows += way.count(db, low, above, FEW - rows)?;
        }
        if rows < FEW {
            return Ok(Some(ways));
        }
    }
    Ok(None)
}

fn collect(
    db: &Connection,
    way: &QueryPlan,
    sort: Sort,
    ids: &Ids,
    found: &mut Vec<Cursor>,
) -> Result<()> {
    let mut statement = db.prepare_cached(&way.columns("job.id, finished_at"))?;
    let (low, above) = ids.ends();
    let mut rows = statement.query(params_from_iter(way.values(low, above)))?;
    while let Some(row) = rows.next()? {
        let id = ostler_job::JobId(uint(row, 0)?);
        let finished_at = wall(row, 1)?;
        let cursor = match (sort.is_by_finish(), finished_at) {
            (false, _) => Some(Cursor::of_id(id)),
            (true, at) => at.map(|at| Cursor { at, id }),
        };
        found.extend(cursor.filter(|_| ids.contains(int(id.0))));
    }
    Ok(())
}
