//! Nights in which the clocks are changed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_job::Wall;

use super::{Fold, Gap, Oddity, Timing};
use crate::expression::{Dialect, Expression};

fn timing(expression: &str, zone: &str) -> Timing {
    Timing {
        expression: Expression::parse(expression, "a", Dialect::Standard).expect("it is right"),
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

/// The firings after a moment and not after another, in UTC.
fn firings(timing: &Timing, after: &str, until: &str) -> Vec<String> {
    let (mut at, until) = (wall(after), wall(until));
    let mut found = Vec::new();
    while let Some(next) = timing.next(at).filter(|it| it.due <= until) {
        assert!(next.due > at, "time goes on");
        at = next.due;
        let odd = match next.oddity {
            None => "",
            Some(Oddity::InGap(_)) => " gap",
            Some(Oddity::First) => " first",
            Some(Oddity::Second) => " second",
        };
        let moment = Timestamp::from_millisecond(at.0 as i64).expect("a moment");
        found.push(format!("{}{odd}", moment.strftime("%d %H:%M")));
    }
    found
}

#[test]
fn a_time_that_is_not_there_fires_after_the_gap_or_not_at_all() {
    // Berlin: from 02:00 to 03:00 at 01:00 UTC.
    let mut it = timing("30 2 * * *", "Europe/Berlin");
    let night = ("2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(firings(&it, night.0, night.1), ["28 01:30", "29 01:00 gap", "30 00:30"]);
    it.gap = Gap::Skip;
    assert_eq!(firings(&it, night.0, night.1), ["28 01:30", "30 00:30"]);
    // Several in one gap are one, and so is one that would fire at its end anyway.
    let it = timing("0,20,40 2,3 * * *", "Europe/Berlin");
    assert_eq!(
        firings(&it, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"),
        ["29 01:00 gap", "29 01:20", "29 01:40"]
    );
}

#[test]
fn a_time_that_is_there_twice_fires_first_or_both_times() {
    // Berlin: from 03:00 back to 02:00 at 01:00 UTC.
    let mut it = timing("30 2 * * *", "Europe/Berlin");
    let night = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(firings(&it, night.0, night.1), ["25 00:30 first", "26 01:30"]);
    assert_eq!(firings(&it, "2026-10-25T00:30:00Z", night.1), ["26 01:30"]);
    it.fold = Fold::Both;
    assert_eq!(firings(&it, night.0, night.1), ["25 00:30 first", "25 01:30 second", "26 01:30"]);
}

#[test]
fn what_has_a_length_of_time_between_firings_keeps_it_all_night() {
    let it = timing("*/30 * * * *", "Europe/Berlin");
    let twenty = |after, until| firings(&it, after, until).len();
    assert_eq!(twenty("2026-03-29T00:00:00Z", "2026-03-29T10:00:00Z"), 20);
    assert_eq!(twenty("2026-10-25T00:00:00Z", "2026-10-25T10:00:00Z"), 20);
    // The hour that is there twice has the last of its times, and the next ones are a week ahead.
    let it = timing("*/30 1-2 * * SUN", "Europe/Berlin");
    assert_eq!(
        firings(&it, "2026-10-25T00:00:00Z", "2026-10-25T10:00:00Z"),
        ["25 00:30 first", "25 01:00 second", "25 01:30 second"]
    );
    let it = timing("@every 90m", "Europe/Berlin");
    assert_eq!(firings(&it, "2026-03-29T00:00:00Z", "2026-03-29T04:30:00Z").len(), 3);
}

#[test]
fn clocks_that_are_changed_at_midnight_or_by_half_an_hour_are_clocks_as_well() {
    // Santiago: Saturday's midnight is Sunday's one o'clock; and back from Sunday's midnight to Saturday's eleven.
    let it = timing("0 0 * * *", "America/Santiago");
    assert_eq!(
        firings(&it, "2026-09-05T00:00:00Z", "2026-09-07T12:00:00Z"),
        ["05 04:00", "06 04:00 gap", "07 03:00"]
    );
    let it = timing("30 23 * * *", "America/Santiago");
    assert_eq!(
        firings(&it, "2026-04-04T12:00:00Z", "2026-04-06T12:00:00Z"),
        ["05 02:30 first", "06 03:30"]
    );
    // Lord Howe: from 02:00 to 02:30 at 15:30 UTC, and from 02:00 back to 01:30 at 15:00.
    let it = timing("15 2 * * *", "Australia/Lord_Howe");
    assert_eq!(
        firings(&it, "2026-10-02T00:00:00Z", "2026-10-04T23:00:00Z"),
        ["02 15:45", "03 15:30 gap", "04 15:15"]
    );
    let it = timing("45 1 * * *", "Australia/Lord_Howe");
    assert_eq!(
        firings(&it, "2026-04-04T00:00:00Z", "2026-04-05T23:00:00Z"),
        ["04 14:45 first", "05 15:15"]
    );
}

#[test]
fn a_day_that_is_not_there_ends_with_its_firings() {
    // Apia left out the whole 30th of December 2011.
    let it = timing("0 9 * * *", "Pacific/Apia");
    assert_eq!(
        firings(&it, "2011-12-29T00:00:00Z", "2011-12-31T23:00:00Z"),
        ["29 19:00", "30 10:00 gap", "30 19:00", "31 19:00"]
    );
}

#[test]
fn what_is_far_ahead_is_found_and_what_is_over_is_not() {
    let it = timing("0 12 29 2 +MON", "Europe/Dublin");
    assert_eq!(
        it.next(wall("2026-01-01T00:00:00Z")).map(|it| it.due),
        Some(wall("2044-02-29T12:00:00Z"))
    );
    let it = timing("0 30 1 25 10 * 2026", "Europe/London");
    assert_eq!(firings(&it, "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"), ["25 00:30 first"]);
    assert_eq!(it.next(wall("2026-10-25T00:30:00Z")), None);
    assert_eq!(timing("@reboot", "UTC").next(Wall(0)), None);
}

#[test]
fn a_length_of_time_is_counted_from_the_anchor() {
    let mut it = timing("@every 90s", "UTC");
    it.anchor = wall("2026-01-01T00:00:10Z");
    let next = |after| it.next(wall(after)).map(|it| it.due);
    assert_eq!(next("2025-06-01T00:00:00Z"), Some(wall("2026-01-01T00:01:40Z")));
    assert_eq!(next("2026-01-01T00:01:40Z"), Some(wall("2026-01-01T00:03:10Z")));
    assert_eq!(next("2026-01-01T00:03:09Z"), Some(wall("2026-01-01T00:03:10Z")));
}

#[test]
fn decades_are_counted_as_they_are_gone_through() {
    let count = |it: &Timing, after, until| it.count(wall(after), wall(until));
    let decade = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    for (cron, days) in [("30 2 * * *", 3_653), ("30 2 * * MON-FRI", 2_609), ("30 2 29 2 *", 3)] {
        let mut it = timing(cron, "Europe/Berlin");
        let there = firings(&it, decade.0, decade.1).len() as u64;
        assert_eq!((count(&it, decade.0, decade.1), there), (days, days), "{cron}");
        it.gap = Gap::Skip;
        it.fold = Fold::Both;
        let there = firings(&it, decade.0, decade.1).len() as u64;
        assert_eq!(count(&it, decade.0, decade.1), there, "{cron}");
    }
    // Ten times of a night that is not there, and ten that are there twice.
    let mut it = timing("30 2 * * *", "Europe/Berlin");
    it.gap = Gap::Skip;
    assert_eq!(count(&it, decade.0, decade.1), 3_643);
    (it.gap, it.fold) = (Gap::After, Fold::Both);
    assert_eq!(count(&it, decade.0, decade.1), 3_663);
    // Until the last year that an expression can name, and no longer.
    let last = ("2198-12-31T23:59:59Z", "2300-01-01T00:00:00Z");
    assert_eq!(count(&timing("0 12 * * *", "UTC"), last.0, last.1), 365);
    assert_eq!(count(&timing("0 12 * * *", "UTC"), "2299-01-01T00:00:00Z", last.1), 0);
    assert_eq!(timing("0 12 * * *", "UTC").count(Wall(0), Wall(u64::MAX)), 84_006);
    assert_eq!(timing("@reboot", "UTC").count(Wall(0), Wall(u64::MAX)), 0);
    assert_eq!(count(&timing("* * * * *", "UTC"), last.1, last.0), 0);
}
