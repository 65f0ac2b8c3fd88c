//! Moments as people type them: `18:00`, `tomorrow 3:00`, `monday 9:00`, `2026-12-01 03:00`, `in 2h`, RFC 3339. Read here, where the zone
//! of whoever types is known; the API gets instants alone.

use jiff::{
    Span, Timestamp, ToSpan as _, ZonedDateTime,
    civil::{Date, DateTime, Time, Weekday},
    tz::{AmbiguousOffset, TimeZone},
};
use ostler_gateway::{schedules, units};

/// Which one is meant by a time or a day that comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toward {
    /// The next one: it is about something that is to be done.
    Next,
    /// The last one: it is about what was.
    Last,
    /// That of today, whether it was or not: the end of a time.
    Today,
}

/// Whose clock and zone it is.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    zone: Result<TimeZone, String>,
}

/// A moment that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    at: Timestamp,
    told: Option<String>,
}

impl Moment {
    /// As the API reads it.
    pub(crate) fn instant(&self) -> String {
        self.at.to_string()
    }

    /// The same.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Milliseconds from then until this.
    pub(crate) fn millis_after(&self, clock: &Clock) -> i64 {
        self.at.as_millisecond() - clock.now.as_millisecond()
    }

    /// What was understood, with the zone. `None`: it was written so that there was nothing to understand.
    pub(crate) fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
const FORMS: &str = "18:00, tomorrow 3:00, monday 9:00, 2026-12-01 03:00, in 2h or 2026-12-01T03:00:00+01:00, and a zone such as Europe/Berlin after it where it is another one";

/// The day that words name.
#[derive(Clone, Copy, Debug)]
enum Day {
    /// None: every day has the time.
    Any,
    One(Date),
    Every(Weekday),
}

impl Clock {
    /// That of this process.
    pub(crate) fn here() -> Self {
        Self { now: Timestamp::now(), zone: zone_here() }
    }

    /// A Friday, 17:30 in Berlin.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self {
            now: "2026-11-27T16:30:00Z".parse().expect("a moment"),
            zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").map_err(|it| it.to_string()),
        }
    }

    /// The same, with a zone of a name.
    #[cfg(test)]
    pub(crate) fn for_tests_in(zone: &str) -> Self {
        Self { zone: named(zone), ..Self::for_tests() }
    }

    /// The present.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The zone of this name, else that of whoever types.
    pub(crate) fn zone(&self, name: Option<&str>) -> Result<TimeZone, String> {
        name.map_or_else(|| self.zone.clone(), named)
    }

    /// A moment with its zone, also where there was nothing to understand.
    pub(crate) fn told(&self, moment: &Moment) -> String {
        if let Some(told) = moment.told() {
            return told.to_owned();
        }
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let at = moment.at.to_zoned_datetime(zone.clone());
        format!("{}, {}", shown(&at), far(&at, &self.now.to_zoned_datetime(zone)))
    }

    /// Reads a moment.
    pub(crate) fn read(&self, text: &str, toward: Toward) -> Result<Moment, String> {
        if let Ok(at) = text.trim().parse() {
            return Ok(Moment { at, told: None });
        }
        let lower = text.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        if let Some(at) = self.relative(&words, toward)? {
            return Ok(Moment { at, told: None });
        }
        let bad = || format!("{text:?} is no moment; write it as {FORMS}");
        let (words, zone) = match words.split_last() {
            Some((last, before)) if !before.is_empty() && is_zone(last) => {
                let written = text.split_whitespace().next_back().unwrap_or(last);
                (before, named(written)?)
            }
            _ => (&words[..], self.zone.clone()?),
        };
        let now = self.now.to_zoned_datetime(zone);
        let (day, time) = split(words, &now).ok_or_else(bad)?;
        let place = choose(day, time, &now, toward)?;
        if toward == Toward::Next && place.at.timestamp() <= self.now {
            let it = shown(&place.at);
            return Err(format!("{text:?} is {it}, which is past; it is {} there", shown(&now)));
        }
        let told = format!("{}, {}{}", shown(&place.at), far(&place.at, &now), place.remark);
        Ok(Moment { at: place.at.timestamp(), told: Some(told) })
    }

    /// `now`, `in 2h`, `2h ago`, and `2h` alone, which means the one or the other.
    fn relative(&self, words: &[&str], toward: Toward) -> Result<Option<Timestamp>, String> {
        let (length, is_ago) = match words {
            ["now"] => return Ok(Some(self.now)),
            ["in", length @ ..] => (length, false),
            [length @ .., "ago"] => (length, true),
            length => (length, toward != Toward::Next),
        };
        let Some((_, millis)) = units::duration(&length.concat()) else { return Ok(None) };
        let far = || format!("{} is beyond every calendar", words.join(" "));
        let span = i64::try_from(millis).ok().and_then(|it| Span::new().try_milliseconds(it).ok());
        let span = span.ok_or_else(far)?;
        let at = if is_ago { self.now.checked_sub(span) } else { self.now.checked_add(span) };
        at.map(Some).map_err(|_| far())
    }
}

/// As the C library has it: `TZ`, else `/etc/localtime`, else UTC. A zone that is not known is no UTC, though.
fn zone_here() -> Result<TimeZone, String> {
    let wanted = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    if wanted.is_none() && !std::path::Path::new("/etc/localtime").exists() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::try_system().map_err(|_| {
        let what = wanted.map_or_else(|| "/etc/localtime".to_owned(), |it| format!("TZ={it}"));
        format!("{what} is no time zone of this host; write TZ=UTC, or UTC or a name such as Europe/Berlin after the time")
    })
}

fn is_zone(word: &str) -> bool {
    word.contains('/') || ["utc", "gmt", "z"].contains(&word)
}

fn named(name: &str) -> Result<TimeZone, String> {
    if ["utc", "gmt", "z"].contains(&&*name.to_ascii_lowercase()) {
        return Ok(TimeZone::UTC);
    }
    // By the data that a gateway here goes by, with what may have been meant.
    schedules::cron().zone(name)
}

/// A day, a time, or both in either order; a day alone begins at midnight.
fn split(words: &[&str], now: &ZonedDateTime) -> Option<(Day, Time)> {
    match words {
        [one] => match one.split_once('t') {
            Some((date, time)) if date.starts_with(|c: char| c.is_ascii_digit()) => {
                Some((day(date, now)?, clock_time(time)?))
            }
            _ => clock_time(one)
                .map(|time| (Day::Any, time))
                .or_else(|| Some((day(one, now)?, Time::midnight()))),
        },
        [first, second] => match (clock_time(first), clock_time(second)) {
            (None, Some(time)) => Some((day(first, now)?, time)),
            (Some(time), None) => Some((day(second, now)?, time)),
            _ => None,
        },
        _ => None,
    }
}

/// `3:00`, `18:00`, `18:00:30`.
fn clock_time(word: &str) -> Option<Time> {
    let mut parts = word.split(':').map(|part| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i8>().ok().filter(|_| is_number)
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    Time::new(hour, minute, second, 0).ok().filter(|_| parts.next().is_none())
}

fn day(word: &str, now: &ZonedDateTime) -> Option<Day> {
    let today = now.date();
    let one = |day: Result<Date, _>| day.ok().map(Day::One);
    match word {
        "today" => Some(Day::One(today)),
        "tomorrow" => one(today.tomorrow()),
        "yesterday" => one(today.yesterday()),
        _ => DAYS
            .iter()
            .find(|(name, _)| *name == word || name[..3] == *word)
            .map(|(_, day)| Day::Every(*day))
            .or_else(|| one(Date::strptime("%Y-%m-%d", word))),
    }
}

/// An instant, and what there is to say of it.
struct Place {
    at: ZonedDateTime,
    remark: String,
}

/// The one that is meant among those that there are.
fn choose(day: Day, time: Time, now: &ZonedDateTime, toward: Toward) -> Result<Place, String> {
    let is_meant = |date: &Date| match day {
        Day::Any => true,
        Day::One(one) => *date == one,
        Day::Every(weekday) => date.weekday() == weekday,
    };
    let step = if toward == Toward::Next { 1 } else { -1 };
    let near = (0..=7).filter_map(|days| now.date().checked_add((days * step).days()).ok());
    let dates: Vec<Date> = match day {
        Day::One(date) => vec![date],
        Day::Any | Day::Every(_) => near.filter(is_meant).take(2).collect(),
    };
    let mut dates = dates.into_iter().peekable();
    while let Some(date) = dates.next() {
        let is_last = dates.peek().is_none();
        match place(date.to_datetime(time), now, toward) {
            Ok(place) if is_last || serves(&place.at, now, toward) => return Ok(place),
            Ok(_) => {}
            // What is not there is no matter when the other day was meant.
            Err(wrong) if is_last || (date.to_datetime(time) > now.datetime()) == (step == 1) => {
                return Err(wrong);
            }
            Err(_) => {}
        }
    }
    Err(format!("there is no such day near {}", shown(now)))
}

fn serves(at: &ZonedDateTime, now: &ZonedDateTime, toward: Toward) -> bool {
    match toward {
        Toward::Next => at > now,
        Toward::Last => at <= now,
        Toward::Today => true,
    }
}

/// Where a clock on the wall shows this. What it shows twice is the first of both, or of what is to be done the one that is still to come;
/// what it never shows is refused.
fn place(shows: DateTime, now: &ZonedDateTime, toward: Toward) -> Result<Place, String> {
    let zone = now.time_zone();
    let far = |_| format!("{shows} is beyond every calendar");
    let ambiguous = zone.to_ambiguous_zoned_datetime(shows);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            Ok(Place { at: ambiguous.unambiguous().map_err(far)?, remark: String::new() })
        }
        AmbiguousOffset::Fold { .. } => {
            let (first, second) =
                (ambiguous.clone().earlier().map_err(far)?, ambiguous.later().map_err(far)?);
            let is_over = toward == Toward::Next && first <= *now && second > *now;
            let (which, at, other) =
                if is_over { ("second", second, first) } else { ("first", first, second) };
            let other = other.strftime("%Y-%m-%dT%H:%M:%S%:z");
            let remark = format!(
                "; clocks show it twice that day: this is the {which} time, the other one is {other}"
            );
            Ok(Place { at, remark })
        }
        AmbiguousOffset::Gap { before, after } => {
            // By the clocks of after the change it is an instant before it, and the other way round.
            let (first, last) = (
                after.to_timestamp(shows).map_err(far)?.to_zoned_datetime(zone.clone()),
                before.to_timestamp(shows).map_err(far)?.to_zoned_datetime(zone.clone()),
            );
            let change = zone.following(first.timestamp()).next().map(|it| it.timestamp());
            let change = change.map_or(last, |at| at.to_zoned_datetime(zone.clone()));
            let before = change.timestamp().checked_sub(1.minute()).map_err(far)?;
            let before = before.to_zoned_datetime(zone.clone());
            Err(format!(
                "there is no {} in {}: clocks go from {} to {} then; write one of these",
                shows.strftime("%H:%M on %Y-%m-%d"),
                zone_of(now),
                before.strftime("%H:%M"),
                change.strftime("%H:%M"),
            ))
        }
    }
}

/// `Tue 2026-12-01 18:00 Europe/Berlin`.
fn shown(at: &ZonedDateTime) -> String {
    let seconds = if at.second() == 0 { "" } else { ":%S" };
    format!("{} {}", at.strftime(&format!("%a %Y-%m-%d %H:%M{seconds}")), zone_of(at))
}

pub(crate) fn zone_of(at: &ZonedDateTime) -> String {
    let zone = at.time_zone();
    zone.iana_name().map_or_else(|| at.strftime("%Z (UTC%:z)").to_string(), str::to_owned)
}

/// `in 2 h 5 min`, `3 d ago`: the two largest units.
pub(crate) fn far(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    let seconds = at.timestamp().as_second() - now.timestamp().as_second();
    let all = seconds.unsigned_abs();
    let parts =
        [("d", all / 86_400), ("h", all / 3600 % 24), ("min", all / 60 % 60), ("s", all % 60)];
    let large = parts.iter().skip_while(|(_, count)| *count == 0).take(2);
    let words: Vec<_> = large
        .filter(|(_, count)| *count > 0)
        .map(|(unit, count)| format!("{count} {unit}"))
        .collect();
    match (words.join(" "), seconds) {
        (_, 0) => "now".to_owned(),
        (words, ..0) => format!("{words} ago"),
        (words, _) => format!("in {words}"),
    }
}

#[cfg(test)]
mod tests;
