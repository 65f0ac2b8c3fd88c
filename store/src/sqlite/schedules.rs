//! Schedules as rows: what they are, and where they stand.

use std::collections::HashMap;

use ostler_job::{
    Wall,
    durable::{Fate, KeptSchedule, Schedule, ScheduleName, ScheduleShape, ShapeOwner, Stand, Work},
};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    codec::{int, uint, unreadable},
    read::unreadable_spec,
    write::{self, Stop},
};
use crate::{Applied, Fault, StoreError};

/// What a schedule says of itself that this version cannot read. It does not fire, since what it would be is not known.
const UNREADABLE: &str = "what is kept of it cannot be read: a later version wrote it, or it is damaged; \
     put it again, or delete it";

/// A schedule but for where it stands.
#[derive(Serialize)]
struct Written<'a> {
    shape: &'a ScheduleShape,
    owner: ShapeOwner,
    #[serde(skip_serializing_if = "Option::is_none")]
    put_by: Option<&'a str>,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Described {
    shape: ScheduleShape,
    #[serde(default)]
    owner: ShapeOwner,
    #[serde(default)]
    put_by: Option<String>,
}

pub(super) fn put(db: &Connection, schedule: &Schedule) -> write::Result<Applied> {
    let Schedule { name, shape, owner, put_by, stand } = schedule;
    let written = Written { shape, owner: *owner, put_by: put_by.as_deref() };
    let written = write::json(&written)?;
    db.prepare_cached("INSERT OR REPLACE INTO schedule VALUES (?, ?)")?
        .execute(params![name.as_str(), written])?;
    // Firings of one that had its name may be there still.
    let sql = "INSERT OR REPLACE INTO stand (schedule, cursor, latest, stand)
        SELECT ?1, ?2, ifnull((SELECT due FROM firing WHERE schedule = ?1 ORDER BY due DESC LIMIT 1), 0), ?3";
    let row = params![name.as_str(), int(stand.cursor.0), write::json(stand)?];
    db.prepare_cached(sql)?.execute(row)?;
    Ok(Applied::Done)
}

pub(super) fn stand(
    db: &Connection,
    schedule: &ScheduleName,
    expect: Wall,
    stand: &Stand,
) -> write::Result<Applied> {
    let sql = "UPDATE stand SET cursor = ?, stand = ? WHERE schedule = ? AND cursor = ?";
    let row = params![int(stand.cursor.0), write::json(stand)?, schedule.as_str(), int(expect.0)];
    if db.prepare_cached(sql)?.execute(row)? == 0 {
        let detail = format!("schedule {schedule} does not stand where its writer knew it");
        return Err(Stop::Told(StoreError::new(Fault::Fenced, detail)));
    }
    Ok(Applied::Done)
}

pub(super) fn remove(db: &Connection, name: &ScheduleName) -> write::Result<Applied> {
    for sql in [
        "DELETE FROM schedule WHERE name = ?",
        "DELETE FROM stand WHERE schedule = ?",
        // Nobody is left who would decide about them.
        "DELETE FROM firing INDEXED BY firing_waiting WHERE schedule = ? AND fate = 1",
    ] {
        db.prepare_cached(sql)?.execute([name.as_str()])?;
    }
    Ok(Applied::Done)
}

/// All of them, by name. Only of those that stand before one of their firings are these looked at.
pub(super) fn kept(db: &Connection, now: Wall) -> rusqlite::Result<Vec<KeptSchedule>> {
    let mut waiting = waiting(db)?;
    let sql = "SELECT name, schedule.schedule, cursor, stand, latest FROM schedule
        LEFT JOIN stand ON stand.schedule = schedule.name ORDER BY name";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let schedule = schedule(row)?;
        let latest: Option<i64> = row.get(4)?;
        let after = schedule.stand.cursor.min(now);
        let fired = match latest.is_some_and(|latest| latest > int(after.0)) {
            true => super::firings::fired_after(db, &schedule.name, after, usize::MAX)?,
            false => Vec::new(),
        };
        let waiting = waiting.remove(schedule.name.as_str()).unwrap_or_default();
        kept.push(KeptSchedule { schedule, waiting, fired });
    }
    Ok(kept)
}

/// When those were due that wait, of each schedule.
fn waiting(db: &Connection) -> rusqlite::Result<HashMap<String, Vec<Wall>>> {
    let sql = "SELECT schedule, due FROM firing INDEXED BY firing_waiting WHERE fate = 1
        ORDER BY schedule, due";
    const { assert!(Fate::Waiting.number() == 1) };
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut waiting = HashMap::<String, Vec<Wall>>::new();
    while let Some(row) = rows.next()? {
        waiting.entry(row.get(0)?).or_default().push(Wall(uint(row, 1)?));
    }
    Ok(waiting)
}

fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    let text = row.get_ref(0)?.as_str()?;
    let name = ScheduleName::new(text)
        .ok_or_else(|| unreadable(0, format_args!("name of a schedule {text:?}")))?;
    let text = row.get_ref(1)?.as_str()?;
    let described = serde_json::from_str::<Described>(text).ok();
    let cursor = row.get::<_, Option<i64>>(2)?.unwrap_or_default();
    let cursor = Wall(u64::try_from(cursor).unwrap_or_default());
    let text = row.get_ref(3)?.as_str_or_null()?.unwrap_or_default();
    let stand = serde_json::from_str::<Stand>(text).ok();
    let known = described.as_ref().is_some_and(|it| it.shape.spec.work != Work::Unknown);
    let fault = (!known || stand.is_none()).then(|| UNREADABLE.to_owned());
    let mut stand = stand.unwrap_or_else(|| Stand { since: cursor, ..Stand::default() });
    stand.cursor = cursor;
    stand.fault = fault.or(stand.fault);
    let text = row.get_ref(1)?.as_str()?;
    let described = described.unwrap_or_else(|| unreadable_description(text));
    let Described { shape, owner, put_by } = described;
    Ok(Schedule { name, shape, owner, put_by, stand })
}

/// What can be told of a description that a later version wrote, or that is damaged.
fn unreadable_description(text: &str) -> Described {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let spec = unreadable_spec(&value["shape"]["spec"].to_string());
    let least = ScheduleShape::new("", "UTC", spec);
    let mut shape = json!(least);
    let read = |shape: &Value| serde_json::from_value::<ScheduleShape>(shape.clone());
    for (key, value) in value["shape"].as_object().into_iter().flatten() {
        let mut more = shape.clone();
        more[key] = value.clone();
        if read(&more).is_ok() {
            shape = more;
        }
    }
    let owner = serde_json::from_value(value["owner"].clone()).unwrap_or_default();
    let put_by = value["put_by"].as_str().map(str::to_owned);
    Described { shape: read(&shape).unwrap_or(least), owner, put_by }
}
