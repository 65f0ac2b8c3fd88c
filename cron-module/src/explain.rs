//! What an expression comes to in the next weeks, for people: its firings, with what changes of the clocks do to them, and a calendar.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};
use ostler_job::{Wall, units};

use crate::expression::{Expression, Fields};
use crate::timing::{Change, Fold, Gap, Occurrence, Oddity, Timing};

/// A calendar has at most so many weeks.
const WEEKS_MAX: usize = 60;

/// One firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it is due.
    pub due: Wall,
    /// What clocks in the zone show then: `Sun 2026-03-29 03:00`, with seconds where they are not zero.
    pub local: String,
    /// What the zone calls its time then: `CEST`.
    pub zone: String,
    /// What a change of the clocks does to it, or left out before it.
    pub note: Option<String>,
}

/// The first firings after a moment, so many at most.
pub fn explain(timing: &Timing, from: Wall, count: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut after = from;
    while let Some(next) = timing.next(after).filter(|_| lines.len() < count) {
        let Some(at) = moment(next.due) else { break };
        let local = timing.zone.to_offset(at).to_datetime(at);
        let mut notes = left_out(timing, after, at);
        notes.extend(timing.note(next, local));
        lines.push(Line {
            due: next.due,
            local: format!("{} {}", local.strftime("%a %Y-%m-%d"), clock(local)),
            zone: timing.zone.to_offset_info(at).abbreviation().to_owned(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        });
        after = next.due;
    }
    lines
}

impl Timing {
    fn note(&self, it: Occurrence, local: DateTime) -> Option<String> {
        let Expression::Fields(fields) = &self.expression else { return None };
        let (time, when) = (clock(local), part_of_day(local));
        Some(match it.oddity? {
            Oddity::InGap(missing) => {
                let of = if missing.date() == local.date() { when } else { on(missing.date()) };
                match fields.count(missing, local) {
                    1 => format!("{} is not there {of}: it fires at {time}", clock(missing)),
                    n => {
                        format!("{} not there {of}: they fire once, at {time}", several(missing, n))
                    }
                }
            }
            Oddity::First if self.fold == Fold::First && !fields.by_elapsed => {
                format!("{time} is there twice {when}: it fires the first time")
            }
            Oddity::First => format!("{time} is there twice {when}: this is the first"),
            Oddity::Second => format!("{time} is there twice {when}: this is the second"),
        })
    }
}

/// What would have fired between two firings, were its time there.
fn left_out(timing: &Timing, after: Wall, until: Timestamp) -> Vec<String> {
    let Expression::Fields(fields) = &timing.expression else { return Vec::new() };
    let goes_on = fields.by_elapsed && fields.is_each_hour();
    if goes_on || !(fields.by_elapsed || timing.gap == Gap::Skip) {
        return Vec::new();
    }
    changes(timing, after, until).filter_map(|change| left_out_at(fields, change)).collect()
}

fn left_out_at(fields: &Fields, change: Change) -> Option<String> {
    let first = fields.next(change.from).filter(|it| *it < change.to)?;
    let on = on(first.date());
    Some(match fields.count(change.from, change.to) {
        1 => format!("{} is not there {on}: it did not fire", clock(first)),
        n => format!("{} not there {on}: they did not fire", several(first, n)),
    })
}

/// Where clocks are set after a moment and not after another.
fn changes(timing: &Timing, after: Wall, until: Timestamp) -> impl Iterator<Item = Change> {
    let next = move |at: Timestamp| timing.next_change(at).filter(|it| it.at <= until);
    std::iter::successors(moment(after).and_then(next), move |it| next(it.at))
}

/// The next weeks, a line each from Monday to Sunday: a day on which it fires once has a `*`, and one on which it fires more often says how
/// often; what is not after the moment is left out. Below it, when clocks are set. Empty where firings are no matter of time.
pub fn calendar(timing: &Timing, from: Wall, weeks: usize) -> String {
    let weeks = weeks.min(WEEKS_MAX);
    let begin = moment(from).filter(|_| timing.expression != Expression::Reboot && weeks > 0);
    let Some(begin) = begin else { return String::new() };
    let today = timing.zone.to_datetime(begin).date();
    let back = i64::from(today.weekday().to_monday_zero_offset());
    let Ok(monday) = today.checked_sub(back.days()) else { return String::new() };
    let mut text =
        String::from("          Mon      Tue      Wed      Thu      Fri      Sat      Sun\n");
    let mut date = monday;
    for week in 0..weeks {
        let Some(line) = week_line(timing, from, (date, today), week == 0) else { break };
        text += &line;
        let Ok(next) = date.checked_add(7.days()) else { break };
        date = next;
    }
    let end = begin_of(timing, date).unwrap_or(begin);
    for change in changes(timing, from, end).filter(|it| it.from != it.to) {
        let way = if change.is_back() { "back" } else { "forward" };
        let by = change.to.duration_since(change.from).abs().as_millis() as u64;
        let by = units::show(by, &units::DURATION);
        let at = change.from.strftime("%a %Y-%m-%d");
        let _ = writeln!(text, "{at}: clocks are set {way} by {by} at {}", clock(change.from));
    }
    text
}

fn week_line(
    timing: &Timing,
    from: Wall,
    (monday, today): (Date, Date),
    is_first: bool,
) -> Option<String> {
    let days: Vec<Date> = monday.series(1.day()).take(7).collect();
    let begins = days.iter().find(|it| it.day() == 1 && **it > today);
    let named = begins.copied().or_else(|| is_first.then_some(today));
    let name = named.map_or_else(String::new, |it| it.strftime("%b %Y").to_string());
    let mut line = format!("{name:<8}");
    for day in days {
        let cell = if day < today { String::new() } else { cell(timing, from, day)? };
        let _ = write!(line, "  {cell:<7}");
    }
    Some(format!("{}\n", line.trim_end()))
}

/// A day, and how often it fires on it.
fn cell(timing: &Timing, from: Wall, day: Date) -> Option<String> {
    let before = |day: Date| {
        let begin = begin_of(timing, day)?;
        Some(Wall(u64::try_from(begin.as_millisecond()).ok()?.saturating_sub(1)))
    };
    let fires = timing.count(before(day)?.max(from), before(day.tomorrow().ok()?)?);
    let mark = match fires {
        0 => String::new(),
        1 => "*".to_owned(),
        2..1_000 => format!("*{fires}"),
        1_000..10_000 => format!("*{}.{}k", fires / 1_000, fires % 1_000 / 100),
        _ => format!("*{}k", fires / 1_000),
    };
    Some(format!("{:>2}{mark}", day.day()))
}

fn begin_of(timing: &Timing, day: Date) -> Option<Timestamp> {
    timing.zone.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

fn moment(of: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(of.0).ok()?).ok()
}

/// A time of day, with its seconds where they are not zero.
fn clock(of: DateTime) -> String {
    let form = if of.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    of.strftime(form).to_string()
}

fn part_of_day(of: DateTime) -> String {
    let part = if (6..20).contains(&of.hour()) { "day" } else { "night" };
    format!("that {part}")
}

fn on(date: Date) -> String {
    format!("on {date}")
}

/// The first of several times that are not there.
fn several(first: DateTime, n: u64) -> String {
    let others = if n == 2 { "1 other".to_owned() } else { format!("{} others", n - 1) };
    format!("{} and {others} are", clock(first))
}
