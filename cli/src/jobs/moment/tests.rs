//! Moments in fixed zones, and a fixed now.

use super::*;

/// Clocks go forward on 2027-03-28 at 2:00, and back on 2026-10-25 and 2027-10-31 at 3:00.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn clock(now: &str, zone: &str) -> Clock {
    Clock { now: now.parse().unwrap(), zone: TimeZone::posix(zone).map_err(|it| it.to_string()) }
}

fn friday() -> Clock {
    Clock::for_tests()
}

#[track_caller]
fn table(clock: &Clock, toward: Toward, rows: &[(&str, &str)]) {
    for (text, instant) in rows {
        let read = clock.read(text, toward).map(|it| it.instant());
        assert_eq!(read.as_deref(), Ok(*instant), "{text}");
    }
}

#[test]
fn what_is_to_be_done_is_at_the_next_moment_of_that_name() {
    table(
        &friday(),
        Toward::Next,
        &[
            ("18:00", "2026-11-27T17:00:00Z"),
            ("17:30", "2026-11-28T16:30:00Z"),
            ("17:30:01", "2026-11-27T16:30:01Z"),
            ("3:00", "2026-11-28T02:00:00Z"),
            ("tomorrow 3:00", "2026-11-28T02:00:00Z"),
            ("3:00 Tomorrow", "2026-11-28T02:00:00Z"),
            ("tomorrow", "2026-11-27T23:00:00Z"),
            ("today 18:00", "2026-11-27T17:00:00Z"),
            ("monday 9:00", "2026-11-30T08:00:00Z"),
            ("Mon 9:00", "2026-11-30T08:00:00Z"),
            ("friday 18:00", "2026-11-27T17:00:00Z"),
            ("friday 17:00", "2026-12-04T16:00:00Z"),
            ("fri", "2026-12-03T23:00:00Z"),
            ("2026-12-01 03:00", "2026-12-01T02:00:00Z"),
            ("2026-12-01T03:00:30", "2026-12-01T02:00:30Z"),
            ("2026-12-01", "2026-11-30T23:00:00Z"),
            ("2027-07-01 12:00", "2027-07-01T10:00:00Z"),
            ("18:00 UTC", "2026-11-27T18:00:00Z"),
            ("2026-12-01 03:00 utc", "2026-12-01T03:00:00Z"),
            ("2026-12-01T03:00:00+05:30", "2026-11-30T21:30:00Z"),
            ("2026-12-01T03:00:00.25Z", "2026-12-01T03:00:00.25Z"),
            ("in 2h", "2026-11-27T18:30:00Z"),
            ("in 1h 30m", "2026-11-27T18:00:00Z"),
            ("1h30m", "2026-11-27T18:00:00Z"),
            ("1w", "2026-12-04T16:30:00Z"),
            ("now", "2026-11-27T16:30:00Z"),
        ],
    );
}

#[test]
fn what_was_is_at_the_last_moment_of_that_name_and_its_end_is_today() {
    table(
        &friday(),
        Toward::Last,
        &[
            ("18:00", "2026-11-26T17:00:00Z"),
            ("17:30", "2026-11-27T16:30:00Z"),
            ("3:00", "2026-11-27T02:00:00Z"),
            ("yesterday", "2026-11-25T23:00:00Z"),
            ("yesterday 18:00", "2026-11-26T17:00:00Z"),
            ("monday", "2026-11-22T23:00:00Z"),
            ("friday 18:00", "2026-11-20T17:00:00Z"),
            ("2026-01-02 03:00", "2026-01-02T02:00:00Z"),
            ("2h", "2026-11-27T14:30:00Z"),
            ("2h ago", "2026-11-27T14:30:00Z"),
        ],
    );
    table(
        &friday(),
        Toward::Today,
        &[("18:00", "2026-11-27T17:00:00Z"), ("3:00", "2026-11-27T02:00:00Z")],
    );
}

#[test]
fn what_was_understood_is_told_with_the_zone_and_how_far_it_is() {
    for (text, told) in [
        ("18:00", Some("Fri 2026-11-27 18:00 CET (UTC+01:00), in 30 min")),
        ("tomorrow 3:00", Some("Sat 2026-11-28 03:00 CET (UTC+01:00), in 9 h 30 min")),
        ("2027-07-01 12:00", Some("Thu 2027-07-01 12:00 CEST (UTC+02:00), in 215 d 17 h")),
        ("18:00:05 UTC", Some("Fri 2026-11-27 18:00:05 UTC, in 1 h 30 min")),
        ("in 2h", None),
        ("2026-12-01T03:00:00Z", None),
    ] {
        assert_eq!(friday().read(text, Toward::Next).unwrap().told(), told, "{text}");
    }
    let ago = friday().read("yesterday", Toward::Last).unwrap();
    assert_eq!(ago.told(), Some("Thu 2026-11-26 00:00 CET (UTC+01:00), 1 d 17 h ago"));
}

#[test]
fn a_time_that_clocks_pass_over_is_refused_with_what_is_beside_it() {
    let gap = "there is no 02:30 on 2027-03-28 in CET (UTC+01:00): clocks go from 01:59 to 03:00 then; write one of these";
    let eve = clock("2027-03-27T20:00:00Z", BERLIN);
    for text in ["2:30", "tomorrow 2:30", "2027-03-28 02:30", "sunday 2:30"] {
        assert_eq!(eve.read(text, Toward::Next), Err(gap.to_owned()), "{text}");
    }
    table(
        &eve,
        Toward::Next,
        &[("1:59", "2027-03-28T00:59:00Z"), ("3:00", "2027-03-28T01:00:00Z")],
    );
    // On the day itself, after the change: the next one is tomorrow's.
    table(
        &clock("2027-03-28T10:00:00Z", BERLIN),
        Toward::Next,
        &[("2:30", "2027-03-29T00:30:00Z")],
    );
    let zone = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    let wrong = clock("2026-10-01T00:00:00Z", zone).read("2026-10-04 02:15", Toward::Next);
    assert!(wrong.unwrap_err().contains("clocks go from 01:59 to 02:30 then"), "half an hour");
}

#[test]
fn a_time_that_clocks_show_twice_is_the_first_that_is_to_come_and_says_so() {
    let eve = clock("2026-10-24T20:00:00Z", BERLIN);
    let first = eve.read("tomorrow 2:30", Toward::Next).unwrap();
    assert_eq!(first.instant(), "2026-10-25T00:30:00Z");
    let told = "Sun 2026-10-25 02:30 CEST (UTC+02:00), in 4 h 30 min; clocks show it twice that day: this is the first time, the other one is 2026-10-25T02:30:00+01:00";
    assert_eq!(first.told(), Some(told));
    let between = clock("2026-10-25T00:45:00Z", BERLIN);
    table(&between, Toward::Next, &[("2:30", "2026-10-25T01:30:00Z")]);
    table(&between, Toward::Last, &[("2:30", "2026-10-25T00:30:00Z")]);
    table(
        &clock("2026-10-25T01:45:00Z", BERLIN),
        Toward::Next,
        &[("2:30", "2026-10-26T01:30:00Z")],
    );
}

#[test]
fn what_is_no_moment_is_refused_with_the_forms_that_there_are() {
    for bad in [
        "",
        "soon",
        "25:00",
        "18:60",
        "18",
        "6pm",
        "18:00:00:00",
        "-1:00",
        "+3:00",
        "tomorrow tomorrow",
        "3:00 4:00",
        "2026-13-01",
        "2026-02-30 3:00",
        "mon tue",
        "in",
        "in x",
        "ago",
        "2026-12-01T",
        "T3:00",
        "1h2h",
        "18:00 tomorrow x",
        "\u{661}8:00",
        "in 99999999999999999999h",
    ] {
        let wrong = friday().read(bad, Toward::Next).unwrap_err();
        assert!(wrong.contains("is no moment; write it as 18:00, tomorrow 3:00"), "{bad}: {wrong}");
    }
    for (bad, says) in [
        ("today 9:00", "which is past; it is Fri 2026-11-27 17:30 CET (UTC+01:00) there"),
        ("2026-01-02 3:00", "which is past"),
        (
            "18:00 Nowhere/Else",
            "there is no time zone \"Nowhere/Else\"; write one by its IANA name, such as Europe/Berlin or UTC",
        ),
        ("in 99999999999d", "beyond every calendar"),
    ] {
        let wrong = friday().read(bad, Toward::Next).unwrap_err();
        assert!(wrong.contains(says), "{bad}: {wrong}");
    }
}

#[test]
fn a_zone_that_is_not_known_matters_only_where_it_is_needed() {
    let clock = Clock { zone: Err("TZ=Nowhere".to_owned()), ..friday() };
    table(
        &clock,
        Toward::Next,
        &[("in 2h", "2026-11-27T18:30:00Z"), ("18:00 utc", "2026-11-27T18:00:00Z")],
    );
    assert_eq!(clock.read("18:00", Toward::Next), Err("TZ=Nowhere".to_owned()));
}
