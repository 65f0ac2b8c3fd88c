//! How many jobs there are of each group, counted in stretches of ids.

use ostler_job::durable::{GroupKey, JobState, QueueName, Reason, TENANT_DEFAULT};
use rusqlite::{Connection, Result, Row, params_from_iter, types::ValueRef};

use super::{
    codec::unreadable,
    few,
    query_plan::{QueryPlan, choices, plain, rarest},
    read,
    readers::Deadline,
    walk::{Ids, Walk},
};
use crate::{CountQuery, Counts, ReadLimit};

/// Groups of a stretch with their jobs.
type Part = Vec<(Vec<Option<String>>, u64)>;

pub(super) fn counts(
    db: &Connection,
    alarm: &Deadline,
    query: &CountQuery,
    limit: &ReadLimit,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let ids = Ids::of(db, &query.filter)?.beyond(query.below, true);
    if ids.is_whole()
        && let Some(way) = few::way(db, &query.filter)?
    {
        let (low, above) = ids.ends();
        merge(&mut counts, part(db, query, &way, low, above)?);
        return Ok(counts);
    }
    let (choices, plain) = (choices(&query.filter), plain(&query.filter));
    counts.next = Walk::new(ids, true).go(alarm, limit, &mut |low, above| {
        let mut found = Vec::new();
        for way in rarest(db, &choices, &plain, low, above)? {
            found.extend(part(db, query, way, low, above)?);
        }
        merge(&mut counts, found);
        Ok(true)
    })?;
    Ok(counts)
}

fn merge(counts: &mut Counts, part: Part) {
    for (group, jobs) in part {
        counts.add(group, jobs);
    }
}

/// What one way gives of a stretch. SQL alone counts where it alone decides.
fn part(
    db: &Connection,
    query: &CountQuery,
    way: &QueryPlan,
    low: i64,
    above: i64,
) -> Result<Part> {
    let filter = &query.filter;
    let columns: Option<Vec<_>> = query.by.iter().map(|key| column(*key)).collect();
    match columns.filter(|_| filter.text.is_none() && filter.identity.is_none()) {
        Some(columns) => by_sql(db, query, way, &columns, (low, above)),
        None => one_by_one(db, query, way, (low, above)),
    }
}

fn by_sql(
    db: &Connection,
    query: &CountQuery,
    way: &QueryPlan,
    columns: &[&str],
    (low, above): (i64, i64),
) -> Result<Part> {
    let mut statement = db.prepare_cached(&way.groups(columns))?;
    let mut rows = statement.query(params_from_iter(way.values(low, above)))?;
    let mut part = Vec::new();
    while let Some(row) = rows.next()? {
        let jobs: i64 = row.get(columns.len())?;
        let group = query.by.iter().enumerate().map(|(place, key)| value(*key, row, place));
        part.push((group.collect::<Result<_>>()?, jobs.unsigned_abs()));
    }
    // Without groups there is one row, even of nothing.
    part.retain(|(_, jobs)| *jobs > 0);
    Ok(part)
}

fn one_by_one(
    db: &Connection,
    query: &CountQuery,
    way: &QueryPlan,
    (low, above): (i64, i64),
) -> Result<Part> {
    let mut statement = db.prepare_cached(&way.jobs(true))?;
    let mut rows = statement.query(params_from_iter(way.values(low, above)))?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let job = read::job(row)?;
        if query.filter.matches(&job) {
            counts.add(query.by.iter().map(|key| key.value(&job)).collect(), 1);
        }
    }
    Ok(counts.groups.into_iter().collect())
}

/// `None`: only the JSON has it.
fn column(key: GroupKey) -> Option<&'static str> {
    Some(match key {
        GroupKey::State => "state",
        GroupKey::Reason => "reason",
        GroupKey::Tenant => "tenant",
        GroupKey::Queue => "queue",
        GroupKey::Name => "spec.name",
        GroupKey::Identity => return None,
        GroupKey::Runner => "runner",
        GroupKey::Host => "host",
        GroupKey::User => "spec.user",
        GroupKey::ExitStatus => "exit_status",
    })
}

/// As [`GroupKey::value`] has it.
fn value(key: GroupKey, row: &Row<'_>, place: usize) -> Result<Option<String>> {
    let (number, text) = match row.get_ref(place)? {
        ValueRef::Null if key == GroupKey::Tenant => (None, Some(TENANT_DEFAULT.to_owned())),
        ValueRef::Null if key == GroupKey::Queue => (None, Some(QueueName::default().to_string())),
        ValueRef::Null => (None, None),
        ValueRef::Integer(number) => (Some(number), Some(number.to_string())),
        ValueRef::Text(_) => (None, row.get(place)?),
        ValueRef::Real(_) | ValueRef::Blob(_) => return Err(unreadable(place, key.code())),
    };
    let small = number.and_then(|number| u8::try_from(number).ok());
    let word = match key {
        GroupKey::State => small.and_then(JobState::from_number).map(JobState::code),
        GroupKey::Reason => small.and_then(Reason::from_number).map(Reason::code),
        GroupKey::Tenant
        | GroupKey::Queue
        | GroupKey::Name
        | GroupKey::Identity
        | GroupKey::Runner
        | GroupKey::Host
        | GroupKey::User
        | GroupKey::ExitStatus => None,
    };
    Ok(word.map(str::to_owned).or(text))
}
