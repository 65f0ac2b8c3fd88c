//! Which index gives the rows of a filter, and what every row must be.

use ostler_job::{
    JobId,
    durable::{JobState, TENANT_DEFAULT},
};
use rusqlite::{Connection, Result, params_from_iter, types::Value};

use super::{
    codec::{identity, int},
    read::COLUMNS,
};
use crate::Filter;

/// Text longer than this is not looked for by SQL, whose patterns are limited.
const PATTERN_MAX: usize = 10_000;
/// Rows of an index that are counted in a stretch; one that has as many is as good as any other.
const COUNTED: i64 = 2000;
/// Tags of a filter whose rows are counted.
const TAGS: usize = 4;

/// A statement: where rows come from, and what they must be.
#[derive(Clone, Default)]
pub(super) struct QueryPlan {
    from: &'static str,
    /// The column that has a job's id in the order of that.
    id: &'static str,
    conditions: Vec<String>,
    /// Of the conditions; after them come the lowest id and the one that all are below.
    pub(super) values: Vec<Value>,
    /// What the rows of the index are, with its values.
    own: (String, Vec<Value>),
}

impl QueryPlan {
    /// By an index, and what all of its rows are; that is one of the conditions.
    fn by(mut self, from: &'static str, own: &str, values: Vec<Value>) -> Self {
        self.from = from;
        self.own = (own.to_owned(), values.clone());
        self.and(own, values);
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

    /// How many rows the index has in a stretch of ids, up to a number.
    fn count(&self, db: &Connection, low: i64, above: i64, most: i64) -> Result<i64> {
        let Self { id, own: (own, values), .. } = self;
        // The rows themselves are not looked at.
        let from = if *id == "tag.job" { "tag" } else { self.from };
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {own} AND {id} >= ? AND {id} < ? LIMIT ?)"
        );
        let bounds = [low, above, most].map(Value::Integer);
        let values = params_from_iter(values.iter().chain(&bounds));
        db.prepare_cached(&sql)?.query_row(values, |row| row.get(0))
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

/// Ways to the rows of a filter. Those of each choice give all of them together, none twice.
pub(super) fn choices(filter: &Filter) -> Vec<Vec<QueryPlan>> {
    let way = |tag: Option<usize>| {
        let mut way = QueryPlan { id: "job.id", ..QueryPlan::default() };
        conditions(filter, tag, &mut way);
        way
    };
    let text = |text: &String| vec![Value::Text(text.clone())];
    let mut choices = Vec::new();
    for (place, tag) in filter.tags.iter().enumerate().take(TAGS) {
        let by_tag = QueryPlan { id: "tag.job", ..way(Some(place)) };
        choices.push(vec![by_tag.by(
            "tag CROSS JOIN job ON job.id = tag.job",
            "tag.tag = ?",
            text(tag),
        )]);
    }
    let way = || way(None);
    if !filter.states.is_empty() {
        choices.push(by_state(&filter.states, &way));
    }
    if let Some((code, excluded)) = filter.exit_status {
        choices.push(by_ending(code, excluded, &way));
    }
    if let Some(words) = &filter.identity {
        let words = vec![Value::Integer(identity(words))];
        choices.push(vec![way().by("job INDEXED BY job_identity", "identity = ?", words)]);
    }
    if let Some(runner) = &filter.runner {
        choices.push(vec![way().by("job INDEXED BY job_runner", "runner = ?", text(runner))]);
    }
    if let Some(queue) = filter.queue.as_ref().filter(|queue| !queue.is_default()) {
        let queue = vec![Value::Text(queue.to_string())];
        choices.push(vec![way().by("job INDEXED BY job_queue", "queue = ?", queue)]);
    }
    // The others have no index.
    if let Some(tenant) = filter.tenant.as_ref().filter(|tenant| *tenant != TENANT_DEFAULT) {
        choices.push(vec![way().by("job INDEXED BY job_tenant", "tenant = ?", text(tenant))]);
    }
    if choices.is_empty() {
        choices.push(vec![way().by("job NOT INDEXED", "TRUE", Vec::new())]);
    }
    choices
}

/// The choice with the fewest rows in a stretch of ids; without any ways when there is nothing. Which of several conditions
/// is the rarest cannot be told from the words, it may be another one among older jobs, and the wrong one costs a walk over
/// all rows of the stretch.
pub(super) fn rarest<'a>(
    db: &Connection,
    choices: &'a [Vec<QueryPlan>],
    low: i64,
    above: i64,
) -> Result<&'a [QueryPlan]> {
    let [first, others @ ..] = choices else { return Ok(&[]) };
    if others.is_empty() {
        return Ok(first);
    }
    let (mut best, mut fewest) = (&first[..], COUNTED);
    for ways in choices {
        let mut rows = 0;
        for way in ways {
            rows += way.count(db, low, above, fewest - rows)?;
        }
        if rows == 0 {
            return Ok(&[]);
        }
        if rows < fewest {
            (best, fewest) = (ways, rows);
        }
    }
    Ok(best)
}

fn by_state(states: &[JobState], way: &dyn Fn() -> QueryPlan) -> Vec<QueryPlan> {
    let mut states = states.to_vec();
    states.sort_unstable();
    states.dedup();
    let of = |state: JobState| {
        if state == JobState::Succeeded {
            return way().by("job INDEXED BY job_succeeded", "state = 7", Vec::new());
        }
        let value = vec![Value::Integer(state.number().into())];
        way().by("job INDEXED BY job_state", "state = ? AND state <> 7", value)
    };
    states.into_iter().map(of).collect()
}

fn by_ending(code: i32, excluded: bool, way: &dyn Fn() -> QueryPlan) -> Vec<QueryPlan> {
    let unusual = || {
        let own = "(exit_status <> 0 OR signal IS NOT NULL)";
        way().by("job INDEXED BY job_ending", own, Vec::new())
    };
    // With a signal beside it, it is an unusual one.
    let usual = || {
        let zero = "exit_status = 0 AND signal IS NULL";
        [
            way().by("job INDEXED BY job_succeeded", "state = 7", Vec::new()).with(zero),
            way()
                .by("job INDEXED BY job_zero", "exit_status = 0 AND state <> 7", Vec::new())
                .with(zero),
        ]
    };
    match (code, excluded) {
        (0, true) => vec![unusual()],
        (0, false) | (_, true) => usual().into_iter().chain([unusual()]).collect(),
        (_, false) => vec![unusual()],
    }
}

/// What every row must be, whatever way it comes; by one of the tags perhaps.
fn conditions(filter: &Filter, tag: Option<usize>, way: &mut QueryPlan) {
    let integer = |value: u64| [Value::Integer(int(value))];
    if let Some(tenant) = &filter.tenant {
        if tenant == TENANT_DEFAULT {
            way.and("tenant IS NULL", []);
        } else {
            way.and("tenant = ?", [Value::Text(tenant.clone())]);
        }
    }
    match &filter.queue {
        None => {}
        Some(queue) if queue.is_default() => way.and("queue IS NULL", []),
        Some(queue) => way.and("queue = ?", [Value::Text(queue.to_string())]),
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
        let list: Vec<_> = filter.states.iter().map(|state| state.number().to_string()).collect();
        way.and(&format!("state IN ({})", list.join(",")), []);
    }
    let others = filter.tags.iter().enumerate().filter(|(place, _)| Some(*place) != tag);
    for (_, tag) in others {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 10,000 jobs: older ones succeeded on a runner, newer ones wait; all have a tag, a few another one, three are dead.
    fn db() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut db, "memory").unwrap();
        db.execute_batch(
            "WITH RECURSIVE number(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < 10000)
             INSERT INTO job (id, submitted_at, identity, state, attempts, failures, crashes, fence, kill, runner, tenant)
             SELECT id, id, 0, CASE WHEN id IN (7, 70, 7000) THEN 8 WHEN id < 5000 THEN 7 ELSE 2 END, 0, 0, 0, 0, 0,
                 CASE WHEN id < 5000 THEN 'web' END, CASE WHEN id % 2 THEN 'shop' END FROM number;
             INSERT INTO tag SELECT 'all', id FROM job;
             INSERT INTO tag SELECT 'old', id FROM job WHERE id < 50;",
        )
        .unwrap();
        db
    }

    /// What the rows of a stretch come from.
    fn way(db: &Connection, filter: &Filter, (low, above): (i64, i64)) -> Vec<&'static str> {
        let choices = choices(filter);
        let old = |way: &QueryPlan| way.own.1.contains(&Value::Text("old".to_owned()));
        let from = rarest(db, &choices, low, above).unwrap().iter();
        let from = from.map(|way| if old(way) { "old" } else { way.from });
        from.collect()
    }

    #[test]
    fn each_stretch_comes_from_the_index_that_has_least_of_it() {
        const ALL: (i64, i64) = (0, 20_000);
        let (db, usual) = (db(), Filter::default);
        let text = |text: &str| Some(text.to_owned());
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let dead = Filter { tags: tags(&["all"]), states: vec![JobState::Dead], ..usual() };
        assert_eq!(way(&db, &dead, ALL), ["job INDEXED BY job_state"]);
        let two = Filter { tags: tags(&["all", "old"]), tenant: text("shop"), ..usual() };
        assert_eq!(way(&db, &two, ALL), ["old"]);
        assert_eq!(way(&db, &two, (100, 9000)), [""; 0], "nothing there can be both");
        let apart = Filter { states: vec![JobState::Paused], runner: text("web"), ..usual() };
        assert_eq!(way(&db, &apart, (5000, 20_000)), [""; 0]);
        assert_eq!(way(&db, &apart, (0, 5000)), [""; 0]);
        assert_eq!(way(&db, &apart, (4990, 6000)), ["job INDEXED BY job_runner"]);
        let nobody = Filter { tags: tags(&["all"]), identity: text("nobody's"), ..usual() };
        assert_eq!(way(&db, &nobody, ALL), [""; 0]);
        let many = Filter { tags: tags(&["all"]), tenant: text("shop"), ..usual() };
        assert_eq!(way(&db, &many, ALL), ["tag CROSS JOIN job ON job.id = tag.job"], "many");
        assert_eq!(way(&db, &usual(), ALL), ["job NOT INDEXED"], "there is no choice");
    }
}
