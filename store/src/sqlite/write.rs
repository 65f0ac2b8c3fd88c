//! The one connection that writes.

use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Fence, Spec, Status, TENANT_DEFAULT},
};
use rusqlite::{Connection, Result, params};

use super::{
    codec::{identity, ids, int, moment},
    log,
};
use crate::{Applied, Change, EventKind, Fault, StoreError, Token, memory::payload};

/// Of so many jobs one gets a row in `mark`.
const MARK_EVERY: u32 = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Connection,
    name: String,
    counters: Counters,
    /// Why nothing is written any more.
    pub(super) broken: Option<StoreError>,
}

/// What the next rows continue; taken from the file once, because nobody else writes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    last_job: u64,
    last_event: u64,
    /// The latest moment at which any job was submitted, and how many since the last mark.
    latest: i64,
    unmarked: u32,
}

impl Writer {
    pub(super) fn new(db: Connection, name: String) -> Result<Self> {
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let largest = |meta: &str, rows: &str| -> Result<u64> {
            let kept = number(&format!("SELECT value FROM meta WHERE name = '{meta}'"))?;
            Ok(kept.max(number(rows)?).unwrap_or(0).unsigned_abs())
        };
        let marked = number("SELECT max(job) FROM mark")?.unwrap_or(0);
        let before = number("SELECT max(latest) FROM mark")?;
        let after = number(&format!("SELECT max(submitted_at) FROM job WHERE id >= {marked}"))?;
        let count = number(&format!("SELECT count(*) FROM job WHERE id >= {marked}"))?;
        let counters = Counters {
            last_job: largest("last_job", "SELECT max(id) FROM job")?,
            last_event: largest("last_event", "SELECT max(seq) FROM event")?,
            latest: before.max(after).unwrap_or(0),
            unmarked: count.and_then(|count| u32::try_from(count).ok()).unwrap_or(MARK_EVERY),
        };
        db.set_prepared_statement_cache_capacity(64);
        Ok(Self { db, name, counters, broken: None })
    }

    /// Ids and sequence numbers given so far.
    pub(super) const fn last(&self) -> (JobId, u64) {
        (JobId(self.counters.last_job), self.counters.last_event)
    }

    pub(super) fn commit(
        &mut self,
        changes: &[Change],
    ) -> std::result::Result<Vec<Applied>, StoreError> {
        self.check(changes)?;
        self.transact("committing to", |db, counters| {
            changes.iter().map(|change| apply(db, counters, change)).collect()
        })
    }

    /// Does several things or none, and returns when they are on the disk.
    pub(super) fn transact<T>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&Connection, &mut Counters) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        if let Some(broken) = &self.broken {
            let detail = format!("nothing is written any more since {}", broken.detail);
            return Err(StoreError::new(broken.fault, detail));
        }
        let mut counters = self.counters;
        let done = begin(&self.db)
            .and_then(|()| work(&self.db, &mut counters))
            .and_then(|done| self.db.prepare_cached("COMMIT")?.execute([]).map(|_| done));
        match done {
            Ok(done) => {
                self.counters = counters;
                Ok(done)
            }
            Err(error) => Err(self.undo(super::fault::from_sql(doing, &self.name, error))),
        }
    }

    /// After an error that says nothing about the batch, nothing further is written: the kernel forgets what an fsync
    /// could not write, and the next fsync would be believed wrongly.
    fn undo(&mut self, error: StoreError) -> StoreError {
        // Some errors have rolled back already.
        let undone = self.db.is_autocommit() || self.db.execute_batch("ROLLBACK").is_ok();
        if !undone || matches!(error.fault, Fault::Io | Fault::Corrupt) {
            self.broken = Some(error.clone());
        }
        error
    }

    fn check(&self, changes: &[Change]) -> std::result::Result<(), StoreError> {
        let mut last = self.counters.last_job;
        for change in changes {
            if let Change::Submit { job, .. } = change {
                if job.0 <= last {
                    let detail = format!("job {job} is submitted after job {last}");
                    return Err(StoreError::new(Fault::Misuse, detail));
                }
                last = job.0;
            }
        }
        Ok(())
    }
}

fn begin(db: &Connection) -> Result<()> {
    if !db.is_autocommit() {
        // A panic left it so.
        db.execute_batch("ROLLBACK")?;
    }
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

fn apply(db: &Connection, counters: &mut Counters, change: &Change) -> Result<Applied> {
    match change {
        Change::Submit { job, spec, status, at } => submit(db, counters, *job, spec, status, *at),
        Change::Key { key, request, jobs, at } => {
            let sql = "INSERT OR REPLACE INTO key (key, request, jobs, at) VALUES (?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute(params![key, request, ids(jobs), int(at.0)])?;
            Ok(Applied::Done)
        }
        Change::Update { job, expect, status } => update(db, *job, *expect, status),
        Change::Attempt(attempt) => record(db, attempt),
        Change::Delete { job } => delete(db, counters, *job),
        Change::Event { at, kind, job, who, detail } => {
            event(db, counters, *at, *kind, *job, who.as_deref(), detail)
        }
        Change::Token(token) => self::token(db, token),
        Change::Forget { events, keys } => forget(db, counters, *events, *keys),
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
        crashes, fence, runner, leased_at, started_at, finished_at, exit_status, signal, kill)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        id,
        at,
        tenant,
        identity(&spec.identity),
        s.state as i64,
        s.reason.map(|it| it as i64),
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
    ])?;
    let text = serde_json::to_string(spec)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    db.prepare_cached("INSERT INTO spec VALUES (?, ?)")?.execute(params![id, text])?;
    for tag in &spec.tags {
        db.prepare_cached("INSERT OR IGNORE INTO tag VALUES (?, ?)")?.execute(params![tag, id])?;
    }
    if let Some(sha256) = payload(spec) {
        db.prepare_cached("INSERT INTO payload VALUES (?, ?)")?.execute(params![sha256, id])?;
    }
    counters.last_job = job.0;
    Ok(Applied::Done)
}

fn mark(db: &Connection, counters: &mut Counters, id: i64, at: i64) -> Result<()> {
    counters.unmarked += 1;
    if counters.unmarked >= MARK_EVERY {
        let row = params![id, counters.latest];
        db.prepare_cached("INSERT INTO mark VALUES (?, ?)")?.execute(row)?;
        counters.unmarked = 0;
    }
    counters.latest = counters.latest.max(at);
    Ok(())
}

fn update(db: &Connection, job: JobId, expect: Fence, s: &Status) -> Result<Applied> {
    let sql = "UPDATE job SET state = ?, reason = ?, due = ?, host = ?, attempts = ?, failures = ?, crashes = ?,
        fence = ?, runner = ?, leased_at = ?, started_at = ?, finished_at = ?, exit_status = ?, signal = ?, kill = ?
        WHERE id = ? AND fence = ?";
    let rows = db.prepare_cached(sql)?.execute(params![
        s.state as i64,
        s.reason.map(|it| it as i64),
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
        int(job.0),
        int(expect.0),
    ])?;
    Ok(done_if(rows))
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
        ending.map(|it| it.reason as i64),
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
    Ok(done_if(rows))
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn done_if(rows: usize) -> Applied {
    if rows == 0 { Applied::Fenced } else { Applied::Done }
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
        kind as i64,
        job,
        who,
        some(detail),
    ])?;
    counters.last_event = seq;
    Ok(Applied::Seq(seq))
}

fn token(db: &Connection, token: &Token) -> Result<Applied> {
    let text = serde_json::to_string(token)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    db.prepare_cached("INSERT OR REPLACE INTO token VALUES (?, ?)")?
        .execute(params![token.name, text])?;
    Ok(Applied::Done)
}

/// A job's tags and payload are in its spec, which is only read for them when it has some.
fn delete(db: &Connection, counters: &Counters, job: JobId) -> Result<Applied> {
    let id = int(job.0);
    let rows =
        db.prepare_cached("DELETE FROM job WHERE id = ? AND state >= 7")?.execute(params![id])?;
    if rows == 0 {
        return Ok(Applied::Fenced);
    }
    if job.0 == counters.last_job {
        // The next one must not get its id.
        keep(db, "last_job", job.0)?;
    }
    let spec: Spec = db
        .prepare_cached("DELETE FROM spec WHERE job = ? RETURNING spec")?
        .query_row(params![id], |row| super::codec::json(row, 0))?;
    for tag in &spec.tags {
        db.prepare_cached("DELETE FROM tag WHERE tag = ? AND job = ?")?
            .execute(params![tag, id])?;
    }
    if let Some(sha256) = payload(&spec) {
        db.prepare_cached("DELETE FROM payload WHERE sha256 = ? AND job = ?")?
            .execute(params![sha256, id])?;
    }
    db.prepare_cached("DELETE FROM attempt WHERE job = ?")?.execute(params![id])?;
    Ok(Applied::Done)
}

fn keep(db: &Connection, name: &str, value: u64) -> Result<()> {
    db.prepare_cached("UPDATE meta SET value = ? WHERE name = ?")?
        .execute(params![int(value), name])
        .map(drop)
}

/// Rows go from the oldest to the first that is not old, so that what is kept is not looked at.
fn forget(db: &Connection, counters: &Counters, events: Wall, keys: Wall) -> Result<Applied> {
    keep(db, "last_event", counters.last_event)?;
    let first = |sql: &str, at: Wall| {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(at.0)])?;
        rows.next()?.map_or(Ok(i64::MAX), |row| row.get::<_, i64>(0))
    };
    let seq = first("SELECT seq FROM event WHERE at >= ? ORDER BY seq LIMIT 1", events)?;
    db.prepare_cached("DELETE FROM event WHERE seq < ?")?.execute(params![seq])?;
    let id = first("SELECT id FROM key WHERE at >= ? ORDER BY id LIMIT 1", keys)?;
    db.prepare_cached("DELETE FROM key WHERE id < ?")?.execute(params![id])?;
    db.prepare_cached("DELETE FROM mark WHERE job < (SELECT min(id) FROM job)")?.execute([])?;
    Ok(Applied::Done)
}
