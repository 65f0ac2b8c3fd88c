//! A walk over ids in stretches. After each it is known how far the walk has come, so that one that takes long can end there and go
//! on another time. A stretch is as long as some milliseconds allow.

use std::time::{Duration, Instant};

use ostler_job::{JobId, Wall};
use rusqlite::{Connection, ErrorCode, Result};

use super::{codec::int, readers::Deadline};
use crate::{Filter, ReadLimit};

/// Ids of the first stretch, and of the shortest: this many rows are always looked at in one go.
pub(super) const SHORTEST: i64 = 1024;
/// A stretch that took less is followed by a longer one.
const QUICK: Duration = Duration::from_millis(4);
/// A stretch that takes more is broken off and begun anew as a shorter one.
const SLOW: Duration = Duration::from_millis(20);

/// Ids that may be those of a filter's jobs: ranges from one id to below another, apart from each other and ascending.
#[derive(Debug)]
pub(super) struct Ids(Vec<(i64, i64)>);

impl Ids {
    /// Those that the ids and moments of a filter leave.
    pub(super) fn of(db: &Connection, filter: &Filter) -> Result<Self> {
        let newest: i64 = db
            .prepare_cached("SELECT ifnull(max(id), 0) + 1 FROM job")?
            .query_row([], |row| row.get(0))?;
        let Moments { floor, tail, early } = Moments::of(db, filter)?;
        let submitted = [(floor, early.min(newest)), (floor.max(tail), newest)];
        let mut all = Vec::new();
        for asked in asked(filter) {
            all.extend(submitted.iter().map(|range| (asked.0.max(range.0), asked.1.min(range.1))));
        }
        all.retain(|(low, above)| low < above);
        all.sort_unstable();
        Ok(Self(all))
    }

    /// The same below an id, or above one.
    pub(super) fn beyond(mut self, end: Option<JobId>, is_downwards: bool) -> Self {
        let Some(end) = end.map(|id| int(id.0)) else { return self };
        for (low, above) in &mut self.0 {
            if is_downwards {
                *above = (*above).min(end);
            } else {
                *low = (*low).max(end.saturating_add(1));
            }
        }
        self.0.retain(|(low, above)| low < above);
        self
    }

    /// The lowest, and the one that all are below.
    pub(super) fn ends(&self) -> (i64, i64) {
        let low = self.0.first().map_or(0, |range| range.0);
        (low, self.0.last().map_or(0, |range| range.1))
    }

    /// Whether all between its ends are among them.
    pub(super) fn is_whole(&self) -> bool {
        self.0.len() < 2
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        let place = self.0.partition_point(|(low, _)| *low <= id);
        place.checked_sub(1).is_some_and(|place| id < self.0[place].1)
    }
}

/// Ranges that a filter names, apart from each other.
fn asked(filter: &Filter) -> Vec<(i64, i64)> {
    if filter.ids.is_empty() {
        return vec![(0, i64::MAX)];
    }
    let range = |it: &ostler_job::durable::IdRange| (int(it.first.0), int(it.last.0));
    let mut named: Vec<_> = filter.ids.iter().map(range).collect();
    named.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::new();
    for (low, last) in named {
        let above = last.saturating_add(1);
        match apart.last_mut().filter(|before| low <= before.1) {
            Some(before) => before.1 = before.1.max(above),
            None => apart.push((low, above)),
        }
    }
    apart
}

/// Ids that the moments of a filter leave.
struct Moments {
    /// No job below this one was submitted late enough.
    floor: i64,
    /// From here up nothing is known.
    tail: i64,
    /// No job between this one and the tail was submitted early enough.
    early: i64,
}

impl Moments {
    fn of(db: &Connection, filter: &Filter) -> Result<Self> {
        let ask = |sql: &str, at: Option<Wall>| {
            let at = at.map_or(i64::MAX, |at| int(at.0));
            let found = db.prepare_cached(sql)?.query_row([at], |row| row.get(0));
            found.map(|found: Option<i64>| found.unwrap_or(0))
        };
        let floor = match filter.since {
            None => 0,
            since => ask("SELECT max(job) FROM mark WHERE latest < ?", since)?,
        };
        if filter.until.is_none() {
            return Ok(Self { floor, tail: 0, early: 0 });
        }
        let tail = ask("SELECT max(job) FROM mark WHERE job < ?", None)?;
        let early = ask("SELECT max(job) FROM mark WHERE earliest < ?", filter.until)?;
        Ok(Self { floor, tail, early })
    }
}

/// What of the ids has not been looked at.
#[derive(Debug)]
pub(super) struct Walk {
    /// The range that comes next is the last.
    rest: Vec<(i64, i64)>,
    is_downwards: bool,
    length: i64,
}

impl Walk {
    pub(super) fn new(ids: Ids, is_downwards: bool) -> Self {
        let Ids(mut rest) = ids;
        if !is_downwards {
            rest.reverse();
        }
        Self { rest, is_downwards, length: SHORTEST }
    }

    /// Has every stretch looked at, until one look says that it is enough. An id when the limit ended it before: the walk goes on
    /// beyond that one.
    pub(super) fn go(
        &mut self,
        alarm: &Deadline,
        limit: &ReadLimit,
        look: &mut dyn FnMut(i64, i64) -> Result<bool>,
    ) -> Result<Option<JobId>> {
        while let Some((low, above)) = self.stretch() {
            let since = Instant::now();
            // The shortest is looked through to its end, so that every walk comes further.
            let _set = (self.length > SHORTEST).then(|| alarm.set(since + SLOW));
            match look(low, above) {
                Ok(true) => self.pass(low, above),
                Ok(false) => return Ok(None),
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
                {
                    self.length = (self.length / 8).max(SHORTEST);
                }
                Err(error) => return Err(error),
            }
            if limit.is_over() {
                return Ok(self.end());
            }
            if since.elapsed() < QUICK {
                self.length = self.length.saturating_mul(4);
            }
        }
        Ok(None)
    }

    fn stretch(&self) -> Option<(i64, i64)> {
        let (low, above) = *self.rest.last()?;
        Some(if self.is_downwards {
            (low.max(above.saturating_sub(self.length)), above)
        } else {
            (low, above.min(low.saturating_add(self.length)))
        })
    }

    fn pass(&mut self, low: i64, above: i64) {
        let Some(range) = self.rest.last_mut() else { return };
        if self.is_downwards {
            range.1 = low;
        } else {
            range.0 = above;
        }
        if range.0 >= range.1 {
            self.rest.pop();
        }
    }

    /// What is left is below this, or above it; `None`: nothing is.
    fn end(&self) -> Option<JobId> {
        let (low, above) = *self.rest.last()?;
        let end = if self.is_downwards { above } else { low - 1 };
        Some(JobId(end.max(0).unsigned_abs()))
    }
}
