//! Rows as the store's words.

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Attempt, AttemptKey, Ending, Fence, Held, JobState, LogState, Queue, QueueName, QueueShape,
        Scheduling, ShapeOwner, Spec, Status, TENANT_DEFAULT, Usage,
    },
};
use rusqlite::{Connection, OptionalExtension, Result, Row, Rows, params};
use serde_json::{Value, json};

use super::{
    codec::{
        self, content_tag, identity, int, kind, queue_name, reason, state, uint, unreadable, wall,
    },
    log,
};
use crate::{Event, Job, OfQueues, Same, Token, Unfinished};

/// The columns of a [`Status`], a job's id before them, its time after them; then its spec.
pub(super) const COLUMNS: &str =
    "job.id, state, reason, due, host, attempts, failures, crashes, fence, runner,
    leased_at, started_at, finished_at, exit_status, signal, kill, kill_now, stop, incarnation, queue, moves_to, paused,
    submitted_at, spec.spec";
const SUBMITTED_AT: usize = 22;
const SPEC: usize = 23;

/// A job from [`COLUMNS`].
pub(super) fn job(row: &Row<'_>) -> Result<Job> {
    Ok(Job {
        id: id(row)?,
        spec: spec(row),
        status: status(row)?,
        submitted_at: submitted_at(row)?,
    })
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
        queue: queue_name(row, 19)?,
        moves_to: queue_name(row, 20)?,
        paused: held(row, 21)?,
    })
}

/// What cannot be read was written by a later version, or is damaged: the job is paused all the same.
fn held(row: &Row<'_>, at: usize) -> Result<Option<Held>> {
    let text: Option<String> = row.get(at)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Jobs of a kind that are looked through for one that was submitted without a dedupe; with one, they are found at once.
const KIND_MAX: u32 = 4096;

fn spec(row: &Row<'_>) -> Spec {
    let text = spec_text(row);
    serde_json::from_str(text).unwrap_or_else(|_| unreadable_spec(text))
}

fn spec_text<'a>(row: &'a Row<'_>) -> &'a str {
    row.get_ref(SPEC).ok().and_then(|it| it.as_str().ok()).unwrap_or_default()
}

/// What can be told of a spec that a later version wrote, or that is damaged: such a job hinders no other one, is shown,
/// and can be deleted.
pub(super) fn unreadable_spec(text: &str) -> Spec {
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    let unknown = json!({ "module": "unknown" });
    if let Some(object) = value.as_object_mut() {
        object.insert("work".to_owned(), unknown.clone());
    }
    let word = |name: &str, usual: &str| value[name].as_str().unwrap_or(usual).to_owned();
    let least = json!({
        "work": unknown,
        "tenant": word("tenant", TENANT_DEFAULT),
        "identity": word("identity", "unreadable"),
    });
    let read = serde_json::from_value(value).or_else(|_| serde_json::from_value(least));
    read.expect("a spec needs no more than its work and its identity")
}

pub(super) fn unfinished(row: &Row<'_>) -> Result<Unfinished> {
    let text = spec_text(row);
    let scheduling = serde_json::from_str(text).unwrap_or_else(|_| unreadable_spec(text).into());
    Ok(Unfinished {
        id: id(row)?,
        submitted_at: submitted_at(row)?,
        scheduling,
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
        "SELECT {COLUMNS} FROM job INDEXED BY job_state LEFT JOIN spec ON spec.job = job.id
         WHERE state = ? AND state <> 7 ORDER BY job.id"
    );
    let states: Vec<_> = JobState::ALL.iter().filter(|state| !state.is_finished()).collect();
    let statements = states.iter().map(|_| db.prepare(&sql));
    let mut statements = statements.collect::<Result<Vec<_>>>()?;
    let mut heads = Vec::new();
    for (statement, state) in statements.iter_mut().zip(states) {
        let mut rows = statement.query(params![state.number()])?;
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
    let sql =
        format!("SELECT {COLUMNS} FROM job LEFT JOIN spec ON spec.job = job.id WHERE job.id = ?");
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
        .query_row(params![key], |row| Ok((row.get(0)?, codec::json(row, 1)?)))
        .optional()
}

pub(super) fn succeeded_since(
    db: &Connection,
    tenant: &str,
    same: Same<'_>,
    since: Wall,
) -> Result<Option<JobId>> {
    let tenant = (tenant != TENANT_DEFAULT).then_some(tenant);
    let (Same::Identity(words) | Same::Content(_, words)) = same;
    let mut least = 0_i64;
    if let Same::Content(content, _) = same {
        let sql = "SELECT job.id FROM tag CROSS JOIN job ON job.id = tag.job
            WHERE tag.tag = ? AND tenant IS ? AND state = 7 AND finished_at >= ? ORDER BY tag.job DESC LIMIT 1";
        let found = db
            .prepare_cached(sql)?
            .query_row(params![content_tag(content), tenant, int(since.0)], |row| row.get(0))
            .optional()?;
        least = found.unwrap_or(0);
    }
    let sql = "SELECT job.id, spec.spec FROM job INDEXED BY job_identity CROSS JOIN spec ON spec.job = job.id
        WHERE identity = ? AND job.id > ? AND tenant IS ? AND state = 7 AND finished_at >= ? ORDER BY job.id DESC";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![identity(words), least, tenant, int(since.0)])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()?
        && looked_at < KIND_MAX
    {
        let it = codec::json::<Scheduling>(row, 1)?;
        if Same::of(&it.identity, it.content) == same {
            return id(row).map(Some);
        }
        looked_at += u32::from(it.content.is_some());
    }
    Ok((least > 0).then_some(JobId(least.unsigned_abs())))
}

/// Jobs after a thousand that are young were submitted after the moment, so that they are not looked at. What a clock that was
/// wrong wrote is no mark.
pub(super) fn prunable(
    db: &Connection,
    queues: OfQueues<'_>,
    (succeeded_before, others_before): (Wall, Wall),
    now: Wall,
    max: usize,
) -> Result<Vec<JobId>> {
    // Those of one queue come from its index, unless it is the one that has none.
    let (from, own, named) = match queues {
        OfQueues::One(queue) if queue.is_default() => {
            ("job", "queue IS NULL AND ?5 = ''", String::new())
        }
        OfQueues::One(queue) => ("job INDEXED BY job_queue", "queue = ?5", queue.to_string()),
        OfQueues::AllBut(others) => {
            let others = serde_json::to_string(others).unwrap_or_default();
            let own =
                "(?5 = '[]' OR ifnull(queue, 'default') NOT IN (SELECT value FROM json_each(?5)))";
            ("job", own, others)
        }
    };
    let sql = format!(
        "SELECT id FROM {from} WHERE finished
        AND CASE WHEN finished_at > ?4 THEN submitted_at ELSE finished_at END
            < CASE state WHEN 7 THEN ?1 ELSE ?2 END
        AND id < ifnull((SELECT min(job) FROM mark WHERE earliest BETWEEN max(?1, ?2) AND ?4),
            9223372036854775807)
        AND {own} ORDER BY id LIMIT ?3"
    );
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let latest = int(crate::latest(now).0);
    db.prepare_cached(&sql)?
        .query_map(params![int(succeeded_before.0), int(others_before.0), max, latest, named], id)?
        .collect()
}

/// The moment of the last retention, if there was one.
pub(super) fn kept_at(db: &Connection) -> Result<Option<Wall>> {
    let sql = "SELECT value FROM meta WHERE name = 'kept_at'";
    db.query_row(sql, [], |row| Ok(Wall(uint(row, 0)?))).optional()
}

pub(super) fn payload_used(db: &Connection, sha256: &str) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM payload WHERE sha256 = ? LIMIT 1")?.exists(params![sha256])
}

/// Of the jobs that are out, which are few, and not of those with this payload, which may be many.
pub(super) fn payload_wanted(db: &Connection, sha256: &str, runner: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM job INDEXED BY job_state JOIN payload ON payload.sha256 = ?2 AND payload.job = job.id
        WHERE state = ?1 AND state <> 7 AND runner = ?3 LIMIT 1";
    let mut asked = db.prepare_cached(sql)?;
    for state in JobState::ALL.iter().filter(|state| state.is_out()) {
        if asked.exists(params![state.number(), sha256, runner])? {
            return Ok(true);
        }
    }
    Ok(false)
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
    statement.query_map([], |row| codec::json(row, 0))?.collect()
}

/// A queue that a later version wrote, or that is damaged, keeps what can be read of it.
pub(super) fn queues(db: &Connection) -> Result<Vec<Queue>> {
    let mut statement = db.prepare("SELECT name, queue FROM queue ORDER BY name")?;
    let queue = |row: &Row<'_>| {
        let name = queue_name(row, 0)?.unwrap_or_default();
        let text = row.get_ref(1)?.as_str()?;
        Ok(serde_json::from_str(text).unwrap_or_else(|_| unreadable_queue(name, text)))
    };
    statement.query_map([], queue)?.collect()
}

fn unreadable_queue(name: QueueName, text: &str) -> Queue {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let mut shape = value["shape"].as_object().cloned().unwrap_or_default();
    shape.retain(|key, value| serde_json::from_value::<QueueShape>(json!({ key: value })).is_ok());
    let shape = serde_json::from_value(Value::Object(shape)).unwrap_or_default();
    let mut queue = Queue::new(name, shape, ShapeOwner::Api);
    let part = |part: &str| serde_json::from_value(value[part].clone()).unwrap_or_default();
    (queue.paused, queue.drained) = (part("paused"), part("drained"));
    queue.owner = serde_json::from_value(value["owner"].clone()).unwrap_or_default();
    queue
}
