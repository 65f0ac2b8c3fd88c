//! Pages of a filter.
//!
//! SQL narrows, [`Filter::matches`] decides. Rows come newest first from an index that suits the filter, one at a time, and
//! no further than the page is full.

use ostler_job::{
    JobId,
    durable::{JobState, TENANT_DEFAULT},
};
use rusqlite::{Connection, Result, Rows, params_from_iter, types::Value};

use super::{
    codec::{identity, int},
    read::{self, COLUMNS},
};
use crate::{Filter, Job, Page, Query};

/// Text longer than this is not looked for by SQL, whose patterns are limited.
const PATTERN_MAX: usize = 10_000;

pub(super) fn page(db: &Connection, query: &Query) -> Result<Page> {
    if query.limit == 0 {
        return Ok(Page::default());
    }
    let mut page = Page::default();
    let mut take = |job: Job| {
        if query.filter.matches(&job) {
            if page.jobs.len() == query.limit {
                page.next = page.jobs.last().map(|job| job.id);
                return false;
            }
            page.jobs.push(job);
        }
        true
    };
    if query.filter.ids.is_empty() {
        scan(db, query, &mut take)?;
    } else {
        look_up(db, query, &mut take)?;
    }
    Ok(page)
}

/// The jobs that are named.
fn look_up(db: &Connection, query: &Query, take: &mut dyn FnMut(Job) -> bool) -> Result<()> {
    let below = query.below.unwrap_or(JobId(u64::MAX));
    let mut ids: Vec<_> = query.filter.ids.iter().filter(|id| **id < below).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    for id in ids {
        if !read::one(db, *id)?.is_none_or(&mut *take) {
            break;
        }
    }
    Ok(())
}

/// Merges what each way gives in descending order.
fn scan(db: &Connection, query: &Query, take: &mut dyn FnMut(Job) -> bool) -> Result<()> {
    let ways = ways(db, query)?;
    let statements = ways.iter().map(|way| db.prepare_cached(&way.sql()));
    let mut statements = statements.collect::<Result<Vec<_>>>()?;
    let mut heads = Vec::new();
    for (statement, way) in statements.iter_mut().zip(&ways) {
        let mut rows = statement.query(params_from_iter(&way.values))?;
        if let Some(head) = next(&mut rows)? {
            heads.push((head, rows));
        }
    }
    while let Some(first) = (0..heads.len()).max_by_key(|place| heads[*place].0.id) {
        let (head, rows) = &mut heads[first];
        let job = match next(rows)? {
            Some(follower) => std::mem::replace(head, follower),
            None => heads.swap_remove(first).0,
        };
        if !take(job) {
            break;
        }
    }
    Ok(())
}

fn next(rows: &mut Rows<'_>) -> Result<Option<Job>> {
    rows.next()?.map(read::job).transpose()
}

/// A statement: where rows come from, and what they must be.
#[derive(Clone, Default)]
struct Way {
    from: &'static str,
    /// The column that has a job's id in the order of that.
    id: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Way {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        let Self { from, id, conditions, .. } = self;
        let conditions = conditions.join(" AND ");
        format!(
            "SELECT {COLUMNS} FROM {from} CROSS JOIN spec ON spec.job = job.id
             WHERE {conditions} ORDER BY {id} DESC"
        )
    }
}

/// The index that a filter is best served by: the one whose rows are likely the fewest.
fn ways(db: &Connection, query: &Query) -> Result<Vec<Way>> {
    let filter = &query.filter;
    let mut way = Way { id: "job.id", ..Way::default() };
    conditions(db, query, &mut way)?;
    if let Some(tag) = filter.tags.first() {
        way.from = "tag CROSS JOIN job ON job.id = tag.job";
        way.id = "tag.job";
        way.and("tag.tag = ?", [Value::Text(tag.clone())]);
        let below = query.below.map_or(i64::MAX, |below| int(below.0));
        way.and("tag.job < ?", [Value::Integer(below)]);
        return Ok(vec![way]);
    }
    let states = &filter.states;
    if !states.is_empty() && !states.contains(&JobState::Succeeded) {
        way.from = "job INDEXED BY job_state";
        way.conditions.push("state = ? AND state <> 7".to_owned());
        let mut states = states.clone();
        states.sort_unstable();
        states.dedup();
        let with = |state: &JobState| {
            let mut way = way.clone();
            way.values.push(Value::Integer(*state as i64));
            way
        };
        return Ok(states.iter().map(with).collect());
    }
    way.from = if is_unusual_ending(filter) {
        way.and("(exit_status <> 0 OR signal IS NOT NULL)", []);
        "job INDEXED BY job_ending"
    } else if filter.identity.is_some() {
        "job INDEXED BY job_identity"
    } else if filter.tenant.as_ref().is_some_and(|tenant| tenant != TENANT_DEFAULT) {
        "job INDEXED BY job_tenant"
    } else {
        "job NOT INDEXED"
    };
    Ok(vec![way])
}

/// Exit status 0 without a signal is none of what is looked for.
const fn is_unusual_ending(filter: &Filter) -> bool {
    matches!(filter.exit_status, Some((0, true)))
        || matches!(filter.exit_status, Some((code, false)) if code != 0)
}

/// What every row must be, whatever way it comes.
fn conditions(db: &Connection, query: &Query, way: &mut Way) -> Result<()> {
    let filter = &query.filter;
    let integer = |value: u64| [Value::Integer(int(value))];
    way.and("job.id < ?", [Value::Integer(query.below.map_or(i64::MAX, |below| int(below.0)))]);
    if let Some(tenant) = &filter.tenant {
        if tenant == TENANT_DEFAULT {
            way.and("tenant IS NULL", []);
        } else {
            way.and("tenant = ?", [Value::Text(tenant.clone())]);
        }
    }
    if let Some(words) = &filter.identity {
        way.and("identity = ?", [Value::Integer(identity(words))]);
    }
    if let Some(runner) = &filter.runner {
        way.and("runner = ?", [Value::Text(runner.clone())]);
    }
    match filter.exit_status {
        None => {}
        Some((code, false)) => way.and("exit_status = ?", [Value::Integer(code.into())]),
        Some((code, true)) => {
            way.and("(exit_status <> ? OR signal IS NOT NULL)", [Value::Integer(code.into())]);
        }
    }
    if let Some(since) = filter.since {
        way.and("submitted_at >= ?", integer(since.0));
        // Below this job all were submitted before.
        let sql = "SELECT max(job) FROM mark WHERE latest < ?";
        let mark = db.prepare_cached(sql)?.query_row(integer(since.0), |row| row.get(0))?;
        way.and("job.id >= ?", [Value::Integer(Option::unwrap_or(mark, 0))]);
    }
    if let Some(until) = filter.until {
        way.and("submitted_at < ?", integer(until.0));
    }
    if let Some(before) = filter.finished_before {
        way.and("finished_at < ?", integer(before.0));
    }
    states(filter, way);
    for tag in filter.tags.iter().skip(1) {
        way.and(
            "EXISTS (SELECT 1 FROM tag AS other WHERE other.tag = ? AND other.job = job.id)",
            [Value::Text(tag.clone())],
        );
    }
    if let Some(text) = filter.text.as_ref().filter(|text| text.len() < PATTERN_MAX) {
        way.and("spec.spec LIKE ? ESCAPE '!'", [Value::Text(pattern(text))]);
    }
    Ok(())
}

/// Succeeded jobs among others are no set of an index.
fn states(filter: &Filter, way: &mut Way) {
    if filter.states.contains(&JobState::Succeeded) {
        let list: Vec<_> = filter.states.iter().map(|state| (*state as i64).to_string()).collect();
        way.and(&format!("state IN ({})", list.join(",")), []);
    }
}

/// Finds whatever people may see as the text in a job's JSON. It may find more; never less: blanks and quotes may stand
/// between arguments, which are strings of their own in JSON.
fn pattern(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let escaped =
        quoted[1..quoted.len() - 1].replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let mut pattern = String::from("%");
    for piece in escaped.split([' ', '\'', '"', '\\']).filter(|piece| !piece.is_empty()) {
        pattern.push_str(piece);
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use ostler_job::Wall;

    use super::*;

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
            Filter { exit_status: Some((1, false)), runner: text(), ..Filter::default() },
            Filter { since: Some(Wall(1)), until: Some(Wall(2)), ..Filter::default() },
        ];
        for filter in filters {
            let query = Query { filter, below: Some(JobId(9)), limit: 1 };
            for way in ways(&db, &query).unwrap() {
                let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", way.sql())).unwrap();
                let steps = plan.query_map(params_from_iter(&way.values), |row| row.get(3));
                let steps: Vec<String> = steps.unwrap().collect::<Result<_>>().unwrap();
                assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
                assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
            }
        }
    }
}
