//! Changes as rows.

use ostler_job::{
    JobId, Wall,
    durable::{
        Attempt, Edit, Edited, Fence, Payload, Queue, QueueName, Reason, Spec, Status,
        TENANT_DEFAULT, Work,
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::{
    codec::{content_tag, identity, ids, int, moment},
    firings, log,
    read::unreadable_spec,
    schedules,
};
use crate::{Applied, Change, EventKind, Fault, StoreError, Token};

/// Of so many jobs one gets a row in `mark`.
pub(super) const MARK_EVERY: u32 = 1024;

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// What the next rows continue; taken from the file once, because nobody else writes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) last_job: u64,
    pub(super) last_event: u64,
    /// The latest moment at which any job was submitted; of those since the last mark the earliest, and how many they are.
    pub(super) latest: i64,
    pub(super) earliest: i64,
    pub(super) unmarked: u32,
}

/// Why a transaction is not committed.
#[derive(Debug)]
pub(super) enum Stop {
    Sql(rusqlite::Error),
    Told(StoreError),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Told(error)
    }
}

pub(super) fn apply(db: &Connection, counters: &mut Counters, change: &Change) -> Result<Applied> {
    match change {
        Change::Submit { job, spec, status, at } => submit(db, counters, *job, spec, status, *at),
        Change::Key { key, request, jobs, at } => {
            let sql = "INSERT OR REPLACE INTO key (key, request, jobs, at) VALUES (?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute(params![key, request, ids(jobs), int(at.0)])?;
            Ok(Applied::Done)
        }
        Change::Update { job, expect, status } => update(db, *job, *expect, status),
        Change::Edit { job, edit, edited } => self::edit(db, *job, edit, edited),
        Change::Attempt(attempt) => record(db, attempt),
        Change::Delete { job } => delete(db, counters, *job),
        Change::Event { at, kind, job, who, detail } => {
            event(db, counters, *at, *kind, *job, who.as_deref(), detail)
        }
        Change::Token(token) => self::token(db, token),
        Change::Queue(queue) => put_queue(db, queue),
        Change::QueueGone(name) => {
            db.prepare_cached("DELETE FROM queue WHERE name = ?")?.execute([name.as_str()])?;
            Ok(Applied::Done)
        }
        Change::Schedule(schedule) => schedules::put(db, schedule),
        Change::Stand { schedule, expect, stand } => schedules::stand(db, schedule, *expect, stand),
        Change::Firing { schedule, firing } => firings::put(db, schedule, firing),
        Change::ScheduleGone(name) => schedules::remove(db, name),
        Change::Forget { now, events, keys } => forget(db, counters, *now, *events, *keys),
        Change::Reserve { fences } => {
            keep(db, "fences", *fences)?;
            Ok(Applied::Done)
        }
    }
}

fn submit(
    db: &Connection,
    counters: &mut Counters,
    job: JobId,
    spec: &Spec,
    status: &Status,
    at: Wall,
) -> Result<Applied> {
    let (id, at) = (int(job.0), int(at.0));
    mark(db, counters, id, at)?;
    let s = status;
    let tenant = (spec.tenant != TENANT_DEFAULT).then_some(&spec.tenant);
    let sql = "INSERT INTO job (id, submitted_at, tenant, identity, state, reason, due, host, attempts, failures,
        crashes, fence, runner, leased_at, started_at, finished_at, exit_status, signal, kill, kill_now,
        stop, incarnation, queue, moves_to, paused)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        id,
        at,
        tenant,
        identity(&spec.identity),
        s.state.number(),
        s.reason.map(Reason::number),
        moment(s.due),
        s.host,
        s.attempts,
        s.failures,
        s.crashes,
        int(s.fence.0),
        s.runner,
        moment(s.leased_at),
        moment(s.started_at),
        moment(s.finished_at),
        s.exit_status,
        s.signal,
        s.kill,
        s.kill_now,
        s.stop,
        s.incarnation,
        queue_of(s),
        s.moves_to.as_ref().map(QueueName::as_str),
        s.paused.as_ref().map(json).transpose()?,
    ])?;
    db.prepare_cached("INSERT INTO spec (job, spec) VALUES (?, ?)")?
        .execute(params![id, json(spec)?])?;
    for tag in &spec.tags {
        db.prepare_cached("INSERT OR IGNORE INTO tag VALUES (?, ?)")?.execute(params![tag, id])?;
    }
    if let (Some(content), Some(_)) = (spec.content, &spec.dedupe) {
        let row = params![content_tag(content), id];
        db.prepare_cached("INSERT INTO tag VALUES (?, ?)")?.execute(row)?;
    }
    if let Some(Payload { sha256, .. }) = spec.work.payload() {
        db.prepare_cached("INSERT INTO payload VALUES (?, ?)")?.execute(params![sha256, id])?;
    }
    counters.last_job = job.0;
    Ok(Applied::Done)
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value);
    Ok(text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?)
}

fn mark(db: &Connection, counters: &mut Counters, id: i64, at: i64) -> Result<()> {
    counters.unmarked += 1;
    if counters.unmarked >= MARK_EVERY {
        let row = params![id, counters.latest, counters.earliest];
        db.prepare_cached("INSERT INTO mark (job, latest, earliest) VALUES (?, ?, ?)")?
            .execute(row)?;
        (counters.unmarked, counters.earliest) = (0, i64::MAX);
    }
    counters.latest = counters.latest.max(at);
    counters.earliest = counters.earliest.min(at);
    Ok(())
}

fn update(db: &Connection, job: JobId, expect: Fence, s: &Status) -> Result<Applied> {
    let sql = "UPDATE job SET state = ?, reason = ?, due = ?, host = ?, attempts = ?, failures = ?, crashes = ?,
        fence = ?, runner = ?, leased_at = ?, started_at = ?, finished_at = ?, exit_status = ?, signal = ?, kill = ?,
        kill_now = ?, stop = ?, incarnation = ?, queue = ?, moves_to = ?, paused = ? WHERE id = ? AND fence = ?";
    let rows = db.prepare_cached(sql)?.execute(params![
        s.state.number(),
        s.reason.map(Reason::number),
        moment(s.due),
        s.host,
        s.attempts,
        s.failures,
        s.crashes,
        int(s.fence.0),
        s.runner,
        moment(s.leased_at),
        moment(s.started_at),
        moment(s.finished_at),
        s.exit_status,
        s.signal,
        s.kill,
        s.kill_now,
        s.stop,
        s.incarnation,
        queue_of(s),
        s.moves_to.as_ref().map(QueueName::as_str),
        s.paused.as_ref().map(json).transpose()?,
        int(job.0),
        int(expect.0),
    ])?;
    done_if(rows, job)
}

/// The one change that reads what it changes: of two that come one after the other, neither is lost.
fn edit(db: &Connection, job: JobId, edit: &Edit, edited: &Edited) -> Result<Applied> {
    let id = int(job.0);
    let text: Option<String> = db
        .prepare_cached("SELECT spec FROM spec WHERE job = ?")?
        .query_row(params![id], |row| row.get(0))
        .optional()?;
    let text = text.ok_or_else(|| fenced(job))?;
    // What a later version wrote, or what is damaged, would be lost with what of it is not known here.
    let known = serde_json::from_str(&text).ok().filter(|it: &Spec| it.work != Work::Unknown);
    let Some(mut spec) = known else { return Ok(Applied::Done) };
    for tag in edit.tags.iter().flat_map(|_| &spec.tags) {
        db.prepare_cached("DELETE FROM tag WHERE tag = ? AND job = ?")?
            .execute(params![tag, id])?;
    }
    edit.apply(&mut spec);
    spec.edited = Some(Box::new(edited.clone()));
    for tag in edit.tags.iter().flatten() {
        db.prepare_cached("INSERT OR IGNORE INTO tag VALUES (?, ?)")?.execute(params![tag, id])?;
    }
    db.prepare_cached("UPDATE spec SET spec = ? WHERE job = ?")?
        .execute(params![json(&spec)?, id])?;
    Ok(Applied::Done)
}

fn record(db: &Connection, attempt: &Attempt) -> Result<Applied> {
    let Attempt { key, runner, leased_at, started_at, finished_at, ending, ran, usage, log } =
        attempt;
    let sql = "INSERT OR REPLACE INTO attempt
        SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
        WHERE EXISTS (SELECT 1 FROM job WHERE id = ?1)";
    let ending = ending.as_ref();
    let rows = db.prepare_cached(sql)?.execute(params![
        int(key.job.0),
        key.attempt,
        int(key.fence.0),
        runner,
        int(leased_at.0),
        moment(*started_at),
        moment(*finished_at),
        ending.map(|it| it.reason.number()),
        ending.and_then(|it| it.exit_status),
        ending.and_then(|it| it.signal),
        ending.and_then(|it| it.detail.as_deref()),
        int(ran.0),
        int(usage.user_us),
        int(usage.system_us),
        int(usage.rss_max),
        int(log.written),
        int(log.file),
        log.whole.as_deref().map(log::Whole::of),
        some(&log.head),
        some(&log.tail),
    ])?;
    done_if(rows, key.job)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn done_if(rows: usize, job: JobId) -> Result<Applied> {
    if rows == 0 { Err(fenced(job)) } else { Ok(Applied::Done) }
}

fn fenced(job: JobId) -> Stop {
    let detail = format!("job {job} is not as its writer knew it");
    Stop::Told(StoreError::new(Fault::Fenced, detail))
}

fn event(
    db: &Connection,
    counters: &mut Counters,
    at: Wall,
    kind: EventKind,
    job: Option<JobId>,
    who: Option<&str>,
    detail: &str,
) -> Result<Applied> {
    let seq = counters.last_event + 1;
    let job = job.map(|job| int(job.0));
    db.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
        int(seq),
        int(at.0),
        kind.number(),
        job,
        who,
        some(detail),
    ])?;
    counters.last_event = seq;
    Ok(Applied::Seq(seq))
}

pub(super) fn token(db: &Connection, token: &Token) -> Result<Applied> {
    db.prepare_cached("INSERT OR REPLACE INTO token VALUES (?, ?)")?
        .execute(params![token.name, json(token)?])?;
    Ok(Applied::Done)
}

/// The queue that jobs are in by default has no name in the file, and no place in the index.
fn queue_of(status: &Status) -> Option<&str> {
    status.queue.as_ref().filter(|queue| !queue.is_default()).map(QueueName::as_str)
}

fn put_queue(db: &Connection, queue: &Queue) -> Result<Applied> {
    db.prepare_cached("INSERT OR REPLACE INTO queue VALUES (?, ?)")?
        .execute(params![queue.name.as_str(), json(queue)?])?;
    Ok(Applied::Done)
}

/// A job's tags and payload are in its spec, which is only read for them when it has some.
fn delete(db: &Connection, counters: &Counters, job: JobId) -> Result<Applied> {
    let id = int(job.0);
    let rows =
        db.prepare_cached("DELETE FROM job WHERE id = ? AND finished")?.execute(params![id])?;
    if rows == 0 {
        return Err(fenced(job));
    }
    if job.0 == counters.last_job {
        // The next one must not get its id.
        keep(db, "last_job", job.0)?;
    }
    let text: Option<String> = db
        .prepare_cached("DELETE FROM spec WHERE job = ? RETURNING spec")?
        .query_row(params![id], |row| row.get(0))
        .optional()?;
    let text = text.unwrap_or_default();
    let spec: Spec = serde_json::from_str(&text).unwrap_or_else(|_| unreadable_spec(&text));
    if let Some(content) = spec.content {
        db.prepare_cached("DELETE FROM tag WHERE tag = ? AND job = ?")?
            .execute(params![content_tag(content), id])?;
    }
    for tag in &spec.tags {
        db.prepare_cached("DELETE FROM tag WHERE tag = ? AND job = ?")?
            .execute(params![tag, id])?;
    }
    if let Some(Payload { sha256, .. }) = spec.work.payload() {
        db.prepare_cached("DELETE FROM payload WHERE sha256 = ? AND job = ?")?
            .execute(params![sha256, id])?;
    }
    db.prepare_cached("DELETE FROM attempt WHERE job = ?")?.execute(params![id])?;
    Ok(Applied::Done)
}

pub(super) fn keep(db: &Connection, name: &str, value: u64) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute(params![name, int(value)])?;
    Ok(())
}

/// Rows go from the oldest to the first that is not old, so that what is kept is not looked at.
fn forget(
    db: &Connection,
    counters: &Counters,
    now: Wall,
    events: Wall,
    keys: Wall,
) -> Result<Applied> {
    keep(db, "last_event", counters.last_event)?;
    db.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('kept_at', ?)")?
        .execute(params![int(now.0)])?;
    let first = |sql: &str, at: Wall| -> Result<i64> {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(at.0), int(crate::latest(now).0)])?;
        Ok(rows.next()?.map_or(Ok(i64::MAX), |row| row.get::<_, i64>(0))?)
    };
    let seq = first("SELECT seq FROM event WHERE at BETWEEN ? AND ? ORDER BY seq LIMIT 1", events)?;
    db.prepare_cached("DELETE FROM event WHERE seq < ?")?.execute(params![seq])?;
    let id = first("SELECT id FROM key WHERE at BETWEEN ? AND ? ORDER BY id LIMIT 1", keys)?;
    db.prepare_cached("DELETE FROM key WHERE id < ?")?.execute(params![id])?;
    firings::forget(db, events)?;
    db.prepare_cached("DELETE FROM mark WHERE job < (SELECT min(id) FROM job)")?.execute([])?;
    Ok(Applied::Done)
}
