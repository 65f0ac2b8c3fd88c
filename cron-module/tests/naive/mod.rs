//! Firings by going through every second of some days: no stretches of time, no skipping of days, and a reader of its own. Only the offset of
//! the zone's clocks from UTC is taken from the library that the module takes it from.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_cron_module::{Dialect, Fold, Gap};

const DAY: i64 = 86_400;
const MONTHS: &str = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
const WEEKDAYS: &str = "SUN MON TUE WED THU FRI SAT";

/// Five fields.
pub(crate) struct Naive {
    pub(crate) minutes: Vec<bool>,
    pub(crate) hours: Vec<bool>,
    day: String,
    months: Vec<bool>,
    weekday: String,
    both: bool,
    pub(crate) by_elapsed: bool,
}

impl Naive {
    /// Reads what is known to be right.
    pub(crate) fn read(text: &str, dialect: Dialect) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        let [minute, hour, day, month, weekday] = *fields else { panic!("{text:?}") };
        let (plus, weekday) = match weekday.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, weekday),
        };
        let star = |it: &str| it == "*" || (dialect == Dialect::Vixie && it.starts_with('*'));
        Self {
            minutes: set(minute, 0, 59, ""),
            hours: set(hour, 0, 23, ""),
            day: day.to_owned(),
            months: set(month, 1, 12, MONTHS),
            weekday: weekday.to_owned(),
            both: plus || star(day) || star(weekday),
            by_elapsed: minute.starts_with('*') || hour.starts_with('*'),
        }
    }

    /// Whether it fires on a day, by its number since 1970.
    pub(crate) fn has_day(&self, number: i64) -> bool {
        let (year, month, day) = civil(number);
        if !self.months[month as usize] {
            return false;
        }
        let (first, length) = (number - day + 1, length(year, month));
        let of_month = self.day.split(',').any(|it| match it {
            "L" => day == length,
            "LW" => weekdays_near(first, length, length) == day,
            _ => match it.strip_suffix('W') {
                Some(named) => {
                    let named: i64 = named.parse().expect("a number");
                    named <= length && weekdays_near(first, length, named) == day
                }
                None => set(it, 1, 31, "")[day as usize],
            },
        });
        let weekday = (number + 4).rem_euclid(7) as usize;
        let of_week = self.weekday.split(',').any(|it| {
            let (name, week) = match (it.split_once('#'), it.strip_suffix('L')) {
                (Some(found), _) => found,
                (None, Some(name)) => (name, "L"),
                (None, None) => (it, ""),
            };
            let set = set(name, 0, 7, WEEKDAYS);
            let is_day = set[weekday] || (weekday == 0 && set[7]);
            is_day
                && match week {
                    "" => true,
                    "L" => day + 7 > length,
                    n => n.parse() == Ok((day + 6) / 7),
                }
        });
        if self.both { of_month && of_week } else { of_month || of_week }
    }

    /// In no day of 400 years, after which the calendar begins anew.
    pub(crate) fn never_fires(&self) -> bool {
        !(0..146_097).any(|it| self.has_day(it))
    }

    /// The firings after a moment and not after another, in seconds since the epoch.
    pub(crate) fn walk(
        &self,
        zone: &TimeZone,
        after: i64,
        until: i64,
        (gap, fold): (Gap, Fold),
    ) -> Vec<i64> {
        let has = |local: i64| {
            let (hour, minute) = (local.rem_euclid(DAY) / 3_600, local.rem_euclid(3_600) / 60);
            local.rem_euclid(60) == 0 && self.minutes[minute as usize] && self.hours[hour as usize]
        };
        let mut days = std::collections::HashMap::new();
        let mut matches = |local: i64| {
            has(local) && {
                let day = local.div_euclid(DAY);
                *days.entry(day).or_insert_with(|| self.has_day(day))
            }
        };
        // Whatever is shown twice about a moment was shown at most two days before.
        let (mut shown, mut found, mut before) = (HashSet::new(), Vec::new(), None);
        for (at, local) in locals(zone, after - 2 * DAY, until) {
            let mut fires = matches(local);
            if fires && !self.by_elapsed && fold == Fold::First {
                fires = !shown.contains(&local);
            }
            let missing = before.filter(|it| local > it + 1).map_or(0..0, |it| it + 1..local);
            if !self.by_elapsed && gap == Gap::After {
                fires |= missing.clone().any(&mut matches);
            }
            if local % 60 == 0 {
                shown.insert(local);
            }
            before = Some(local);
            if fires && at > after {
                found.push(at);
            }
        }
        found
    }
}

/// Each second with what clocks show then. Where they show the same a minute later, they do in between.
fn locals(zone: &TimeZone, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
    let offset = |at: i64| {
        i64::from(zone.to_offset(Timestamp::from_second(at).expect("a moment")).seconds())
    };
    (from..=to).step_by(60).flat_map(move |minute| {
        let (first, last) = (offset(minute), offset(minute + 60));
        (minute..(minute + 60).min(to + 1))
            .map(move |at| (at, at + if first == last { first } else { offset(at) }))
    })
}

/// A list of values, ranges and steps.
fn set(text: &str, low: usize, high: usize, words: &str) -> Vec<bool> {
    let value = |it: &str| {
        let named = words.split(' ').position(|word| !word.is_empty() && word == it);
        named.map_or_else(|| it.parse().expect("a number"), |named| named + low)
    };
    let mut set = vec![false; high + 1];
    for part in text.split(',') {
        let (base, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match base.split_once('-') {
            _ if base == "*" => (low, high),
            Some((from, to)) => (value(from), value(to)),
            None => (value(base), value(base)),
        };
        for it in (from..=to).step_by(step.parse().expect("a number")) {
            set[it] = true;
        }
    }
    set
}

/// Counts years and months from the epoch on.
fn civil(number: i64) -> (i64, i64, i64) {
    let (mut rest, mut year, mut month) = (number, 1970, 1);
    while rest >= 365 + i64::from(is_leap(year)) {
        rest -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    while rest >= length(year, month) {
        rest -= length(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The weekday that is nearest to a day of a month, of which the number of its first is told.
fn weekdays_near(first: i64, length: i64, named: i64) -> i64 {
    let works = |day: i64| (1..6).contains(&(first + day - 1 + 4).rem_euclid(7));
    let near = [named, named - 1, named + 1, named - 2, named + 2];
    near.into_iter().find(|day| (1..=length).contains(day) && works(*day)).expect("there is one")
}
