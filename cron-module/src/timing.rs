//! An expression in a time zone: the moments at which it fires.
//!
//! A zone is a row of stretches of time in which local clocks are ahead of UTC by the same. Within one, firings are those of the
//! calendar. Where a stretch begins with clocks set forward, some times of day are not there, and where they are set back, some
//! are there twice; what then happens is the [`Gap`]'s and the [`Fold`]'s to say, unless the expression is one whose time between
//! firings counts (`*/5`, [`Expression::Every`]): that goes on in the gap and in the fold as if nothing were, as in cronie.

mod count;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use ostler_job::Wall;

use crate::expression::{Expression, Fields};

/// What fires whose time of day is not there, since clocks are set forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gap {
    /// It fires at the end of the gap, once however many of its times are in there.
    #[default]
    After,
    /// It does not.
    Skip,
}

/// When that fires whose time of day is there twice, since clocks are set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fold {
    /// The first time.
    #[default]
    First,
    /// Both times.
    Both,
}

/// An expression in a zone.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What is meant.
    pub expression: Expression,
    /// Whose times of day it means.
    pub zone: TimeZone,
    /// What there is in a gap.
    pub gap: Gap,
    /// What there is in a fold.
    pub fold: Fold,
    /// From where on [`Expression::Every`] counts.
    pub anchor: Wall,
}

/// One firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it is due.
    pub due: Wall,
    /// What is odd about it, if anything is.
    pub oddity: Option<Oddity>,
}

/// What a change of the clocks does to a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The first of its times that are not there: it fires after the gap.
    InGap(DateTime),
    /// Its time of day is there twice, and this is the first.
    First,
    /// This is the second.
    Second,
}

/// Where clocks are set.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) at: Timestamp,
    /// What local clocks would have shown then, and what they show.
    pub(crate) from: DateTime,
    pub(crate) to: DateTime,
}

impl Change {
    pub(crate) fn is_back(self) -> bool {
        self.to < self.from
    }
}

impl Timing {
    /// The first firing after a moment; `None`: there is none, or it is not a matter of time ([`Expression::Reboot`]).
    pub fn next(&self, after: Wall) -> Option<Occurrence> {
        match &self.expression {
            Expression::Fields(fields) => self.next_of(fields, after),
            Expression::Every(span) => {
                let step = span.0 / 1_000_000;
                let passed = after.0.checked_sub(self.anchor.0).map_or(0, |it| it / step);
                let due = self.anchor.0.checked_add(step.checked_mul(passed + 1)?)?;
                Some(Occurrence { due: Wall(due), oddity: None })
            }
            Expression::Reboot => None,
        }
    }

    /// Goes from stretch to stretch.
    fn next_of(&self, fields: &Fields, after: Wall) -> Option<Occurrence> {
        let second = i64::try_from(after.0 / 1_000).ok()? + 1;
        let mut from = Timestamp::from_second(second).ok()?;
        loop {
            let (begin, end) = (self.last_change(from), self.next_change(from));
            if let Some(begin) = begin.filter(|it| it.at == from)
                && let Some(missing) = self.in_gap(fields, begin)
            {
                return occurrence(from, Some(Oddity::InGap(missing)));
            }
            let offset = self.zone.to_offset(from);
            let mut local = offset.to_datetime(from);
            if let Some(begin) = begin.filter(|_| !fields.by_elapsed && self.fold == Fold::First) {
                // What is there for the second time was there.
                local = local.max(if begin.is_back() { begin.from } else { local });
            }
            let found = fields.next(local);
            let stretch_ends = end.map(|end| end.from);
            if let Some(time) = found.filter(|it| stretch_ends.is_none_or(|ends| *it < ends)) {
                return occurrence(offset.to_timestamp(time).ok()?, oddity(time, begin, end));
            }
            from = after_stretch(found, end?)?;
        }
    }

    /// The first time of day that is not there, of those that fire after the gap.
    fn in_gap(&self, fields: &Fields, change: Change) -> Option<DateTime> {
        if fields.by_elapsed || self.gap == Gap::Skip || change.is_back() {
            return None;
        }
        fields.next(change.from).filter(|it| *it < change.to)
    }

    /// The last change that is not after a moment.
    fn last_change(&self, moment: Timestamp) -> Option<Change> {
        let after = moment.checked_add(SignedDuration::from_secs(1)).ok()?;
        self.change(self.zone.preceding(after).next()?.timestamp())
    }

    /// The first change after it.
    pub(crate) fn next_change(&self, moment: Timestamp) -> Option<Change> {
        self.change(self.zone.following(moment).next()?.timestamp())
    }

    fn change(&self, at: Timestamp) -> Option<Change> {
        let before = at.checked_sub(SignedDuration::from_secs(1)).ok()?;
        let from = self.zone.to_offset(before).to_datetime(at);
        Some(Change { at, from, to: self.zone.to_offset(at).to_datetime(at) })
    }
}

fn occurrence(at: Timestamp, oddity: Option<Oddity>) -> Option<Occurrence> {
    let due = Wall(u64::try_from(at.as_millisecond()).ok()?);
    Some(Occurrence { due, oddity })
}

fn oddity(time: DateTime, begin: Option<Change>, end: Option<Change>) -> Option<Oddity> {
    if begin.is_some_and(|begin| time < begin.from) {
        Some(Oddity::Second)
    } else if end.is_some_and(|end| time >= end.to) {
        Some(Oddity::First)
    } else {
        None
    }
}

/// Where to go on when the next time of the calendar, if there is one, is not in the stretch that ends so.
fn after_stretch(found: Option<DateTime>, end: Change) -> Option<Timestamp> {
    if end.is_back() {
        // Those before it may be there again.
        return Some(end.at);
    }
    // Two days are more than any clock is away from UTC and any gap is long: nothing is missed until then.
    let near = found?.checked_sub(SignedDuration::from_hours(48)).ok()?;
    Some(end.at.max(Offset::UTC.to_timestamp(near).ok()?))
}
