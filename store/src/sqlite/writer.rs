//! The one connection that writes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ostler_job::{
    JobId, Wall,
    durable::{Epoch, Term},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    codec,
    history::{DbHistory, History, HistoryFile, Numbers},
    open, read,
    write::{Counters, MARK_EVERY, Stop, apply, keep, token},
};
use crate::{Applied, Change, Fault, StoreError, Token};

/// A disk whose commits take so long is not waited for at the end.
const SLOW: Duration = Duration::from_millis(100);
/// Bytes that are tried before a term begins, at most.
const ROOM_MAX: u64 = 16 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Connection,
    name: String,
    counters: Counters,
    beside: HistoryFile,
    /// Under which commits are taken.
    epoch: Epoch,
    /// What the slowest of the last commits took, about.
    slowest: Duration,
    /// Why nothing is written any more.
    pub(super) broken: Option<StoreError>,
}

impl Writer {
    pub(super) fn new(db: Connection, path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let beside = HistoryFile::of(path)?;
        let counters =
            count(&db).map_err(|error| super::fault::from_sql("opening", &name, error))?;
        db.set_prepared_statement_cache_capacity(64);
        let (epoch, slowest) = (Epoch::default(), Duration::ZERO);
        Ok(Self { db, name, counters, beside, epoch, slowest, broken: None })
    }

    /// What the next rows continue.
    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is remembered beside the file, where a term has begun.
    pub(super) const fn known(&self) -> Option<&History> {
        self.beside.known.as_ref()
    }

    /// Ids and sequence numbers given so far.
    pub(super) const fn last(&self) -> (JobId, u64) {
        (JobId(self.counters.last_job), self.counters.last_event)
    }

    pub(super) fn commit(
        &mut self,
        epoch: Epoch,
        changes: &[Change],
    ) -> Result<Vec<Applied>, StoreError> {
        if epoch != self.epoch {
            let detail = format!("term {epoch} of {} is over", self.name);
            return Err(StoreError::new(Fault::Unknown, detail));
        }
        self.check(changes)?;
        let before = self.counters;
        let applied = self.transact("committing to", |db, counters, beside| {
            let applied = changes
                .iter()
                .map(|change| apply(db, counters, change))
                .collect::<Result<_, _>>()?;
            keep_up(beside, &before, counters, changes)?;
            Ok(applied)
        })?;
        self.changed(&before);
        Ok(applied)
    }

    /// Begins a term, when `room` bytes can be written.
    pub(super) fn begin(&mut self, room: u64) -> Result<Term, StoreError> {
        let room = room.min(ROOM_MAX);
        let (new, back) = self.transact("beginning a term of", |db, counters, beside| {
            let (new, back) = own(db, counters)?.begin(beside.known.as_ref(), Term::BLOCK);
            if new.fences > Term::FENCE_END {
                let detail = "no fences are left to give";
                return Err(StoreError::new(Fault::Corrupt, detail).into());
            }
            for (name, value) in [
                ("history", new.history),
                ("epoch", new.epoch),
                ("fences", new.fences),
                ("doubted", new.doubted),
                ("last_job", new.jobs),
                ("last_event", new.events),
                ("copy", 0),
            ] {
                keep(db, name, value)?;
            }
            (counters.last_job, counters.last_event) = (new.jobs, new.events);
            revoke(db, beside.known.as_ref().map_or(&[], |it| &it.revoked))?;
            if room > 0 {
                db.prepare_cached("INSERT INTO room VALUES (zeroblob(?))")?
                    .execute(params![codec::int(room)])?;
            }
            Ok((new, back))
        })?;
        if room > 0 {
            self.transact("beginning a term of", |db, _, _| {
                Ok(db.prepare_cached("DELETE FROM room")?.execute([])?)
            })?;
        }
        self.remember(&new)?;
        self.epoch = Epoch(new.epoch);
        let fences = new.fences - Term::BLOCK..new.fences;
        Ok(Term { epoch: self.epoch, fences, went_back: back, doubted: new.doubted })
    }

    /// Nothing is given before it is known beside the file as well.
    fn remember(&mut self, new: &DbHistory) -> Result<(), StoreError> {
        let before = self.beside.known.take().unwrap_or_default();
        let numbers = |before: Numbers, given: u64| {
            let mut it = Numbers { given, ..before };
            it.reserve(given, given.saturating_add(1));
            it
        };
        let history = History {
            history: new.history,
            epoch: new.epoch,
            fences: new.fences,
            jobs: numbers(before.jobs, new.jobs),
            events: numbers(before.events, new.events),
            revoked: before.revoked.clone(),
        };
        let kept = self.beside.put(history);
        if kept.is_err() {
            self.beside.known = (before != History::default()).then_some(before);
        }
        kept
    }

    /// Does several things or none, and returns when they are on the disk.
    pub(super) fn transact<T>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&Connection, &mut Counters, &mut HistoryFile) -> Result<T, Stop>,
    ) -> Result<T, StoreError> {
        if let Some(broken) = &self.broken {
            let detail = format!("nothing is written any more since {}", broken.detail);
            return Err(StoreError::new(broken.fault, detail));
        }
        let (mut counters, since) = (self.counters, Instant::now());
        let done = begin(&self.db).and_then(|()| {
            let done = work(&self.db, &mut counters, &mut self.beside)?;
            self.db.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        });
        self.slowest = since.elapsed().max(self.slowest * 7 / 8);
        match done {
            Ok(done) => {
                self.counters = counters;
                Ok(done)
            }
            Err(Stop::Sql(error)) => {
                let error = super::fault::from_writing(doing, &self.name, error, &self.db);
                Err(self.undo(error, true))
            }
            Err(Stop::Told(error)) => Err(self.undo(error, false)),
        }
    }

    /// After an error that says nothing about the batch, nothing further is written: the kernel forgets what an fsync
    /// could not write, and the next fsync would be believed wrongly. Opened anew it can be written again.
    fn undo(&mut self, mut error: StoreError, writing: bool) -> StoreError {
        // Some errors have rolled back already.
        let undone = self.db.is_autocommit() || self.db.execute_batch("ROLLBACK").is_ok();
        if writing && error.fault == Fault::Io || !undone {
            error.fault = Fault::Unknown;
        }
        if matches!(error.fault, Fault::Unknown | Fault::Corrupt) && (writing || !undone) {
            self.broken = Some(error.clone());
        }
        error
    }

    fn check(&self, changes: &[Change]) -> Result<(), StoreError> {
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

impl Drop for Writer {
    /// Closed in order, the store is one file, unless that would hold its end up; and its numbers are known to the last one.
    fn drop(&mut self) {
        if self.slowest >= SLOW {
            // The log is copied home then, which is no harm.
            let _copied = open::leave_log(&self.db);
        }
        let Some(known) = &self.beside.known else { return };
        let (jobs, events) = (self.counters.last_job, self.counters.last_event);
        if self.broken.is_none() && (jobs > known.jobs.given || events > known.events.given) {
            // It is a little behind then, which it may be.
            let _behind = self.beside.close(jobs, events);
        }
    }
}

fn count(db: &Connection) -> rusqlite::Result<Counters> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let largest = |meta: &str, rows: &str| -> rusqlite::Result<u64> {
        let kept = number(&format!("SELECT value FROM meta WHERE name = '{meta}'"))?;
        Ok(kept.max(number(rows)?).unwrap_or(0).unsigned_abs())
    };
    let marked = number("SELECT max(job) FROM mark")?.unwrap_or(0);
    let before = number("SELECT max(latest) FROM mark")?;
    let since = |what: &str| format!("SELECT {what}(submitted_at) FROM job WHERE id >= {marked}");
    let after = number(&since("max"))?;
    let count = number(&format!("SELECT count(*) FROM job WHERE id >= {marked}"))?;
    Ok(Counters {
        last_job: largest("last_job", "SELECT max(id) FROM job")?,
        last_event: largest("last_event", "SELECT max(seq) FROM event")?,
        latest: before.max(after).unwrap_or(0),
        earliest: number(&since("min"))?.unwrap_or(i64::MAX),
        unmarked: count.and_then(|count| u32::try_from(count).ok()).unwrap_or(MARK_EVERY),
    })
}

/// What the file says of itself.
fn own(db: &Connection, counters: &Counters) -> Result<DbHistory, Stop> {
    let known = |name: &str| -> Result<Option<u64>, Stop> {
        let sql = "SELECT value FROM meta WHERE name = ?";
        Ok(db.query_row(sql, [name], |row| codec::uint(row, 0)).optional()?)
    };
    let number =
        |name: &str| Ok::<_, Stop>(known(name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?);
    Ok(DbHistory {
        history: number("history")?,
        epoch: number("epoch")?,
        fences: number("fences")?,
        // Kept since later than the others.
        doubted: known("doubted")?.unwrap_or_default(),
        jobs: counters.last_job,
        events: counters.last_event,
        copy: number("copy")? != 0,
    })
}

/// What was revoked stays so, though the file does not know of it any more.
fn revoke(db: &Connection, revoked: &[String]) -> Result<(), Stop> {
    if revoked.is_empty() {
        return Ok(());
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    for it in read::tokens(db)? {
        if it.revoked_at.is_none() && revoked.contains(&it.hash) {
            token(db, &Token { revoked_at: Some(Wall(now)), ..it })?;
        }
    }
    Ok(())
}

/// What is about to be given, and must not be given again, is known beside the file before it is in it.
fn keep_up(
    beside: &mut HistoryFile,
    before: &Counters,
    after: &Counters,
    changes: &[Change],
) -> Result<(), Stop> {
    let Some(known) = &beside.known else { return Ok(()) };
    let notable = |change: &Change| {
        let revokes = matches!(change, Change::Token(token) if token.revoked_at.is_some());
        revokes || matches!(change, Change::Reserve { .. } | Change::Forget { .. })
    };
    let beyond = after.last_job > known.jobs.reserved || after.last_event > known.events.reserved;
    if !beyond && !changes.iter().any(notable) {
        return Ok(());
    }
    let mut history = known.clone();
    history.jobs.reserve(before.last_job, after.last_job);
    history.events.reserve(before.last_event, after.last_event);
    for change in changes {
        match change {
            Change::Token(token) if token.revoked_at.is_some() => history.revoke(&token.hash),
            Change::Reserve { fences } => history.fences = history.fences.max(*fences),
            Change::Submit { .. }
            | Change::Key { .. }
            | Change::Update { .. }
            | Change::Edit { .. }
            | Change::Attempt(_)
            | Change::Delete { .. }
            | Change::Event { .. }
            | Change::Token(_)
            | Change::Queue(_)
            | Change::QueueGone(_)
            | Change::Schedule(_)
            | Change::Stand { .. }
            | Change::Firing { .. }
            | Change::ScheduleGone(_)
            | Change::Forget { .. } => {}
        }
    }
    if history != *known {
        beside.put(history)?;
    }
    Ok(())
}

fn begin(db: &Connection) -> Result<(), Stop> {
    if !db.is_autocommit() {
        // A panic left it so.
        db.execute_batch("ROLLBACK")?;
    }
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    #[test]
    fn a_slow_disk_is_not_waited_for_at_the_end_and_nothing_is_lost_by_it() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (path, log) = (folder.path().join("store.db"), folder.path().join("store.db-wal"));
        let length = |path: &Path| path.metadata().map_or(0, |it| it.len());
        let event = Change::Event {
            at: Wall(1),
            kind: EventKind::Operator,
            job: None,
            who: None,
            detail: "{}".to_owned(),
        };
        for (slow, before) in [(false, 0), (true, 1), (false, 2)] {
            let db = open::writer(&path, None).expect("it opens");
            assert_eq!(length(&log), 0, "what was left is copied home first");
            let mut writer = Writer::new(db, &path).expect("it opens");
            assert_eq!(writer.last().1, before);
            writer.commit(Epoch::default(), std::slice::from_ref(&event)).expect("it commits");
            writer.slowest = if slow { SLOW } else { Duration::ZERO };
            drop(writer);
            assert_eq!(length(&log) > 0, slow, "copying it is two fsyncs");
        }
    }
}
