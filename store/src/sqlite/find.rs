//! Pages of a filter.
//!
//! SQL narrows, [`Filter::matches`](crate::Filter::matches) decides. Rows come in order from an index that suits the filter, one
//! stretch of ids after the other; what has few jobs is put in order here; and what is wanted in the order of its end comes from the
//! index of that.

use ostler_job::durable::Cursor;
use rusqlite::{Connection, Result, Rows, params_from_iter};

use super::{
    codec::int,
    few, finished,
    query_plan::{QueryPlan, choices, plain, rarest},
    read,
    readers::Deadline,
    walk::{Ids, Walk},
};
use crate::{Job, Page, Query, ReadLimit};

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
    let ids = Ids::of(db, &query.filter)?;
    if let Some(cursors) = few::cursors(db, query, &ids)? {
        look_up(db, &mut taking, cursors)?;
    } else if query.sort.is_by_finish() {
        finished::page(db, &mut taking, &ids, limit)?;
    } else {
        let is_downwards = query.sort.is_downwards();
        let ids = ids.beyond(query.after.map(|after| after.id), is_downwards);
        scan(db, alarm, &mut taking, Walk::new(ids, is_downwards), limit)?;
    }
    Ok(taking.page)
}

pub(super) struct Taking<'a> {
    pub(super) query: &'a Query,
    page: Page,
}

impl Taking<'_> {
    /// Jobs that fill the page, and one that shows that there are more.
    fn wanted(&self) -> usize {
        (self.query.limit - self.page.jobs.len()).saturating_add(1)
    }

    /// `false`: the page is full.
    pub(super) fn take(&mut self, job: Job) -> bool {
        if self.page.jobs.len() == self.query.limit {
            self.page.next = self.page.jobs.last().and_then(|job| self.query.sort.cursor(job));
            return false;
        }
        self.page.jobs.push(job);
        true
    }

    /// The look ends here, whatever is after it.
    pub(super) fn end(&mut self, at: Cursor) {
        self.page.next = Some(at);
        self.page.partial = self.page.jobs.len() < self.query.limit;
    }
}

fn look_up(db: &Connection, taking: &mut Taking<'_>, cursors: Vec<Cursor>) -> Result<()> {
    for cursor in cursors {
        let job = read::one(db, cursor.id)?.filter(|job| taking.query.filter.matches(job));
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
    mut walk: Walk,
    limit: &ReadLimit,
) -> Result<()> {
    let filter = &taking.query.filter;
    let (choices, plain) = (choices(filter), plain(filter));
    let end = walk.go(alarm, limit, &mut |low, above| {
        stretch(db, rarest(db, &choices, &plain, low, above)?, (low, above), taking)
    })?;
    if let Some(end) = end {
        taking.end(Cursor::of_id(end));
    }
    Ok(())
}

/// Takes what ways give of a stretch, in order. `false`: the page is full.
///
/// One after the other, each only as far as those before it leave room: what one of them has to look through and does not keep would
/// be in vain beyond that.
fn stretch(
    db: &Connection,
    ways: &[QueryPlan],
    (mut low, mut above): (i64, i64),
    taking: &mut Taking<'_>,
) -> Result<bool> {
    let (wanted, sort) = (taking.wanted(), taking.query.sort);
    let mut found = Vec::new();
    for way in ways {
        let mut statement = db.prepare_cached(&way.jobs(sort.is_downwards()))?;
        let mut rows = statement.query(params_from_iter(way.values(low, above)))?;
        let mut own = 0;
        while own < wanted
            && let Some(job) = next(&mut rows)?
        {
            if taking.query.filter.matches(&job) {
                found.push(job);
                own += 1;
            }
        }
        found.sort_unstable_by_key(|job: &Job| job.id);
        if sort.is_downwards() {
            found.reverse();
        }
        found.truncate(wanted);
        if let Some(last) = found.last().filter(|_| found.len() == wanted) {
            match sort.is_downwards() {
                true => low = int(last.id.0),
                false => above = int(last.id.0).saturating_add(1),
            }
        }
    }
    Ok(found.into_iter().all(|job| taking.take(job)))
}

fn next(rows: &mut Rows<'_>) -> Result<Option<Job>> {
    rows.next()?.map(read::job).transpose()
}

#[cfg(test)]
mod tests {
    use ostler_job::{
        Wall,
        durable::{JobState, NameFilter, Reason, Sort},
    };
    use rusqlite::types::Value;

    use super::{
        super::{query_plan::unordered, schema},
        *,
    };
    use crate::Filter;

    fn db() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db, "memory").unwrap();
        db
    }

    fn filters() -> Vec<Filter> {
        let text = || Some("x".to_owned());
        let default = Filter::default;
        vec![
            default(),
            Filter { states: vec![JobState::Dead, JobState::Running], ..default() },
            Filter { states: vec![JobState::Dead, JobState::Succeeded], ..default() },
            Filter { reasons: vec![Reason::Ok, Reason::Signal], ..default() },
            Filter { identity: text(), ..default() },
            Filter { tenant: text(), text: text(), ..default() },
            Filter { tags: vec![String::new(), String::new()], ..default() },
            Filter { exit_status: Some((0, true)), ..default() },
            Filter { exit_status: Some((0, false)), ..default() },
            Filter { exit_status: Some((3, true)), ..default() },
            Filter { exit_status: Some((1, false)), runner: text(), ..default() },
            Filter { since: Some(Wall(1)), until: Some(Wall(2)), ..default() },
            Filter { host: text(), user: text(), ..default() },
            Filter { queue: ostler_job::durable::QueueName::new("mail"), ..default() },
            Filter { name: text().map(NameFilter::Is), ..default() },
            Filter { name: text().map(NameFilter::Begins), tenant: text(), ..default() },
            Filter { name: Some(NameFilter::Begins(String::new())), ..default() },
            Filter { schedule: ostler_job::durable::ScheduleName::new("nightly"), ..default() },
            Filter { finished_since: Some(Wall(1)), user: text(), ..default() },
            Filter { finished_until: Some(Wall(1)), tags: vec![String::new()], ..default() },
        ]
    }

    /// What SQLite does for a statement.
    fn steps(db: &Connection, sql: &str, values: impl IntoIterator<Item = Value>) -> Vec<String> {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map(params_from_iter(values), |row| row.get(3));
        steps.unwrap().collect::<Result<_>>().unwrap()
    }

    /// Every way gives rows as it goes: a plan that sorted would read all of them before the first.
    #[test]
    fn no_way_sorts() {
        let db = db();
        for way in filters().iter().flat_map(choices).flatten() {
            for is_downwards in [true, false] {
                let steps = steps(&db, &way.jobs(is_downwards), way.values(0, 9));
                assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
                assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
            }
        }
    }

    #[test]
    fn what_is_in_no_order_comes_from_an_index_all_the_same() {
        let (db, mut ways) = (db(), 0);
        for way in filters().iter().flat_map(unordered) {
            let steps = steps(&db, &way.columns("job.id, finished_at"), way.values(0, 9));
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
            ways += 1;
        }
        assert_eq!(ways, 4);
    }

    /// The index gives the order, and the entry itself where a page begins: many may have finished at once.
    #[test]
    fn what_has_finished_is_in_the_order_of_an_index() {
        let db = db();
        let after = Some(Cursor { at: Wall(7), id: ostler_job::JobId(7) });
        for filter in filters() {
            for (sort, beyond) in [(Sort::LastFinished, "<"), (Sort::FirstFinished, ">")] {
                let query = Query { filter: filter.clone(), sort, after, limit: 9 };
                let at_once = format!("(finished_at=? AND rowid{beyond}?)");
                let parts = [at_once.as_str(), "(finished_at>? AND finished_at<?)"];
                let statements = finished::statements(&query);
                assert_eq!(statements.len(), parts.len());
                for ((sql, values), part) in statements.into_iter().zip(parts) {
                    let steps = steps(&db, &sql, values);
                    assert!(steps[0].contains("INDEX job_finished"), "{steps:?}");
                    assert!(steps[0].contains(part), "{steps:?}");
                    assert!(!steps.iter().any(|it| it.contains("B-TREE") || it.contains("SCAN")));
                }
            }
        }
    }
}
