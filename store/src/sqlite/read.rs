//! Rows as the store's words.

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Attempt, AttemptKey, Dedupe, Delivery, Ending, Fence, JobState, LogState, Retry, Status,
        TENANT_DEFAULT, Usage,
    },
};
use rusqlite::{Connection, OptionalExtension, Result, Row, Rows, params};
use serde::Deserialize;

use super::{
    codec::{identity, int, json, kind, reason, state, uint, unreadable, wall},
    log,
};
use crate::{Event, Job, Token, Unfinished};

/// The columns of a [`Status`], a job's id before them, its time after them; then its spec.
pub(super) const COLUMNS: &str =
    "job.id, state, reason, due, host, attempts, failures, crashes, fence, runner,
    leased_at, started_at, finished_at, exit_status, signal, kill, kill_now, stop, incarnation, submitted_at,
    spec.spec";
const SUBMITTED_AT: usize = 19;
const SPEC: usize = 20;

/// A job from [`COLUMNS`].
pub(super) fn job(row: &Row<'_>) -> Result<Job> {
    let spec = json(row, SPEC)?;
    Ok(Job { id: id(row)?, spec, status: status(row)?, submitted_at: submitted_at(row)? })
}

pub(super) fn id(row: &Row<'_>) -> Result<JobId> {
    uint(row, 0).map(JobId)
}

fn submitted_at(row: &Row<'_>) -> Result<Wall> {
    uint(row, SUBMITTED_AT).map(Wall)
}

fn status(row: &Row<'_>) -> Result<Status> {
    Ok(Status {
        state: state(row, 1)?,
        reason: reason(row, 2)?,
        due: wall(row, 3)?,
        host: row.get(4)?,
        attempts: row.get(5)?,
        failures: row.get(6)?,
        crashes: row.get(7)?,
        fence: Fence(uint(row, 8)?),
        runner: row.get(9)?,
        leased_at: wall(row, 10)?,
        started_at: wall(row, 11)?,
        finished_at: wall(row, 12)?,
        exit_status: row.get(13)?,
        signal: row.get(14)?,
        kill: row.get(15)?,
        kill_now: row.get(16)?,
        stop: row.get(17)?,
        incarnation: row.get(18)?,
    })
}

/// What of a spec decides when and where it runs. The command is skipped over: a million jobs take 1.0 s of processor time
/// and no memory for what is not needed before they run.
#[derive(Deserialize)]
struct Light {
    tenant: Option<String>,
    identity: String,
    expires: Option<Wall>,
    within: Option<Span>,
    #[serde(default)]
    delivery: Delivery,
    #[serde(default)]
    retry: Retry,
    dedupe: Option<Dedupe>,
}

pub(super) fn unfinished(row: &Row<'_>) -> Result<Unfinished> {
    let Light { tenant, identity, expires, within, delivery, retry, dedupe } = json(row, SPEC)?;
    Ok(Unfinished {
        id: id(row)?,
        submitted_at: submitted_at(row)?,
        tenant: tenant.unwrap_or_else(|| TENANT_DEFAULT.to_owned()),
        identity,
        expires,
        within,
        delivery,
        retry,
        dedupe,
        status: status(row)?,
    })
}

/// Every unfinished job in order of id. The index has them by state and then id, so the states are merged.
pub(super) fn each_unfinished<T>(
    db: &Connection,
    read: fn(&Row<'_>) -> Result<T>,
    each: &mut dyn FnMut(T),
) -> Result<()> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job INDEXED BY job_state CROSS JOIN spec ON spec.job = job.id
         WHERE state = ? AND state <> 7 ORDER BY job.id"
    );
    let states: Vec<_> = JobState::ALL.iter().filter(|state| !state.is_finished()).collect();
    let statements = states.iter().map(|_| db.prepare(&sql));
    let mut statements = statements.collect::<Result<Vec<_>>>()?;
    let mut heads = Vec::new();
    for (statement, state) in statements.iter_mut().zip(states) {
        let mut rows = statement.query(params![*state as i64])?;
        if let Some(head) = next(&mut rows, read)? {
            heads.push((head, rows));
        }
    }
    while let Some(first) = (0..heads.len()).min_by_key(|place| heads[*place].0.0) {
        let (head, rows) = &mut heads[first];
        match next(rows, read)? {
            Some(follower) => each(std::mem::replace(head, follower).1),
            None => each(heads.swap_remove(first).0.1),
        }
    }
    Ok(())
}

fn next<T>(rows: &mut Rows<'_>, read: fn(&Row<'_>) -> Result<T>) -> Result<Option<(JobId, T)>> {
    rows.next()?.map(|row| Ok((id(row)?, read(row)?))).transpose()
}

pub(super) fn one(db: &Connection, job: JobId) -> Result<Option<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM job JOIN spec ON spec.job = job.id WHERE job.id = ?");
    db.prepare_cached(&sql)?.query_row(params![int(job.0)], self::job).optional()
}

pub(super) fn absent(db: &Connection, jobs: &[JobId]) -> Result<Vec<JobId>> {
    let mut statement = db.prepare_cached("SELECT 1 FROM job WHERE id = ?")?;
    let mut absent = Vec::new();
    for &job in jobs {
        if !statement.exists(params![int(job.0)])? {
            absent.push(job);
        }
    }
    Ok(absent)
}

pub(super) fn attempts(db: &Connection, job: JobId) -> Result<Vec<Attempt>> {
    let sql = "SELECT * FROM attempt WHERE job = ? ORDER BY attempt";
    db.prepare_cached(sql)?.query_map(params![int(job.0)], attempt)?.collect()
}

fn attempt(row: &Row<'_>) -> Result<Attempt> {
    let fence = Fence(uint(row, 2)?);
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    Ok(Attempt {
        key: AttemptKey { job: id(row)?, attempt: row.get(1)?, fence },
        runner: row.get(3)?,
        leased_at: Wall(uint(row, 4)?),
        started_at: wall(row, 5)?,
        finished_at: wall(row, 6)?,
        ending: ending(row)?,
        ran: Span(uint(row, 11)?),
        usage: Usage {
            user_us: uint(row, 12)?,
            system_us: uint(row, 13)?,
            rss_max: uint(row, 14)?,
        },
        log: LogState {
            written: uint(row, 15)?,
            file: uint(row, 16)?,
            whole: log::whole(row, 17)?,
            head: text(18)?,
            tail: text(19)?,
        },
    })
}

fn ending(row: &Row<'_>) -> Result<Option<Ending>> {
    let Some(reason) = reason(row, 7)? else { return Ok(None) };
    Ok(Some(Ending { reason, exit_status: row.get(8)?, signal: row.get(9)?, detail: row.get(10)? }))
}

pub(super) fn keyed(db: &Connection, key: &str) -> Result<Option<(String, Vec<JobId>)>> {
    db.prepare_cached("SELECT request, jobs FROM key WHERE key = ?")?
        .query_row(params![key], |row| Ok((row.get(0)?, json(row, 1)?)))
        .optional()
}

pub(super) fn succeeded_since(
    db: &Connection,
    tenant: &str,
    words: &str,
    since: Wall,
) -> Result<Option<JobId>> {
    let tenant = (tenant != TENANT_DEFAULT).then_some(tenant);
    let sql = "SELECT job.id, spec.spec FROM job INDEXED BY job_identity CROSS JOIN spec ON spec.job = job.id
        WHERE identity = ? AND tenant IS ? AND state = 7 AND finished_at >= ? ORDER BY job.id DESC";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![identity(words), tenant, int(since.0)])?;
    while let Some(row) = rows.next()? {
        if json::<Light>(row, 1)?.identity == words {
            return id(row).map(Some);
        }
    }
    Ok(None)
}

/// Jobs above the first mark that is not old were submitted after the moment, so that the young ones are not looked at.
pub(super) fn prunable(
    db: &Connection,
    succeeded_before: Wall,
    others_before: Wall,
    max: usize,
) -> Result<Vec<JobId>> {
    let sql = "SELECT id FROM job WHERE state >= 7
        AND finished_at < CASE state WHEN 7 THEN ?1 ELSE ?2 END
        AND id < ifnull((SELECT min(job) FROM mark WHERE latest >= max(?1, ?2)), 9223372036854775807)
        ORDER BY id LIMIT ?3";
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?
        .query_map(params![int(succeeded_before.0), int(others_before.0), max], id)?
        .collect()
}

pub(super) fn payload_used(db: &Connection, sha256: &str) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM payload WHERE sha256 = ? LIMIT 1")?.exists(params![sha256])
}

pub(super) fn tail(db: &Connection, after: u64, max: usize) -> Result<Vec<Event>> {
    let sql =
        "SELECT seq, at, kind, job, who, detail FROM event WHERE seq > ? ORDER BY seq LIMIT ?";
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let event = |row: &Row<'_>| {
        let job = row.get::<_, Option<i64>>(3)?.map(u64::try_from).transpose();
        Ok(Event {
            seq: uint(row, 0)?,
            at: Wall(uint(row, 1)?),
            kind: kind(row, 2)?,
            job: job.map_err(|error| unreadable(3, error))?.map(JobId),
            who: row.get(4)?,
            detail: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        })
    };
    db.prepare_cached(sql)?.query_map(params![int(after), max], event)?.collect()
}

pub(super) fn tokens(db: &Connection) -> Result<Vec<Token>> {
    let mut statement = db.prepare("SELECT token FROM token ORDER BY name")?;
    statement.query_map([], |row| json(row, 0))?.collect()
}
