//! What fires in nights in which clocks were set, by name: half an hour, two hours, at midnight, a whole day, in Ramadan, once and for all.
//!
//! Each line has an expression and, for one more or less usual way of a schedule, its firings with what local clocks show and how far they are
//! from UTC: as it is by default, without what is not there (`skip`), and with what is there twice (`both`). What has a length of time between
//! firings is counted from one local midnight to the next.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod naive;

use std::fmt::Write as _;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, civil::Date};
use naive::Naive;
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

fn timing(text: &str, zone: &TimeZone, (gap, fold): (Gap, Fold), anchor: Wall) -> Timing {
    let expression = Expression::parse(text, "a", Dialect::Standard).unwrap();
    Timing { expression, zone: zone.clone(), gap, fold, anchor }
}

/// The firings of some days, which are those of a walk through every second of them.
fn firings(timing: &Timing, text: &str, (after, until): (i64, i64)) -> Vec<i64> {
    let mut at = Wall(after as u64 * 1_000);
    let mut found = Vec::new();
    while let Some(next) = timing.next(at).filter(|it| it.due.0 <= until as u64 * 1_000) {
        at = next.due;
        found.push((at.0 / 1_000) as i64);
    }
    if !text.starts_with('@') {
        let naive = Naive::read(text, Dialect::Standard);
        assert_eq!(
            found,
            naive.walk(&timing.zone, after, until, (timing.gap, timing.fold)),
            "{text}"
        );
    }
    found
}

/// Three days with the night in the middle of them.
fn shown(zone: &str, date: &str) -> String {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let date: Date = date.parse().unwrap();
    let begin = |date: Date| zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap().as_second();
    let (yesterday, tomorrow) = (date.yesterday().unwrap(), date.tomorrow().unwrap());
    let around = (begin(yesterday) - 1, begin(tomorrow.tomorrow().unwrap()) - 1);
    let usual = (Gap::After, Fold::First);
    let mut text = String::new();
    for cron in ["30 2 * * *", "0 0 * * *", "30 1 * * *", "30 23 * * *"] {
        let of = |way| firings(&timing(cron, &zone, way, Wall(0)), cron, around);
        let (skip, both) = (of((Gap::Skip, Fold::First)), of((Gap::After, Fold::Both)));
        let is_odd = skip != of(usual) || both != of(usual);
        if is_odd || cron.starts_with("30 2 ") || cron.starts_with("0 0") {
            let _ = writeln!(text, "{cron}: {}", local(&zone, &of(usual)));
        }
        for (name, other) in [("skip", skip), ("both", both)] {
            if other != of(usual) {
                let _ = writeln!(text, "  {name}: {}", local(&zone, &other));
            }
        }
    }
    let day = (begin(date) - 1, begin(tomorrow) - 1);
    for cron in ["*/15 * * * *", "@every 90m"] {
        let of =
            |way| firings(&timing(cron, &zone, way, Wall(begin(date) as u64 * 1_000)), cron, day);
        assert_eq!(of(usual), of((Gap::Skip, Fold::Both)), "{cron} goes on as if nothing were");
        let _ = writeln!(text, "{cron}: {}", of(usual).len());
    }
    text
}

fn local(zone: &TimeZone, moments: &[i64]) -> String {
    let one = |at: &i64| {
        let at = Timestamp::from_second(*at).unwrap();
        let offset = zone.to_offset(at);
        format!("{}{offset}", offset.to_datetime(at).strftime("%d %H:%M"))
    };
    moments.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A test for each place, named by what is special about it.
macro_rules! nights {
    ($($name:ident: $zone:literal { $($date:literal $shown:literal)+ })+) => {$(
        #[test]
        fn $name() {
            $({
                let expected: Vec<&str> = $shown.trim().lines().map(str::trim).collect();
                let found = shown($zone, $date);
                let found: Vec<&str> = found.lines().map(str::trim).collect();
                assert_eq!(found, expected, "{} {}", $zone, $date);
            })+
        }
    )+};
}

nights! {
    europe_dublin_where_winter_is_what_is_saved: "Europe/Dublin" {
        "2026-03-29" "
            30 2 * * *: 28 02:30+00, 29 02:30+01, 30 02:30+01
            0 0 * * *: 28 00:00+00, 29 00:00+00, 30 00:00+01
            30 1 * * *: 28 01:30+00, 29 02:00+01, 30 01:30+01
              skip: 28 01:30+00, 30 01:30+01
            */15 * * * *: 92
            @every 90m: 15
        "
        "2026-10-25" "
            30 2 * * *: 24 02:30+01, 25 02:30+00, 26 02:30+00
            0 0 * * *: 24 00:00+01, 25 00:00+01, 26 00:00+00
            30 1 * * *: 24 01:30+01, 25 01:30+01, 26 01:30+00
              both: 24 01:30+01, 25 01:30+01, 25 01:30+00, 26 01:30+00
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    america_santiago_at_midnight: "America/Santiago" {
        "2026-09-06" "
            30 2 * * *: 05 02:30-04, 06 02:30-03, 07 02:30-03
            0 0 * * *: 05 00:00-04, 06 01:00-03, 07 00:00-03
              skip: 05 00:00-04, 07 00:00-03
            */15 * * * *: 92
            @every 90m: 15
        "
        "2026-04-04" "
            30 2 * * *: 03 02:30-03, 04 02:30-03, 05 02:30-04
            0 0 * * *: 03 00:00-03, 04 00:00-03, 05 00:00-04
            30 23 * * *: 03 23:30-03, 04 23:30-03, 05 23:30-04
              both: 03 23:30-03, 04 23:30-03, 04 23:30-04, 05 23:30-04
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    australia_lord_howe_by_half_an_hour: "Australia/Lord_Howe" {
        "2026-10-04" "
            30 2 * * *: 03 02:30+10:30, 04 02:30+11, 05 02:30+11
            0 0 * * *: 03 00:00+10:30, 04 00:00+10:30, 05 00:00+11
            */15 * * * *: 94
            @every 90m: 15
        "
        "2026-04-05" "
            30 2 * * *: 04 02:30+11, 05 02:30+10:30, 06 02:30+10:30
            0 0 * * *: 04 00:00+11, 05 00:00+11, 06 00:00+10:30
            30 1 * * *: 04 01:30+11, 05 01:30+11, 06 01:30+10:30
              both: 04 01:30+11, 05 01:30+11, 05 01:30+10:30, 06 01:30+10:30
            */15 * * * *: 98
            @every 90m: 16
        "
    }
    africa_casablanca_for_ramadan: "Africa/Casablanca" {
        "2026-02-15" "
            30 2 * * *: 14 02:30+01, 15 02:30+01, 16 02:30+00
              both: 14 02:30+01, 15 02:30+01, 15 02:30+00, 16 02:30+00
            0 0 * * *: 14 00:00+01, 15 00:00+01, 16 00:00+00
            */15 * * * *: 100
            @every 90m: 16
        "
        "2026-03-22" "
            30 2 * * *: 21 02:30+00, 22 03:00+01, 23 02:30+01
              skip: 21 02:30+00, 23 02:30+01
            0 0 * * *: 21 00:00+00, 22 00:00+00, 23 00:00+01
            */15 * * * *: 92
            @every 90m: 15
        "
    }
    asia_gaza_on_saturdays: "Asia/Gaza" {
        "2025-04-12" "
            30 2 * * *: 11 02:30+02, 12 03:00+03, 13 02:30+03
              skip: 11 02:30+02, 13 02:30+03
            0 0 * * *: 11 00:00+02, 12 00:00+02, 13 00:00+03
            */15 * * * *: 92
            @every 90m: 15
        "
        "2025-10-25" "
            30 2 * * *: 24 02:30+03, 25 02:30+02, 26 02:30+02
            0 0 * * *: 24 00:00+03, 25 00:00+03, 26 00:00+02
            30 1 * * *: 24 01:30+03, 25 01:30+03, 26 01:30+02
              both: 24 01:30+03, 25 01:30+03, 25 01:30+02, 26 01:30+02
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    america_scoresbysund_that_moved_to_another_zone_in_2024: "America/Scoresbysund" {
        "2024-03-31" "
            30 2 * * *: 30 02:30-01, 31 02:30-01, 01 02:30-01
            0 0 * * *: 30 00:00-01, 31 00:00-01, 01 00:00-01
            */15 * * * *: 96
            @every 90m: 15
        "
        "2024-10-26" "
            30 2 * * *: 25 02:30-01, 26 02:30-01, 27 02:30-02
            0 0 * * *: 25 00:00-01, 26 00:00-01, 27 00:00-02
            30 23 * * *: 25 23:30-01, 26 23:30-01, 27 23:30-02
              both: 25 23:30-01, 26 23:30-01, 26 23:30-02, 27 23:30-02
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    pacific_apia_where_a_day_was_left_out: "Pacific/Apia" {
        "2011-12-30" "
            30 2 * * *: 29 02:30-10, 31 00:00+14, 31 02:30+14
              skip: 29 02:30-10, 31 02:30+14
            0 0 * * *: 29 00:00-10, 31 00:00+14
            30 1 * * *: 29 01:30-10, 31 00:00+14, 31 01:30+14
              skip: 29 01:30-10, 31 01:30+14
            30 23 * * *: 29 23:30-10, 31 00:00+14, 31 23:30+14
              skip: 29 23:30-10, 31 23:30+14
            */15 * * * *: 0
            @every 90m: 0
        "
    }
    antarctica_troll_by_two_hours: "Antarctica/Troll" {
        "2026-03-29" "
            30 2 * * *: 28 02:30+00, 29 03:00+02, 30 02:30+02
              skip: 28 02:30+00, 30 02:30+02
            0 0 * * *: 28 00:00+00, 29 00:00+00, 30 00:00+02
            30 1 * * *: 28 01:30+00, 29 03:00+02, 30 01:30+02
              skip: 28 01:30+00, 30 01:30+02
            */15 * * * *: 88
            @every 90m: 14
        "
        "2026-10-25" "
            30 2 * * *: 24 02:30+02, 25 02:30+02, 26 02:30+00
              both: 24 02:30+02, 25 02:30+02, 25 02:30+00, 26 02:30+00
            0 0 * * *: 24 00:00+02, 25 00:00+02, 26 00:00+00
            30 1 * * *: 24 01:30+02, 25 01:30+02, 26 01:30+00
              both: 24 01:30+02, 25 01:30+02, 25 01:30+00, 26 01:30+00
            */15 * * * *: 104
            @every 90m: 17
        "
    }
    america_caracas_half_an_hour_ahead_for_good: "America/Caracas" {
        "2016-05-01" "
            30 2 * * *: 30 02:30-04:30, 01 03:00-04, 02 02:30-04
              skip: 30 02:30-04:30, 02 02:30-04
            0 0 * * *: 30 00:00-04:30, 01 00:00-04:30, 02 00:00-04
            */15 * * * *: 94
            @every 90m: 15
        "
    }
    asia_pyongyang_half_an_hour_and_back_again: "Asia/Pyongyang" {
        "2015-08-14" "
            30 2 * * *: 13 02:30+09, 14 02:30+09, 15 02:30+08:30
            0 0 * * *: 13 00:00+09, 14 00:00+09, 15 00:00+08:30
            30 23 * * *: 13 23:30+09, 14 23:30+09, 15 23:30+08:30
              both: 13 23:30+09, 14 23:30+09, 14 23:30+08:30, 15 23:30+08:30
            */15 * * * *: 98
            @every 90m: 16
        "
        "2018-05-04" "
            30 2 * * *: 03 02:30+08:30, 04 02:30+08:30, 05 02:30+09
            0 0 * * *: 03 00:00+08:30, 04 00:00+08:30, 05 00:00+09
            30 23 * * *: 03 23:30+08:30, 05 00:00+09, 05 23:30+09
              skip: 03 23:30+08:30, 05 23:30+09
            */15 * * * *: 94
            @every 90m: 15
        "
    }
    africa_juba_an_hour_back_for_good: "Africa/Juba" {
        "2021-01-31" "
            30 2 * * *: 30 02:30+03, 31 02:30+03, 01 02:30+02
            0 0 * * *: 30 00:00+03, 31 00:00+03, 01 00:00+02
            30 23 * * *: 30 23:30+03, 31 23:30+03, 01 23:30+02
              both: 30 23:30+03, 31 23:30+03, 31 23:30+02, 01 23:30+02
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    europe_volgograd_ahead_and_back: "Europe/Volgograd" {
        "2018-10-28" "
            30 2 * * *: 27 02:30+03, 28 03:00+04, 29 02:30+04
              skip: 27 02:30+03, 29 02:30+04
            0 0 * * *: 27 00:00+03, 28 00:00+03, 29 00:00+04
            */15 * * * *: 92
            @every 90m: 15
        "
        "2020-12-27" "
            30 2 * * *: 26 02:30+04, 27 02:30+03, 28 02:30+03
            0 0 * * *: 26 00:00+04, 27 00:00+04, 28 00:00+03
            30 1 * * *: 26 01:30+04, 27 01:30+04, 28 01:30+03
              both: 26 01:30+04, 27 01:30+04, 27 01:30+03, 28 01:30+03
            */15 * * * *: 100
            @every 90m: 16
        "
    }
    asia_almaty_an_hour_back_in_2024: "Asia/Almaty" {
        "2024-02-29" "
            30 2 * * *: 28 02:30+06, 29 02:30+06, 01 02:30+05
            0 0 * * *: 28 00:00+06, 29 00:00+06, 01 00:00+05
            30 23 * * *: 28 23:30+06, 29 23:30+06, 01 23:30+05
              both: 28 23:30+06, 29 23:30+06, 29 23:30+05, 01 23:30+05
            */15 * * * *: 100
            @every 90m: 16
        "
    }
}
