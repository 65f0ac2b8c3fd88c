//! The Open Cron Pattern Specification, sentence by sentence: 1.0 revision 2 of 2026-06-07, and the drafts 1.1 to 1.4 of 2025-07-03. Where
//! this differs, the test says so, and `docs/CRON_DIVERGENCES.md` why.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

fn parse(text: &str) -> Result<Expression, String> {
    Expression::parse(text, "a", Dialect::Standard).map_err(|it| it.to_string())
}

fn timing(text: &str, zone: &str) -> Timing {
    Timing {
        expression: parse(text).unwrap_or_else(|fault| panic!("{text:?}: {fault}")),
        zone: TimeZone::get(zone).unwrap(),
        gap: Gap::default(),
        fold: Fold::default(),
        anchor: Wall(0),
    }
}

/// The first firings from the beginning of a day on, with the day of the week that each is on.
fn next(text: &str, from: &str, count: usize) -> Vec<String> {
    let timing = timing(text, "UTC");
    let from: Timestamp = format!("{from}T00:00:00Z").parse().unwrap();
    let mut at = Wall(from.as_millisecond().unsigned_abs().saturating_sub(1));
    let mut found = Vec::new();
    while let Some(next) = timing.next(at).filter(|_| found.len() < count) {
        at = next.due;
        let moment = Timestamp::from_millisecond(at.0 as i64).unwrap();
        found.push(moment.strftime("%a %Y-%m-%d %H:%M:%S").to_string());
    }
    found
}

/// The days alone.
fn days(text: &str, from: &str, count: usize) -> Vec<String> {
    next(text, from, count).into_iter().map(|it| it[..14].to_owned()).collect()
}

fn same(texts: &[&str]) {
    let first = parse(texts[0]).unwrap();
    for text in texts {
        assert_eq!(parse(text).as_ref(), Ok(&first), "{text:?} is {:?}", texts[0]);
    }
}

fn refused(texts: &[&str]) {
    for text in texts {
        assert!(parse(text).is_err(), "{text:?} is refused");
    }
}

#[test]
fn v1_0_4_1_five_fields_are_separated_by_spaces_and_tabs() {
    same(&["1 2 3 4 *", "  1 2 3 4 *", "1 2 3 4 *\t", "\t 1\t\t2   3 \t4 *  "]);
    refused(&[
        "",
        "*",
        "* * * *",
        "1\u{a0}2 3 4 *",
        "1\u{3000}2 3 4 *",
        "1 2 3 4 *\n",
        "1 2\r3 4 *",
    ]);
    refused(&["1 2 3 4 * * * *", "1.5 2 3 4 *", "$ 2 3 4 *", "1 2 3 4 MON!", "1 2 3 4 \u{661}"]);
}

#[test]
fn v1_0_4_2_fields_have_their_values_and_names() {
    for (field, low, high) in [(0, 0, 59), (1, 0, 23), (2, 1, 31), (3, 1, 12), (4, 0, 7)] {
        let with = |value: i32| {
            let mut words = ["0", "0", "1", "1", "*"].map(str::to_owned);
            words[field] = value.to_string();
            words.join(" ")
        };
        for value in 0..=100 {
            assert_eq!(
                parse(&with(value)).is_ok(),
                (low..=high).contains(&value),
                "{}",
                with(value)
            );
        }
    }
    let months = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
    for (number, name) in (1..).zip(months.split(' ')) {
        let lower = name.to_lowercase();
        let [number, name, lower] =
            [&number.to_string(), name, &lower].map(|it| format!("0 0 1 {it} *"));
        same(&[&number, &name, &lower]);
    }
    for (number, name) in (0..).zip("SUN MON TUE WED THU FRI SAT".split(' ')) {
        let mixed = format!("{}{}", &name[..1], name[1..].to_lowercase());
        let [number, name, mixed] =
            [&number.to_string(), name, &mixed].map(|it| format!("0 0 * * {it}"));
        same(&[&number, &name, &mixed]);
    }
    same(&["0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * 0,7"]);
    same(&["0 0 * * 5-7", "0 0 * * FRI-SUN", "0 0 * * 0,5,6"]);
}

#[test]
fn v1_0_5_special_characters_are_lists_ranges_and_steps() {
    let all = |text: &str| next(text, "2026-01-01", 3_000);
    assert_eq!(all("* * * * *"), all("0-59 0-23 1-31 1-12 0-7"));
    let minutes = |text: &str, count: usize| -> Vec<String> {
        let found = next(&format!("{text} 9 1 1 *"), "2026-01-01", count + 1);
        found
            .into_iter()
            .filter(|it| it.starts_with("Thu 2026"))
            .map(|it| it[18..20].to_owned())
            .collect()
    };
    assert_eq!(minutes("0,15,30,45", 4), ["00", "15", "30", "45"]);
    assert_eq!(minutes("9-17", 9), ["09", "10", "11", "12", "13", "14", "15", "16", "17"]);
    assert_eq!(minutes("5-59/15", 4), ["05", "20", "35", "50"]);
    assert_eq!(minutes("*/30", 2), ["00", "30"]);
    assert_eq!(minutes("10-50/10", 5), ["10", "20", "30", "40", "50"]);
    // Lists separate first, then ranges are made, then steps filter them.
    assert_eq!(minutes("1,10-20/5,*/40", 6), ["00", "01", "10", "15", "20", "40"]);
}

#[test]
fn v1_0_6_1_a_day_is_of_the_month_or_of_the_week() {
    assert_eq!(
        days("0 12 1 * MON", "2026-06-27", 4),
        ["Mon 2026-06-29", "Wed 2026-07-01", "Mon 2026-07-06", "Mon 2026-07-13"]
    );
    assert_eq!(next("0 12 1 * MON", "2026-07-01", 1), ["Wed 2026-07-01 12:00:00"]);
}

#[test]
fn v1_0_6_2_what_is_out_of_range_or_has_no_meaning_is_refused() {
    refused(&[
        "60 * * * *",
        "* 24 * * *",
        "* * 32 * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 8",
    ]);
    refused(&["-1 * * * *", "0-60 * * * *", "99999999999999999999 * * * *", "0,60 * * * *"]);
    refused(&[
        "30-10 * * * *",
        "* 22-4 * * *",
        "* * * * FRI-MON",
        "* * * DEC-JAN *",
        "* * * * 7-1",
    ]);
    refused(&[
        "*/0 * * * *",
        "/30 * * * *",
        "0/15 * * * *",
        "10/10 * * * *",
        "10-50/ * * * *",
        "10-50/0 * * * *",
    ]);
    refused(&[
        "*/ * * * *",
        "*/2/2 * * * *",
        "1-2-3 * * * *",
        "- * * * *",
        ", * * * *",
        "1, * * * *",
        "** * * * *",
    ]);
    // A day that no month has is refused as well, since nobody wants to learn years later that it did not fire; not as an error of syntax.
    let impossible = parse("* * 31 2 *").unwrap_err();
    assert_eq!(impossible, "column 1: it never fires; there is no such day in any year");
    assert_eq!(parse("* * 30 2 *"), Err(impossible));
    assert_eq!(days("0 0 29 2 *", "2026-01-01", 2), ["Tue 2028-02-29", "Sun 2032-02-29"]);
}

#[test]
fn v1_1_4_1_nicknames_are_patterns_and_case_counts() {
    same(&["@yearly", "@annually", "0 0 1 1 *"]);
    same(&["@monthly", "0 0 1 * *"]);
    same(&["@weekly", "0 0 * * 0"]);
    same(&["@daily", "@midnight", "0 0 * * *", " @daily\t"]);
    same(&["@hourly", "0 * * * *"]);
    refused(&[
        "@Daily",
        "@DAILY",
        "@ daily",
        "@",
        "@daily 0 0 * * *",
        "0 0 * * * @daily",
        "@daily *",
    ]);
}

#[test]
fn v1_1_4_2_reboot_is_a_pattern() {
    assert_eq!(parse("@reboot"), Ok(Expression::Reboot));
    assert_eq!(timing("@reboot", "UTC").next(Wall(0)), None);
}

#[test]
fn v1_2_4_1_seconds_are_before_the_minutes_and_zero_without() {
    same(&["5 4 3 2 *", "0 5 4 3 2 *", "0 5 4 3 2 * *"]);
    assert_eq!(
        next("* * * * * *", "2026-01-01", 2),
        ["Thu 2026-01-01 00:00:00", "Thu 2026-01-01 00:00:01"]
    );
    assert_eq!(next("@daily", "2026-01-01", 1), ["Thu 2026-01-01 00:00:00"]);
    assert_eq!(
        next("*/40 59 23 * * *", "2026-01-01", 2),
        ["Thu 2026-01-01 23:59:00", "Thu 2026-01-01 23:59:40"]
    );
    refused(&["60 * * * * *"]);
}

#[test]
fn v1_2_4_2_years_are_after_the_days_of_the_week() {
    let tens = next("0 15 10 * * * 2025", "2025-12-30", 5);
    assert_eq!(tens, ["Tue 2025-12-30 10:15:00", "Wed 2025-12-31 10:15:00"]);
    assert_eq!(next("0 15 10 * * * 2025", "2026-01-01", 1), [""; 0]);
    let years = |text: &str, count: usize| -> Vec<String> {
        next(&format!("0 0 12 1 1 * {text}"), "1970-01-01", count)
            .iter()
            .map(|it| it[4..8].to_owned())
            .collect()
    };
    assert_eq!(years("2025-2030", 9), ["2025", "2026", "2027", "2028", "2029", "2030"]);
    assert_eq!(years("2025,2027", 9), ["2025", "2027"]);
    let (even, odd) = (years("*/2", 999), years("1971-2199/2", 999));
    assert_eq!((even.len(), &*even[0], &*even[1], &*even[114]), (115, "1970", "1972", "2198"));
    assert_eq!((odd.len(), &*odd[0], &*odd[1], &*odd[114]), (115, "1971", "1973", "2199"));
    refused(&[
        "0 0 0 1 1 * 1969",
        "0 0 0 1 1 * 2200",
        "0 0 0 1 1 * 2025-2200",
        "0 0 0 1 1 * 99999",
    ]);
}

#[test]
fn v1_3_4_1_l_is_the_last_day_or_the_last_such_weekday() {
    assert_eq!(
        days("0 0 L * *", "2028-01-01", 4),
        ["Mon 2028-01-31", "Tue 2028-02-29", "Fri 2028-03-31", "Sun 2028-04-30"]
    );
    same(&["0 0 * * 5L", "0 0 * * FRI#L", "0 0 * * 5#L", "0 0 * * FRIL"]);
    assert_eq!(
        days("0 0 * * FRI#L", "2026-01-01", 3),
        ["Fri 2026-01-30", "Fri 2026-02-27", "Fri 2026-03-27"]
    );
    refused(&[
        "0 0 l * *",
        "0 0 * * 5l",
        "0 0 * * FRI#l",
        "L 0 * * *",
        "0 L * * *",
        "0 0 * L *",
        "0 0 * * 8L",
    ]);
}

#[test]
fn v1_3_4_2_a_number_sign_is_before_the_week_of_the_month() {
    assert_eq!(days("0 0 * * 2#3", "2026-01-01", 2), ["Tue 2026-01-20", "Tue 2026-02-17"]);
    assert_eq!(days("0 0 * * MON#1", "2026-01-01", 2), ["Mon 2026-01-05", "Mon 2026-02-02"]);
    same(&["0 0 * * 0#2", "0 0 * * 7#2", "0 0 * * SUN#2"]);
    assert_eq!(
        days("0 0 * * 5#5", "2026-01-01", 3),
        ["Fri 2026-01-30", "Fri 2026-05-29", "Fri 2026-07-31"]
    );
    refused(&[
        "0 0 * * 2#0",
        "0 0 * * 2#6",
        "0 0 * * 2#",
        "0 0 * * #2",
        "0 0 * * 8#1",
        "0 0 1#1 * *",
        "0 0 * * 1-5#2",
    ]);
}

#[test]
fn v1_3_4_3_a_w_is_after_a_day_and_stays_in_its_month() {
    // The 15th: a Wednesday, a Saturday, a Sunday.
    assert_eq!(next("0 12 15W * *", "2026-07-01", 1), ["Wed 2026-07-15 12:00:00"]);
    assert_eq!(days("0 12 15W * *", "2026-08-01", 1), ["Fri 2026-08-14"]);
    assert_eq!(days("0 12 15W * *", "2026-11-01", 1), ["Mon 2026-11-16"]);
    // The 1st: a Saturday, a Sunday.
    assert_eq!(days("0 12 1W * *", "2026-08-01", 1), ["Mon 2026-08-03"]);
    assert_eq!(days("0 12 1W * *", "2026-11-01", 1), ["Mon 2026-11-02"]);
    // The last day: a Saturday, a Sunday. A month that has no 31st has no weekday near it.
    assert_eq!(days("0 12 31W * *", "2026-10-01", 1), ["Fri 2026-10-30"]);
    assert_eq!(days("0 12 31W * *", "2026-05-01", 2), ["Fri 2026-05-29", "Fri 2026-07-31"]);
    refused(&[
        "0 12 1-15W * *",
        "0 12 W * *",
        "0 12 15w * *",
        "0 12 0W * *",
        "0 12 32W * *",
        "0 12 * * 5W",
        "0 12 15W/2 * *",
    ]);
    // Lists of them are beyond the specification, and so is the last weekday.
    assert_eq!(days("0 12 1W,15W * *", "2026-08-01", 2), ["Mon 2026-08-03", "Fri 2026-08-14"]);
    assert_eq!(days("0 12 LW * *", "2026-02-01", 2), ["Fri 2026-02-27", "Tue 2026-03-31"]);
}

#[test]
fn v1_4_4_1_a_plus_wants_a_day_of_both() {
    assert_eq!(days("0 12 1 * +MON", "2026-01-01", 2), ["Mon 2026-06-01", "Mon 2027-02-01"]);
    assert_eq!(days("0 12 1 * MON", "2026-06-01", 2), ["Mon 2026-06-01", "Mon 2026-06-08"]);
    same(&["0 12 * * +MON", "0 12 * * MON"]);
    refused(&[
        "+0 12 1 * MON",
        "0 +12 1 * MON",
        "0 12 +1 * MON",
        "0 12 1 +1 MON",
        "0 12 1 * MON,+TUE",
        "0 12 1 * MON+",
        "0 12 1 * ++MON",
    ]);
    refused(&["0 12 1 * +", "+0 0 12 1 * MON", "0 0 12 1 * MON +2026"]);
}

#[test]
fn v1_4_4_2_a_question_mark_is_a_star_for_days() {
    same(&["0 0 ? * *", "0 0 * * ?", "0 0 ? * ?", "0 0 * * *"]);
    same(&["0 0 ? * MON", "0 0 * * MON"]);
    same(&["0 0 13 * ?", "0 0 13 * *"]);
    refused(&[
        "? * * * *",
        "* ? * * *",
        "* * * ? *",
        "? * * * * *",
        "* * * * * * ?",
        "* * ?/2 * *",
        "* * * * ?L",
    ]);
}

#[test]
fn v1_4_4_3_1_a_time_twice_fires_first_and_one_that_is_not_there_by_choice() {
    // Recommended is to leave out what is not there; after the gap is what Vixie's cron does, and a run that is lost each March is no recommendation.
    let count = |gap| {
        let it = Timing { gap, ..timing("30 2 29 3 *", "Europe/Berlin") };
        let night =
            |text: &str| Wall(text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs());
        it.count(night("2026-03-28T00:00:00Z"), night("2026-03-30T00:00:00Z"))
    };
    assert_eq!((Gap::default(), count(Gap::After), count(Gap::Skip)), (Gap::After, 1, 0));
    assert_eq!(Fold::default(), Fold::First);
}

#[test]
fn v1_4_4_3_2_years_are_those_of_the_portable_range() {
    assert!(parse("0 0 0 1 1 * 1970").is_ok() && parse("0 0 0 1 1 * 2199").is_ok());
    assert_eq!(next("0 0 31 12 *", "2199-01-01", 3), ["Tue 2199-12-31 00:00:00"]);
    // By the Gregorian calendar: 2100 is no leap year.
    assert_eq!(days("0 0 29 2 *", "2096-01-01", 2), ["Wed 2096-02-29", "Fri 2104-02-29"]);
}
