//! What expressions mean, and what is said of those that mean nothing.

use std::str::FromStr as _;

use croner::{Cron, CronPattern};
use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;
use proptest::prelude::*;

use super::{Dialect, Expression, Fields};

fn fields(text: &str, dialect: Dialect) -> Fields {
    match Expression::parse(text, "backup", dialect) {
        Ok(Expression::Fields(fields)) => *fields,
        other => panic!("{text:?} is {other:?}"),
    }
}

/// The next times from the beginning of 2026, without what they have in common.
fn next(text: &str, n: usize) -> Vec<String> {
    next_by(text, Dialect::Standard, n)
}

fn next_by(text: &str, dialect: Dialect, n: usize) -> Vec<String> {
    let fields = fields(text, dialect);
    let mut from = date(2026, 1, 1).at(0, 0, 0, 0);
    let times = (0..n).map(|_| {
        let found = fields.next(from).expect("it goes on");
        from = found.saturating_add(jiff::Span::new().seconds(1));
        found.strftime("%y-%m-%d %H:%M:%S").to_string()
    });
    times.collect()
}

fn days(text: &str, n: usize) -> Vec<String> {
    next(text, n).into_iter().map(|it| it[..8].to_owned()).collect()
}

#[test]
fn fields_are_lists_of_values_ranges_and_steps() {
    assert_eq!(next("15 10 * * *", 2), ["26-01-01 10:15:00", "26-01-02 10:15:00"]);
    assert_eq!(
        next("5-59/25,0 9-17/8 * * *", 7).iter().map(|it| &it[9..14]).collect::<Vec<_>>(),
        ["09:00", "09:05", "09:30", "09:55", "17:00", "17:05", "17:30"]
    );
    assert_eq!(
        next("*/20 30 6 * * *", 3),
        ["26-01-01 06:30:00", "26-01-01 06:30:20", "26-01-01 06:30:40"]
    );
    assert_eq!(days("0 0 0 1 jan,Jul * 2027-2099/2", 3), ["27-01-01", "27-07-01", "29-01-01"]);
    assert_eq!(days("0 0 * * fri-sun", 4), ["26-01-02", "26-01-03", "26-01-04", "26-01-09"]);
    assert_eq!(days("0 0 * * 5-7", 4), days("0 0 * * fri-sun", 4));
    assert_eq!(days("0 0 * * 7", 2), days("0 0 * * 0", 2));
    assert_eq!(next("\t0  0 ? * ?  ", 1), ["26-01-01 00:00:00"]);
    // A step that is longer than the field has values leaves the first.
    assert_eq!(next("*/90 0 * * *", 2), ["26-01-01 00:00:00", "26-01-02 00:00:00"]);
    assert_eq!(next("@daily", 2), next("0 0 * * *", 2));
    assert_eq!(next("@weekly", 2), next("0 0 * * SUN", 2));
}

#[test]
fn a_day_is_of_the_month_or_of_the_week_and_of_both_where_that_is_asked_for() {
    assert_eq!(days("0 0 13 * FRI", 4), ["26-01-02", "26-01-09", "26-01-13", "26-01-16"]);
    assert_eq!(days("0 0 13 * +FRI", 2), ["26-02-13", "26-03-13"]);
    assert_eq!(days("0 0 */2 * MON", 3), ["26-01-01", "26-01-03", "26-01-05"]);
    // A star among others is one as well.
    for text in ["0 0 1 * *,1", "0 0 1 * 1,*", "0 0 1 * MON,?"] {
        assert_eq!(days(text, 2), ["26-01-01", "26-02-01"], "{text}");
    }
    assert_eq!(days("0 0 *,13 * THU", 2), ["26-01-01", "26-01-08"]);
    let vixie = |text, n| next_by(text, Dialect::Vixie, n).into_iter().map(|it| it[..8].to_owned());
    assert!(vixie("0 0 */2 * MON", 3).eq(["26-01-05", "26-01-19", "26-02-09"]));
    assert!(vixie("0 0 13 * FRI", 3).eq(["26-01-02", "26-01-09", "26-01-13"]));
    assert_eq!(next_by("5/15 0 * * *", Dialect::Vixie, 2), next("5 0 * * *", 2));
}

#[test]
fn days_are_named_from_the_end_of_the_month_and_by_their_week() {
    assert_eq!(days("0 0 L * *", 3), ["26-01-31", "26-02-28", "26-03-31"]);
    assert_eq!(days("0 0 LW * *", 3), ["26-01-30", "26-02-27", "26-03-31"]);
    assert_eq!(days("0 0 * * FRI#L", 2), ["26-01-30", "26-02-27"]);
    assert_eq!(days("0 0 * * 5L", 2), ["26-01-30", "26-02-27"]);
    assert_eq!(days("0 0 * * 2#3", 2), ["26-01-20", "26-02-17"]);
    assert_eq!(days("0 0 * * MON#5", 2), ["26-03-30", "26-06-29"]);
    // The 15th of February 2026 is a Sunday, the 1st as well, the 31st of January a Saturday.
    assert_eq!(days("0 0 15W 2 *", 1), ["26-02-16"]);
    assert_eq!(days("0 0 1W,31W 1,2,3 *", 4), ["26-01-01", "26-01-30", "26-02-02", "26-03-02"]);
    // The 1st of August 2026 is a Saturday: not the last of July.
    assert_eq!(days("0 0 1W 8 *", 1), ["26-08-03"]);
}

#[test]
fn h_and_tilde_are_the_same_for_the_same_name_and_within_their_range() {
    let of = |text: &str, name: &str| Expression::parse(text, name, Dialect::Standard);
    assert_eq!(of("H H * * *", "backup"), of("25 1 * * *", "backup"));
    assert_ne!(of("H H * * *", "backup"), of("H H * * *", "report"));
    for name in (0..200).map(|it| format!("job{it}")) {
        let bits = |text: &str| match of(text, &name) {
            Ok(Expression::Fields(it)) => (it.minutes, it.hours),
            other => panic!("{other:?}"),
        };
        let (minutes, hours) = bits("H(10-29) 22~23 * * *");
        assert_eq!((minutes.count_ones(), hours.count_ones()), (1, 1));
        assert!(minutes.trailing_zeros() >= 10 && minutes.trailing_zeros() < 30);
        assert!(hours.trailing_zeros() >= 22);
        let (minutes, _) = bits("H/15 ~ * * *");
        assert_eq!(minutes.count_ones(), 4);
        assert!(of("0 0 H * *", &name).is_ok());
        assert_ne!(of("0 0 H 2 *", &name).map(|_| ()).err(), Some(super::Fault::new(0..0, "", "")));
    }
}

#[test]
fn what_means_nothing_is_said_with_its_place_and_its_cure() {
    for (text, message) in [
        (
            "",
            "column 1: there is no expression; write five fields, as in 0 3 * * * for three o'clock every day",
        ),
        ("60 * * * *", "column 1: there is no minute 60; write a number from 0 to 59"),
        ("0 24 * * *", "column 3: there is no hour 24; write a number from 0 to 23"),
        ("0 0 0 * *", "column 5: there is no day of month 0; write a number from 1 to 31"),
        (
            "0 0 * foo *",
            "column 7: \"foo\" is no month; write a number from 1 to 12, or JAN to DEC",
        ),
        (
            "0 0 * * MON,Blah",
            "column 13: \"Blah\" is no day of week; write a number from 0 to 7, or SUN to SAT",
        ),
        (
            "0 0 * * FRI-MON",
            "column 9: FRI-MON ends before it begins; write it as two ranges with a comma between them",
        ),
        ("*/0 * * * *", "column 3: \"0\" is no step; write a number from 1 to 59"),
        ("0/15 * * * *", "column 1: a step needs a range, and 0 is one value; write 0-59/15"),
        ("/30 * * * *", "column 2: /30 steps through nothing; write */30"),
        ("1,,2 * * * *", "column 2: the minute is missing; write a number from 0 to 59"),
        (
            "* * * *",
            "column 1: there are 4 fields; write five (minute, hour, day of month, month, day of week), six with seconds before them, or seven with years after",
        ),
        (
            "0 0 * * MON#6",
            "column 9: there is no week \"6\" of a month; write #1 to #5, or #L for the last",
        ),
        ("0 0 31 2 *", "column 1: it never fires; there is no such day in any year"),
        ("  0 0 30 2 *", "column 3: it never fires; there is no such day in any year"),
        ("@Daily", "column 1: there is no @Daily; write @daily"),
        (
            "@every 5",
            "column 1: \"5\" is no length of time; write a length of time as 90s, 15m or 1h30m",
        ),
        (
            "@every 1500ms",
            "column 1: it is not a number of whole seconds from 1 on; write a length of time as 90s, 15m or 1h30m",
        ),
        (
            "H(5) * * * *",
            "column 1: H(5) is no way to spread; write H, or H(0-59) for one of these",
        ),
        ("0 0 1-15W * *", "column 5: \"1-15\" is no day of month; write a number from 1 to 31"),
        ("0 0 * +1 *", "column 7: \"+1\" is no month; write a number from 1 to 12, or JAN to DEC"),
        ("0 ? * * *", "column 3: \"?\" is no hour; write a number from 0 to 23"),
        ("0 0 0 1 1 * 2300", "column 13: there is no year 2300; write a number from 1970 to 2199"),
    ] {
        let fault = Expression::parse(text, "a", Dialect::Standard).expect_err(text);
        assert_eq!(fault.to_string(), message, "{text}");
    }
    let fault = Expression::parse("@dayly", "a", Dialect::Standard).expect_err("there is none");
    assert!(fault.to_string().contains("@yearly") && fault.to_string().contains("@every 90s"));
}

#[test]
fn what_nobody_can_have_meant_is_said_with_its_place_and_its_cure() {
    for (text, message) in [
        (
            "@every 0s",
            "column 1: it is not a number of whole seconds from 1 on; write a length of time as 90s, 15m or 1h30m",
        ),
        (
            "@every 1y",
            "column 1: \"1y\" is no length of time; write a length of time as 90s, 15m or 1h30m",
        ),
        ("@every 36501d", "column 1: 36501d is longer than 100 years; write at most 36500d"),
        (
            "@every 99999999999999000ms",
            "column 1: 99999999999999000ms is longer than 100 years; write at most 36500d",
        ),
        ("0\u{a0}3 * * *", "column 2: U+00A0 is no space between fields; write spaces or tabs"),
        ("0 3 * * *\n", "column 10: U+000A is no space between fields; write spaces or tabs"),
        (
            "0 \u{663} * * *",
            "column 3: '\u{663}' (U+0663) is in no expression; write letters, digits and signs of ASCII",
        ),
        (
            "0 3 \u{1b}[31m * *",
            "column 5: '\\u{1b}' (U+001B) is in no expression; write letters, digits and signs of ASCII",
        ),
        (
            "0 0 L-3 * *",
            "column 5: L-3 would count back from the last day; write L for that one, or the days that are meant (26-29)",
        ),
        ("0 0 0 1 1 * H", "column 13: years are not spread; write years, as 2027-2030"),
        ("0 0 0 1 1 * 2027~2030", "column 13: years are not spread; write years, as 2027-2030"),
    ] {
        let fault = Expression::parse(text, "a", Dialect::Standard).expect_err(text);
        assert_eq!(fault.to_string(), message, "{text}");
    }
}

/// A field as the specification and the parser that this one is held to both know them.
fn field(low: u32, high: u32) -> BoxedStrategy<String> {
    let value = low..=high;
    let item = prop_oneof![
        3 => value.clone().prop_map(|it| it.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        2 => (1..=high.max(2)).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value, 1..9_u32)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ];
    let list = prop::collection::vec(item, 1..3).prop_map(|it| it.join(","));
    // A star in a list is an error there.
    prop_oneof![1 => Just("*".to_owned()), 3 => list].boxed()
}

fn weekday() -> BoxedStrategy<String> {
    prop_oneof![
        4 => field(0, 6),
        1 => (0..7_u32, 1..=5_u32).prop_map(|(day, n)| format!("{day}#{n}")),
        1 => (0..7_u32).prop_map(|day| format!("{day}#L")),
        1 => field(0, 6).prop_map(|it| format!("+{it}")),
    ]
    .boxed()
}

fn day() -> BoxedStrategy<String> {
    prop_oneof![
        4 => field(1, 31),
        1 => Just("L".to_owned()),
        1 => (1..=31_u32).prop_map(|it| format!("{it}W")),
    ]
    .boxed()
}

/// The next time by a pattern of that parser, until the year 2080: whoever reads on has seen each kind of year.
fn next_there(pattern: &CronPattern, from: DateTime) -> Option<DateTime> {
    let mut day = from.date();
    let mut earliest = from.time();
    while day.year() < 2080 {
        let (year, month, of_month) = (i32::from(day.year()), day.month() as u32, day.day() as u32);
        let weekday =
            croner::Weekday::from_days_from_sunday(day.weekday().to_sunday_zero_offset() as u32);
        if pattern.month_match(month).is_ok_and(|it| it)
            && pattern.day_match(year, month, of_month, weekday).is_ok_and(|it| it)
        {
            for (hour, minute) in (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute)))
            {
                let time = jiff::civil::time(hour, minute, 0, 0);
                let fits = pattern.hour_match(hour as u32).is_ok_and(|it| it)
                    && pattern.minute_match(minute as u32).is_ok_and(|it| it);
                if fits && time >= earliest {
                    return Some(day.to_datetime(time));
                }
            }
        }
        day = day.tomorrow().ok()?;
        earliest = jiff::civil::Time::midnight();
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn times_are_those_that_a_parser_which_many_use_finds(
        minute in field(0, 59), hour in field(0, 23), day in day(), month in field(1, 12), weekday in weekday(),
        start in 0..2_000_000_000_i64,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let theirs = Cron::from_str(&text).expect("it is right there as well").pattern;
        let start = Offset::UTC.to_datetime(Timestamp::from_second(start).expect("a moment"));
        let Ok(ours) = Expression::parse(&text, "a", Dialect::Standard) else {
            prop_assert_eq!(next_there(&theirs, start), None, "{} never fires", text);
            return Ok(());
        };
        let Expression::Fields(ours) = ours else { panic!("{text} has fields") };
        let mut at = start;
        for _ in 0..20 {
            let found = ours.next(at);
            let there = next_there(&theirs, at);
            prop_assert_eq!(found.filter(|it| it.year() < 2080), there, "{} from {}", text, at);
            let Some(found) = there else { break };
            at = found.saturating_add(jiff::Span::new().seconds(1));
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_answered(text in "[-*/,0-9LWH#?+~()@a-zé \\t]{0,40}") {
        let _ = Expression::parse(&text, "a", Dialect::Standard);
        let _ = Expression::parse(&text, "a", Dialect::Vixie);
    }
}
