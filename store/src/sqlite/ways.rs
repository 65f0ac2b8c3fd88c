//! Which index gives the rows of a filter, and what every row must be.

use ostler_job::{
    JobId,
    durable::{JobState, TENANT_DEFAULT},
};
use rusqlite::{Connection, Result, types::Value};

use super::{
    codec::{identity, int},
    read::COLUMNS,
};
use crate::{Filter, Query};

/// Text longer than this is not looked for by SQL, whose patterns are limited.
const PATTERN_MAX: usize = 10_000;
/// An index with fewer rows than this is the one to take, whatever the others have.
const FEW: i64 = 1000;

/// A statement: where rows come from, and what they must be.
#[derive(Clone, Default)]
pub(super) struct Way {
    from: &'static str,
    /// The column that has a job's id in the order of that.
    id: &'static str,
    conditions: Vec<String>,
    /// Of the conditions; after them come the lowest id and the one that all are below.
    pub(super) values: Vec<Value>,
}

impl Way {
    fn from(mut self, from: &'static str) -> Self {
        self.from = from;
        self
    }

    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    fn with(mut self, condition: &str) -> Self {
        self.and(condition, []);
        self
    }

    fn within(&self) -> String {
        let mut all = self.conditions.clone();
        all.push(format!("{id} >= ? AND {id} < ?", id = self.id));
        all.join(" AND ")
    }

    pub(super) fn sql(&self) -> String {
        let Self { from, id, .. } = self;
        let conditions = self.within();
        format!(
            "SELECT {COLUMNS} FROM {from} CROSS JOIN spec ON spec.job = job.id
             WHERE {conditions} ORDER BY {id} DESC"
        )
    }
}

/// The ways whose rows together are those of the filter, none twice.
pub(super) fn ways(db: &Connection, query: &Query) -> Result<Vec<Way>> {
    let filter = &query.filter;
    let mut way = Way { id: "job.id", ..Way::default() };
    conditions(filter, &mut way);
    let way = || way.clone();
    if let Some(tag) = filter.tags.first() {
        let mut way = way().from("tag CROSS JOIN job ON job.id = tag.job");
        way.id = "tag.job";
        way.and("tag.tag = ?", [Value::Text(tag.clone())]);
        return Ok(vec![way]);
    }
    if let Some(index) = few(db, filter)? {
        return Ok(vec![way().from(index)]);
    }
    if !filter.states.is_empty() {
        return Ok(by_state(&filter.states, &way));
    }
    Ok(match filter.exit_status {
        Some((code, excluded)) => by_ending(code, excluded, &way),
        None if filter.identity.is_some() => vec![way().from("job INDEXED BY job_identity")],
        None if filter.runner.is_some() => vec![way().from("job INDEXED BY job_runner")],
        None if named_tenant(filter).is_some() => vec![way().from("job INDEXED BY job_tenant")],
        None => vec![way().from("job NOT INDEXED")],
    })
}

fn named_tenant(filter: &Filter) -> Option<&String> {
    filter.tenant.as_ref().filter(|tenant| *tenant != TENANT_DEFAULT)
}

/// An index with few rows of what is looked for, if there is one. Which of two conditions is the rarer one cannot be told
/// from the words, and the wrong one costs a walk over all jobs.
fn few(db: &Connection, filter: &Filter) -> Result<Option<&'static str>> {
    let is_few = |condition: &str, value: Value| {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {condition} LIMIT {FEW})");
        db.prepare_cached(&sql)?.query_row([value], |row| Ok(row.get::<_, i64>(0)? < FEW))
    };
    if let Some(words) = &filter.identity {
        let words = Value::Integer(identity(words));
        if is_few("job INDEXED BY job_identity WHERE identity = ?", words)? {
            return Ok(Some("job INDEXED BY job_identity"));
        }
    }
    if let Some(runner) = &filter.runner {
        let runner = Value::Text(runner.clone());
        if is_few("job INDEXED BY job_runner WHERE runner = ?", runner)? {
            return Ok(Some("job INDEXED BY job_runner"));
        }
    }
    if let Some(tenant) = named_tenant(filter) {
        let tenant = Value::Text(tenant.clone());
        if is_few("job INDEXED BY job_tenant WHERE tenant = ?", tenant)? {
            return Ok(Some("job INDEXED BY job_tenant"));
        }
    }
    Ok(None)
}

fn by_state(states: &[JobState], way: &dyn Fn() -> Way) -> Vec<Way> {
    let mut states = states.to_vec();
    states.sort_unstable();
    states.dedup();
    let of = |state: JobState| {
        if state == JobState::Succeeded {
            return way().from("job INDEXED BY job_succeeded").with("state = 7");
        }
        let mut way = way().from("job INDEXED BY job_state");
        way.and("state = ? AND state <> 7", [Value::Integer(state as i64)]);
        way
    };
    states.into_iter().map(of).collect()
}

fn by_ending(code: i32, excluded: bool, way: &dyn Fn() -> Way) -> Vec<Way> {
    let unusual =
        || way().from("job INDEXED BY job_ending").with("(exit_status <> 0 OR signal IS NOT NULL)");
    // With a signal beside it, it is an unusual one.
    let usual = || {
        let zero = "exit_status = 0 AND signal IS NULL";
        [
            way().from("job INDEXED BY job_succeeded").with("state = 7").with(zero),
            way().from("job INDEXED BY job_zero").with("exit_status = 0 AND state <> 7").with(zero),
        ]
    };
    match (code, excluded) {
        (0, true) => vec![unusual()],
        (0, false) | (_, true) => usual().into_iter().chain([unusual()]).collect(),
        (_, false) => vec![unusual()],
    }
}

/// What every row must be, whatever way it comes.
fn conditions(filter: &Filter, way: &mut Way) {
    let integer = |value: u64| [Value::Integer(int(value))];
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
    }
    if let Some(until) = filter.until {
        way.and("submitted_at < ?", integer(until.0));
    }
    if let Some(before) = filter.finished_before {
        way.and("finished_at < ?", integer(before.0));
    }
    if !filter.states.is_empty() {
        let list: Vec<_> = filter.states.iter().map(|state| (*state as i64).to_string()).collect();
        way.and(&format!("state IN ({})", list.join(",")), []);
    }
    for tag in filter.tags.iter().skip(1) {
        way.and(
            "EXISTS (SELECT 1 FROM tag AS other WHERE other.tag = ? AND other.job = job.id)",
            [Value::Text(tag.clone())],
        );
    }
    if let Some(text) = filter.text.as_ref().filter(|text| text.len() < PATTERN_MAX) {
        way.and("spec.spec LIKE ? ESCAPE '!'", [Value::Text(pattern(text))]);
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

/// Ids that the moments of a filter leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// No job below this one was submitted late enough.
    pub(super) floor: i64,
    /// From here up nothing is known.
    pub(super) tail: i64,
    /// No job between this one and the tail was submitted early enough.
    pub(super) early: i64,
}

impl Range {
    pub(super) fn of(db: &Connection, filter: &Filter) -> Result<Self> {
        let ask = |sql: &str, at: Option<u64>| {
            let at = at.map_or(i64::MAX, int);
            let found = db.prepare_cached(sql)?.query_row([at], |row| row.get(0));
            found.map(|found: Option<i64>| found.unwrap_or(0))
        };
        let floor = match filter.since {
            None => 0,
            Some(since) => ask("SELECT max(job) FROM mark WHERE latest < ?", Some(since.0))?,
        };
        let Some(until) = filter.until else { return Ok(Self { floor, tail: 0, early: 0 }) };
        let tail = ask("SELECT max(job) FROM mark WHERE job < ?", None)?;
        let early = ask("SELECT max(job) FROM mark WHERE earliest < ?", Some(until.0))?;
        Ok(Self { floor, tail, early })
    }
}

/// The id below which the newest job is.
pub(super) fn top(db: &Connection, below: Option<JobId>) -> Result<i64> {
    let sql = "SELECT ifnull(max(id), 0) + 1 FROM job";
    let newest: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(below.map_or(newest, |below| int(below.0).min(newest)))
}
