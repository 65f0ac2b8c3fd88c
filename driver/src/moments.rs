//! When scheduled jobs are due: by a date, which goes with the clock that people set, or after a length of time, which does not.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{JobId, Mono, Span, Wall};

/// A wall clock that is before this, the year in which there first were schedules, is that of a machine without a battery which has
/// not asked for the time yet: it is wrong for certain.
pub(super) const BEFORE: Wall = Wall(1_767_225_600_000);

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A date of the driver's calendar.
    Date(Wall),
    /// A moment that no clock moves.
    Length(Mono),
}

/// Each awaited job once, under its moment.
#[derive(Debug, Default)]
pub(super) struct Moments {
    of: BTreeMap<JobId, Moment>,
    dates: BTreeSet<(Wall, JobId)>,
    lengths: BTreeSet<(Mono, JobId)>,
}

impl Moments {
    pub(super) fn put(&mut self, id: JobId, at: Moment) {
        self.remove(id);
        self.of.insert(id, at);
        match at {
            Moment::Date(at) => drop(self.dates.insert((at, id))),
            Moment::Length(at) => drop(self.lengths.insert((at, id))),
        }
    }

    pub(super) fn remove(&mut self, id: JobId) {
        match self.of.remove(&id) {
            Some(Moment::Date(at)) => drop(self.dates.remove(&(at, id))),
            Some(Moment::Length(at)) => drop(self.lengths.remove(&(at, id))),
            None => {}
        }
    }

    /// The first job that is due, taken out.
    pub(super) fn pop(&mut self, date: Wall, now: Mono) -> Option<JobId> {
        let dated = self.dates.first().filter(|it| it.0 <= date).map(|it| it.1);
        let id = dated.or_else(|| self.lengths.first().filter(|it| it.0 <= now).map(|it| it.1))?;
        self.remove(id);
        Some(id)
    }

    /// What is between now and the first of them.
    pub(super) fn next(&self, date: Wall, now: Mono) -> Option<Span> {
        let dated = self.dates.first().map(|it| it.0.since(date));
        let length = self.lengths.first().map(|it| it.0 - now);
        [dated, length].into_iter().flatten().min()
    }

    /// Files dates anew, each under what is told of its job.
    pub(super) fn redate(&mut self, date: impl Fn(JobId) -> Wall) {
        for (_, id) in std::mem::take(&mut self.dates) {
            let at = date(id);
            self.of.insert(id, Moment::Date(at));
            self.dates.insert((at, id));
        }
    }

    pub(super) fn has_dates(&self) -> bool {
        !self.dates.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        debug_assert_eq!(self.of.len(), self.dates.len() + self.lengths.len(), "filed once");
        self.of.len()
    }
}
