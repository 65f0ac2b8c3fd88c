//! Which index gives the rows of a filter.

use ostler_job::durable::{JobState, NameFilter, Reason, TENANT_DEFAULT};
use rusqlite::{Connection, Result, params_from_iter, types::Value};

use super::{
    codec::{identity, int},
    conditions::{Conditions, beginning, is_of_spec},
    read::COLUMNS,
};
use crate::Filter;

/// Rows of an index that are counted in a stretch; one that has as many is as good as any other.
const COUNTED: i64 = 2000;
/// Ids of a stretch whose rows are looked at themselves, whatever index there is.
const SHORT: i64 = 64;
/// Tags of a filter whose rows are counted.
const TAGS: usize = 4;

/// A statement: where rows come from, and what they must be.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryPlan {
    /// What the rows are counted in, without those of the table `job`.
    index: &'static str,
    /// How the rest of the table `job` is found by it.
    join: &'static str,
    /// The column that has a job's id in the order of that.
    id: &'static str,
    conditions: Conditions,
    /// Whether they ask for what is in the table `spec`.
    is_of_spec: bool,
    /// What the rows of the index are, with its values.
    own: (String, Vec<Value>),
}

impl QueryPlan {
    /// By an index, and what all of its rows are; that is one of the conditions.
    fn by(mut self, index: &'static str, own: &str, values: Vec<Value>) -> Self {
        self.index = index;
        self.own = (own.to_owned(), values.clone());
        self.conditions.and(own, values);
        self
    }

    /// The same by an index of another table.
    fn joined(mut self, id: &'static str, join: &'static str) -> Self {
        (self.id, self.join) = (id, join);
        self
    }

    fn with(mut self, condition: &str) -> Self {
        self.conditions.and(condition, []);
        self
    }

    fn within(&self, with_spec: bool) -> String {
        let Self { index, join, id, .. } = self;
        let conditions = self.conditions.sql();
        let spec = if with_spec { "CROSS JOIN spec ON spec.job = job.id" } else { "" };
        format!("FROM {index} {join} {spec} WHERE {conditions} AND {id} >= ? AND {id} < ?")
    }

    /// The values of its conditions, and the lowest id and the one that all are below.
    pub(super) fn values(&self, low: i64, above: i64) -> impl Iterator<Item = Value> {
        let bounds = [low, above].map(Value::Integer);
        self.conditions.values.iter().cloned().chain(bounds)
    }

    /// How many rows the index has in a stretch of ids, up to a number.
    pub(super) fn count(&self, db: &Connection, low: i64, above: i64, most: i64) -> Result<i64> {
        let Self { index, id, own: (own, values), .. } = self;
        // The rows themselves are not looked at.
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {own} AND {id} >= ? AND {id} < ? LIMIT ?)"
        );
        let bounds = [low, above, most].map(Value::Integer);
        let values = params_from_iter(values.iter().chain(&bounds));
        db.prepare_cached(&sql)?.query_row(values, |row| row.get(0))
    }

    /// The same whatever their ids, for an index that is not in the order of those.
    pub(super) fn count_all(&self, db: &Connection, most: i64) -> Result<i64> {
        let Self { index, own: (own, values), .. } = self;
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {own} LIMIT {most})");
        let values = params_from_iter(values);
        db.prepare_cached(&sql)?.query_row(values, |row| row.get(0))
    }

    /// Jobs in the order of their ids.
    pub(super) fn jobs(&self, is_downwards: bool) -> String {
        let Self { id, .. } = self;
        let order = if is_downwards { "DESC" } else { "ASC" };
        format!("SELECT {COLUMNS} {} ORDER BY {id} {order}", self.within(true))
    }

    /// Some of their columns, in no order.
    pub(super) fn columns(&self, columns: &str) -> String {
        format!("SELECT {columns} {}", self.within(self.is_of_spec))
    }

    /// How many of them have the same columns, which stand before the number.
    pub(super) fn groups(&self, columns: &[&str]) -> String {
        let listed = columns.iter().map(|column| format!("{column}, ")).collect::<String>();
        let by: Vec<_> = (1..=columns.len()).map(|number| number.to_string()).collect();
        let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(",")) };
        let with_spec = self.is_of_spec || columns.iter().any(|it| it.starts_with("spec."));
        format!("SELECT {listed}count(*) {}{by}", self.within(with_spec))
    }
}

/// A way of which only the index is missing; by one of the tags perhaps.
fn way(filter: &Filter, tag: Option<usize>) -> QueryPlan {
    QueryPlan {
        id: "job.id",
        conditions: Conditions::of(filter, tag),
        is_of_spec: is_of_spec(filter),
        ..QueryPlan::default()
    }
}

/// All rows, without an index but that of the ids.
pub(super) fn plain(filter: &Filter) -> QueryPlan {
    way(filter, None).by("job NOT INDEXED", "TRUE", Vec::new())
}

/// Ways to the rows of a filter in the order of their ids. Those of each choice give all of them together, none twice.
pub(super) fn choices(filter: &Filter) -> Vec<Vec<QueryPlan>> {
    let text = |text: &String| vec![Value::Text(text.clone())];
    let mut choices = Vec::new();
    for (place, tag) in filter.tags.iter().enumerate().take(TAGS) {
        let by_tag = way(filter, Some(place)).by("tag", "tag.tag = ?", text(tag));
        choices.push(vec![by_tag.joined("tag.job", "CROSS JOIN job ON job.id = tag.job")]);
    }
    let way = || way(filter, None);
    if !filter.states.is_empty() {
        choices.push(by_state(&filter.states, &way));
    }
    if !filter.reasons.is_empty() {
        choices.push(by_reason(&filter.reasons, &way));
    }
    if let Some((code, excluded)) = filter.exit_status {
        choices.push(by_ending(code, excluded, &way));
    }
    if let Some(words) = &filter.identity {
        let words = vec![Value::Integer(identity(words))];
        choices.push(vec![way().by("job INDEXED BY job_identity", "identity = ?", words)]);
    }
    for (index, own, value) in [
        ("job INDEXED BY job_runner", "runner = ?", &filter.runner),
        ("job INDEXED BY job_host", "host = ?", &filter.host),
        ("job INDEXED BY job_queue", "queue = ?", &unusual_queue(filter)),
        // The others have no index.
        ("job INDEXED BY job_tenant", "tenant = ?", &unusual_tenant(filter)),
    ] {
        choices.extend(value.iter().map(|value| vec![way().by(index, own, text(value))]));
    }
    if let Some(NameFilter::Is(name)) = &filter.name {
        choices.push(vec![named(way().by(NAMES, "named.name = ?", text(name)))]);
    }
    if let Some(user) = &filter.user {
        let index = "spec AS named INDEXED BY spec_user";
        choices.push(vec![named(way().by(index, "named.user = ?", text(user)))]);
    }
    if let Some(schedule) = &filter.schedule {
        let index = "spec AS named INDEXED BY spec_schedule";
        let schedule = vec![Value::Text(schedule.to_string())];
        choices.push(vec![named(way().by(index, "named.schedule = ?", schedule))]);
    }
    if choices.is_empty() {
        choices.push(vec![plain(filter)]);
    }
    choices
}

/// Ways to the rows of a filter in another order. Each gives all of them.
pub(super) fn unordered(filter: &Filter) -> Vec<QueryPlan> {
    let mut ways = Vec::new();
    let (since, until) = (filter.finished_since, filter.finished_until);
    if since.is_some() || until.is_some() {
        let bounds = vec![
            Value::Integer(since.map_or(0, |since| int(since.0))),
            Value::Integer(until.map_or(i64::MAX, |until| int(until.0))),
        ];
        let own = "finished_at >= ? AND finished_at < ?";
        ways.push(way(filter, None).by("job INDEXED BY job_finished", own, bounds));
    }
    if let Some(NameFilter::Begins(start)) = &filter.name {
        let (own, bounds) = beginning("named.name", start);
        ways.push(named(way(filter, None).by(NAMES, &own, bounds)));
    }
    ways
}

const NAMES: &str = "spec AS named INDEXED BY spec_name";

fn named(way: QueryPlan) -> QueryPlan {
    way.joined("named.job", "CROSS JOIN job ON job.id = named.job")
}

fn unusual_queue(filter: &Filter) -> Option<String> {
    filter.queue.as_ref().filter(|queue| !queue.is_default()).map(ToString::to_string)
}

fn unusual_tenant(filter: &Filter) -> Option<String> {
    filter.tenant.clone().filter(|tenant| tenant != TENANT_DEFAULT)
}

/// The choice with the fewest rows in a stretch of ids; without any ways when there is nothing. Which of several conditions
/// is the rarest cannot be told from the words, it may be another one among older jobs, and the wrong one costs a walk over
/// all rows of the stretch.
pub(super) fn rarest<'a>(
    db: &Connection,
    choices: &'a [Vec<QueryPlan>],
    plain: &'a QueryPlan,
    low: i64,
    above: i64,
) -> Result<&'a [QueryPlan]> {
    if above - low <= SHORT {
        return Ok(std::slice::from_ref(plain));
    }
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

fn by_reason(reasons: &[Reason], way: &dyn Fn() -> QueryPlan) -> Vec<QueryPlan> {
    let mut reasons = reasons.to_vec();
    reasons.sort_unstable();
    reasons.dedup();
    let of = |reason: Reason| {
        if reason == Reason::Ok {
            let usual = way().by("job INDEXED BY job_succeeded", "state = 7", Vec::new());
            let others = "reason = 0 AND state <> 7";
            let others = way().by("job INDEXED BY job_ok", others, Vec::new());
            return vec![usual.with("reason = 0"), others];
        }
        let value = vec![Value::Integer(reason.number().into())];
        vec![way().by("job INDEXED BY job_reason", "reason = ? AND reason <> 0", value)]
    };
    reasons.into_iter().flat_map(of).collect()
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
        let (choices, plain) = (choices(filter), plain(filter));
        let old = |way: &QueryPlan| way.own.1.contains(&Value::Text("old".to_owned()));
        let from = rarest(db, &choices, &plain, low, above).unwrap().iter();
        let from = from.map(|way| if old(way) { "old" } else { way.index });
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
        assert_eq!(way(&db, &many, ALL), ["tag"], "many");
        assert_eq!(way(&db, &usual(), ALL), ["job NOT INDEXED"], "there is no choice");
    }
}
