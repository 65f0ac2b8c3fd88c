//! What people read of nights in which clocks are changed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_job::Wall;

use super::{calendar, explain};
use crate::{Dialect, Expression, Fold, Gap, Timing};

fn timing(cron: &str, zone: &str) -> Timing {
    Timing {
        expression: Expression::parse(cron, "a", Dialect::Standard).expect("it is right"),
        zone: TimeZone::get(zone).expect("the zone is known"),
        gap: Gap::After,
        fold: Fold::First,
        anchor: Wall(0),
    }
}

fn wall(text: &str) -> Wall {
    let moment: Timestamp = text.parse().expect("a moment");
    Wall(moment.as_millisecond() as u64)
}

/// The lines as they could be shown.
fn lines(timing: &Timing, from: &str, count: usize) -> Vec<String> {
    let lines = explain(timing, wall(from), count);
    let show = |it: super::Line| {
        let note = it.note.map_or_else(String::new, |it| format!(" ({it})"));
        format!("{} {}{note}", it.local, it.zone)
    };
    lines.into_iter().map(show).collect()
}

#[test]
fn a_time_in_a_gap_is_told_with_when_it_fires_instead() {
    let mut it = timing("30 2 * * *", "Europe/Berlin");
    let night = "2026-03-28T00:00:00Z";
    assert_eq!(
        lines(&it, night, 3),
        [
            "Sat 2026-03-28 02:30 CET",
            "Sun 2026-03-29 03:00 CEST (02:30 is not there that night: it fires at 03:00)",
            "Mon 2026-03-30 02:30 CEST",
        ]
    );
    it.gap = Gap::Skip;
    assert_eq!(
        lines(&it, night, 2),
        [
            "Sat 2026-03-28 02:30 CET",
            "Mon 2026-03-30 02:30 CEST (02:30 is not there on 2026-03-29: it did not fire)",
        ]
    );
    // Of what went before the moment nothing is told.
    assert_eq!(lines(&it, "2026-03-29T01:00:00Z", 1), ["Mon 2026-03-30 02:30 CEST"]);
}

#[test]
fn several_in_one_gap_are_told_together() {
    let mut it = timing("0,20,40 2 * * *", "Europe/Berlin");
    let night = "2026-03-29T00:00:00Z";
    assert_eq!(
        lines(&it, night, 1),
        [
            "Sun 2026-03-29 03:00 CEST (02:00 and 2 others are not there that night: they fire once, at 03:00)"
        ]
    );
    it.gap = Gap::Skip;
    assert_eq!(
        lines(&it, night, 1),
        [
            "Mon 2026-03-30 02:00 CEST (02:00 and 2 others are not there on 2026-03-29: they did not fire)"
        ]
    );
    let it = timing("0,20 2 * * *", "Europe/Berlin");
    assert!(lines(&it, night, 1)[0].contains("02:00 and 1 other are not there"));
}

#[test]
fn a_day_that_is_not_there_is_named() {
    let it = timing("0 9 * * *", "Pacific/Apia");
    assert_eq!(
        lines(&it, "2011-12-29T20:00:00Z", 1),
        ["Sat 2011-12-31 00:00 +14 (09:00 is not there on 2011-12-30: it fires at 00:00)"]
    );
}

#[test]
fn a_time_that_is_there_twice_is_told_with_which_of_them_fires() {
    let mut it = timing("30 2 * * *", "Europe/Berlin");
    let night = "2026-10-24T12:00:00Z";
    assert_eq!(
        lines(&it, night, 2),
        [
            "Sun 2026-10-25 02:30 CEST (02:30 is there twice that night: it fires the first time)",
            "Mon 2026-10-26 02:30 CET",
        ]
    );
    it.fold = Fold::Both;
    let both = [
        "Sun 2026-10-25 02:30 CEST (02:30 is there twice that night: this is the first)",
        "Sun 2026-10-25 02:30 CET (02:30 is there twice that night: this is the second)",
    ];
    assert_eq!(lines(&it, night, 2), both);
    // A length of time goes on whatever the setting.
    let it = timing("30 */2 * * *", "Europe/Berlin");
    assert_eq!(lines(&it, "2026-10-24T23:00:00Z", 2), both);
}

#[test]
fn what_goes_on_by_length_of_time_leaves_out_only_hours_that_are_not_there() {
    let it = timing("*/30 * * * *", "Europe/Berlin");
    assert!(explain(&it, wall("2026-03-29T00:00:00Z"), 9).iter().all(|it| it.note.is_none()));
    let it = timing("*/30 2 * * *", "Europe/Berlin");
    assert_eq!(
        lines(&it, "2026-03-28T12:00:00Z", 1),
        [
            "Mon 2026-03-30 02:00 CEST (02:00 and 1 other are not there on 2026-03-29: they did not fire)"
        ]
    );
    let it = timing("@every 45m", "Europe/Berlin");
    assert_eq!(lines(&it, "2026-03-29T00:50:00Z", 1), ["Sun 2026-03-29 03:30 CEST"]);
    assert_eq!(lines(&timing("@reboot", "UTC"), "2026-03-29T00:50:00Z", 1), [""; 0]);
    let it = timing("5 0 0 1 1 * 2027", "UTC");
    assert_eq!(lines(&it, "2026-03-29T00:50:00Z", 9), ["Fri 2027-01-01 00:00:05 UTC"]);
}

#[test]
fn a_calendar_shows_the_days_on_which_it_fires_and_how_often() {
    let it = timing("30 2,14 * * MON-FRI", "Europe/Berlin");
    let shown = calendar(&it, wall("2026-03-18T12:00:00Z"), 3);
    let expected = [
        "          Mon      Tue      Wed      Thu      Fri      Sat      Sun",
        "Mar 2026                    18*      19*2     20*2     21       22",
        "          23*2     24*2     25*2     26*2     27*2     28       29",
        "Apr 2026  30*2     31*2      1*2      2*2      3*2      4        5",
        "Sun 2026-03-29: clocks are set forward by 1h at 02:00",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_calendar_of_many_firings_stays_narrow() {
    let of = |cron, zone| calendar(&timing(cron, zone), wall("2026-10-24T22:00:00Z"), 1);
    assert!(of("* * * * *", "UTC").contains("24*119   25*1.4k\n"), "{}", of("* * * * *", "UTC"));
    // A day of 25 hours, but for its first second.
    assert!(
        of("* * * * * *", "Europe/Berlin")
            .contains("25*89k\nSun 2026-10-25: clocks are set back by 1h at 03:00\n")
    );
    assert!(of("@every 6h", "UTC").contains("25*4"));
    for line in of("* * * * * *", "UTC").lines() {
        assert!(line.len() < 80);
    }
    assert_eq!(of("@reboot", "UTC"), "");
    assert_eq!(calendar(&timing("* * * * *", "UTC"), Wall(0), 0), "");
    assert_eq!(calendar(&timing("0 0 1 1 *", "UTC"), Wall(0), usize::MAX).lines().count(), 61);
    assert_eq!(calendar(&timing("0 0 1 1 *", "UTC"), Wall(u64::MAX), 9), "");
}

#[test]
fn a_day_that_is_not_there_has_no_firings_in_a_calendar() {
    let shown = calendar(&timing("0 9 * * *", "Pacific/Apia"), wall("2011-12-28T20:00:00Z"), 1);
    assert!(shown.contains("29*      30       31*2      1*\n"), "{shown}");
    assert!(shown.contains("clocks are set forward by 1d at 00:00"), "{shown}");
}
