//! What an expression means: in words, by the next moments at which it fires, and by a calendar.

use jiff::{Timestamp, tz::TimeZone};
use ostler_cron_module::{
    Dialect, Expression, Fault, Fold, Gap, Line, Timing, Wall, calendar, explain,
};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    failure::Failure,
    jobs::{
        moment::{far, zone_of},
        table::{Cell, Look, draw, left},
    },
};

/// Weeks that a calendar has.
const WEEKS: usize = 5;

/// Whose expression it is, and how it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) cron: &'a str,
    /// The schedule's name, which `H` and `~` are made of.
    pub(crate) name: &'a str,
    pub(crate) vixie: bool,
    pub(crate) gap: Gap,
    pub(crate) fold: Fold,
}

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    cron: String,
    zone: String,
    words: String,
    next: Vec<Coming>,
    #[serde(skip)]
    calendar: String,
}

/// A moment at which it fires.
#[derive(Debug, Serialize)]
pub(crate) struct Coming {
    /// By the clocks of the zone, RFC 3339.
    local: String,
    abbreviation: String,
    utc: String,
    in_seconds: i64,
    /// What a change of the clocks does to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// For people.
    #[serde(skip)]
    row: [String; 3],
}

impl Asked<'_> {
    /// Reads the expression; a mistake is shown in it.
    pub(crate) fn timing(&self, zone: TimeZone, anchor: Timestamp) -> Result<Timing, Failure> {
        let dialect = if self.vixie { Dialect::Vixie } else { Dialect::Standard };
        let expression = Expression::parse(self.cron, self.name, dialect)
            .map_err(|fault| Failure::usage(pointed(self.cron, &fault)))?;
        Ok(Timing { expression, zone, gap: self.gap, fold: self.fold, anchor: wall(anchor) })
    }
}

/// One expression of the words that a shell made of it. A `*` without quotes is the names of the files that are there.
pub(crate) fn of_words(
    words: &[String],
    name: &str,
    dialect: Dialect,
    verb: &str,
) -> Result<String, Failure> {
    let cron = words.join(" ");
    let is_file = |it: &String| std::path::Path::new(it).symlink_metadata().is_ok();
    if words.len() < 2
        || !words.iter().any(is_file)
        || Expression::parse(&cron, name, dialect).is_ok()
    {
        return Ok(cron);
    }
    Err(Failure::usage(format!(
        "there are names of files where the expression should be: did you forget to quote it? The shell makes them of *; write it as: {verb} '0 3 * * *'"
    )))
}

/// The fault, and below it the text with the place.
pub(crate) fn pointed(text: &str, fault: &Fault) -> String {
    // A letter that shows nothing would move what is below it.
    let visible = |it: char| {
        if it == ' ' || it.is_alphanumeric() || it.is_ascii_graphic() { it } else { '?' }
    };
    let shown = |text: &str| -> String { text.chars().map(visible).collect() };
    let start = text.get(..fault.at.start).map_or(0, |it| shown(it).width());
    let place = text.get(fault.at.clone()).map_or(0, |it| shown(it).width());
    format!("{fault}\n    {}\n    {}{}", shown(text), " ".repeat(start), "^".repeat(place.max(1)))
}

pub(crate) fn wall(at: Timestamp) -> Wall {
    Wall(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

pub(crate) fn timestamp(wall: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(wall.0).ok()?).ok()
}

impl Explanation {
    /// The next firings after a moment, as they are seen from the present.
    pub(crate) fn of(
        asked: &Asked<'_>,
        timing: &Timing,
        (from, now): (Timestamp, Timestamp),
        count: usize,
    ) -> Self {
        let lines = explain(timing, wall(from), count);
        Self {
            cron: asked.cron.to_owned(),
            zone: zone_of(&from.to_zoned_datetime(timing.zone.clone())),
            words: timing.expression.words(),
            next: lines.into_iter().filter_map(|line| Coming::of(line, timing, now)).collect(),
            calendar: calendar(timing, wall(from), WEEKS),
        }
    }

    /// For people; a terminal gets the calendar, too.
    pub(crate) fn page(&self) -> String {
        self.drawn(Look::of_stdout())
    }

    fn drawn(&self, look: Look) -> String {
        let mut text = format!("{}\n{} ({})\n", self.cron, self.words, self.zone);
        if self.next.is_empty() {
            return text;
        }
        let has_notes = self.next.iter().any(|it| it.note.is_some());
        let columns = [left("LOCAL"), left("UTC"), left("IN"), left("NOTE")];
        let columns = if has_notes { &columns[..] } else { &columns[..3] };
        let rows: Vec<Vec<Cell>> = self.next.iter().map(Coming::cells).collect();
        text.push('\n');
        // A note that is cut says nothing.
        let whole = look.width.map(|_| usize::MAX);
        text += &draw(columns, &rows, Look { width: whole, ..look });
        if look.width.is_some() && !self.calendar.is_empty() {
            text = format!("{text}\n{}", self.calendar);
        }
        text
    }
}

impl Coming {
    fn of(line: Line, timing: &Timing, now: Timestamp) -> Option<Self> {
        let due = timestamp(line.due)?;
        let at = due.to_zoned_datetime(timing.zone.clone());
        let utc = at.with_time_zone(TimeZone::UTC);
        let clock = if at.second() == 0 { "%Y-%m-%d %H:%MZ" } else { "%Y-%m-%d %H:%M:%SZ" };
        let row = [
            format!("{} {}", line.local, line.zone),
            utc.strftime(clock).to_string(),
            far(&at, &now.to_zoned_datetime(timing.zone.clone())),
        ];
        Some(Self {
            local: at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            abbreviation: line.zone,
            utc: due.to_string(),
            in_seconds: due.as_second() - now.as_second(),
            note: line.note,
            row,
        })
    }

    fn cells(&self) -> Vec<Cell> {
        let note = self.note.iter().map(String::as_str);
        self.row.iter().map(String::as_str).chain(note).map(Cell::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::moment::Clock;

    fn explained(cron: &str, look: Look) -> Result<String, Failure> {
        let clock = Clock::for_tests();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let (gap, fold) = (Gap::After, Fold::First);
        let asked = Asked { cron, name: "", vixie: false, gap, fold };
        let from: Timestamp = "2027-03-26T12:00:00Z".parse().unwrap();
        let timing = asked.timing(zone, from)?;
        Ok(Explanation::of(&asked, &timing, (from, clock.now()), 3).drawn(look))
    }

    #[test]
    fn a_person_is_told_words_moments_and_a_calendar_and_a_pipe_no_calendar() {
        let person = Look { width: Some(40), colours: false };
        let text = explained("30 2 * * *", person).unwrap();
        let expected = "30 2 * * *\nat 02:30 every day (Europe/Berlin)\n\n\
            LOCAL                      UTC                IN          NOTE\n\
            Sat 2027-03-27 02:30 CET   2027-03-27 01:30Z  in 119 d 9 h\n\
            Sun 2027-03-28 03:00 CEST  2027-03-28 01:00Z  in 120 d 8 h  02:30 is not there that night: it fires at 03:00\n";
        let squeezed =
            |text: &str| text.split(' ').filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
        assert!(squeezed(&text).starts_with(&squeezed(expected)), "{text}");
        assert!(text.contains("Mon      Tue") && text.contains("27*"), "{text}");
        let pipe = explained("30 2 * * *", Look { width: None, colours: false }).unwrap();
        assert!(!pipe.contains("Tue ") && !pipe.contains("LOCAL"), "{pipe}");
        let boots = explained("@reboot", person).unwrap();
        assert_eq!(boots, "@reboot\nonce for each start of the host (Europe/Berlin)\n");
    }

    #[test]
    fn a_mistake_is_shown_in_the_expression() {
        let look = Look { width: None, colours: false };
        let told = |cron: &str| explained(cron, look).unwrap_err().lines().0[0].clone();
        assert_eq!(
            told("0 25 * * *"),
            "column 3: there is no hour 25; write a number from 0 to 23\n    0 25 * * *\n      ^^"
        );
        let odd = told("漢\u{202e} 61 * * *");
        let lines: Vec<&str> = odd.lines().collect();
        assert_eq!(lines[1], "    漢? 61 * * *");
        assert!(lines[2].starts_with("    ^"), "{odd}");
    }
}
