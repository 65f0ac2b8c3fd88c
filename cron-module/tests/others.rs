//! Expressions by which others mean something else, or that they do not know: each line of the table in `docs/CRON_DIVERGENCES.md` that is not
//! about a night.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

/// The first three firings of 2026, or what is said instead.
fn first(text: &str, dialect: Dialect) -> Vec<String> {
    let expression = match Expression::parse(text, "a", dialect) {
        Ok(expression) => expression,
        Err(fault) => return vec![fault.to_string()],
    };
    let (zone, gap, fold, anchor) = (TimeZone::UTC, Gap::After, Fold::First, Wall(0));
    let timing = Timing { expression, zone, gap, fold, anchor };
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let next = |after: Wall| timing.next(after).map(|it| it.due);
    let all = std::iter::successors(next(Wall(from.as_millisecond() as u64 - 1)), |it| next(*it));
    let shown = all.take(3).map(|it| {
        let at = Timestamp::from_millisecond(it.0 as i64).unwrap();
        at.strftime("%m-%d %H:%M:%S").to_string()
    });
    shown.collect()
}

fn standard(text: &str, expected: &[&str]) {
    assert_eq!(first(text, Dialect::Standard), expected, "{text}");
}

fn vixie(text: &str, expected: &[&str]) {
    assert_eq!(first(text, Dialect::Vixie), expected, "{text} in a crontab");
}

#[test]
fn a_range_of_one_value_is_that_value() {
    standard("5-5 0 * * *", &["01-01 00:05:00", "01-02 00:05:00", "01-03 00:05:00"]);
    standard("0 0 1 JAN-JAN *", &["01-01 00:00:00"; 3]);
    standard("0 0 * * SUN-SUN", &["01-04 00:00:00", "01-11 00:00:00", "01-18 00:00:00"]);
}

#[test]
fn a_range_does_not_go_round() {
    let fault = |column, text: &str| {
        format!(
            "column {column}: {text} ends before it begins; write it as two ranges with a comma between them"
        )
    };
    for (text, column, range) in [
        ("0 0 * * FRI-MON", 9, "FRI-MON"),
        ("0 22-4 * * *", 3, "22-4"),
        ("0 0 * DEC-JAN *", 7, "DEC-JAN"),
        ("0 0 * * 7-1", 9, "7-1"),
        ("H(5-3) * * * *", 1, "H(5-3)"),
        ("50~10 * * * *", 1, "50~10"),
    ] {
        standard(text, &[&fault(column, range)]);
        vixie(text, &[&fault(column, range)]);
    }
    // Sunday ends a week as well.
    standard("0 0 * * SAT-SUN", &["01-03 00:00:00", "01-04 00:00:00", "01-10 00:00:00"]);
}

#[test]
fn a_step_needs_a_range_and_has_one_value_without_in_a_crontab() {
    standard(
        "0/15 0 * * *",
        &["column 1: a step needs a range, and 0 is one value; write 0-59/15"],
    );
    vixie("0/15 0 * * *", &["01-01 00:00:00", "01-02 00:00:00", "01-03 00:00:00"]);
    standard("*/90 0 * * *", &["01-01 00:00:00", "01-02 00:00:00", "01-03 00:00:00"]);
}

#[test]
fn a_star_that_is_stepped_restricts_days_but_in_a_crontab() {
    standard("0 0 */2 * MON", &["01-01 00:00:00", "01-03 00:00:00", "01-05 00:00:00"]);
    vixie("0 0 */2 * MON", &["01-05 00:00:00", "01-19 00:00:00", "02-09 00:00:00"]);
    standard("0 0 1-31 * MON", &["01-01 00:00:00", "01-02 00:00:00", "01-03 00:00:00"]);
    standard("0 0 1 * *,1", &["01-01 00:00:00", "02-01 00:00:00", "03-01 00:00:00"]);
    vixie("0 0 1 * *,1", &["01-01 00:00:00", "02-01 00:00:00", "03-01 00:00:00"]);
}

#[test]
fn a_day_of_the_month_and_a_week_of_it_are_either() {
    standard("0 0 1 * MON#1", &["01-01 00:00:00", "01-05 00:00:00", "02-01 00:00:00"]);
    standard("0 0 15W * MON", &["01-05 00:00:00", "01-12 00:00:00", "01-15 00:00:00"]);
    standard("0 0 * * MON,FRI#2", &["01-05 00:00:00", "01-09 00:00:00", "01-12 00:00:00"]);
    standard("0 0 31 2 MON", &["02-02 00:00:00", "02-09 00:00:00", "02-16 00:00:00"]);
}

#[test]
fn a_weekday_near_a_day_is_in_months_that_have_the_day() {
    standard("0 0 31W * *", &["01-30 00:00:00", "03-31 00:00:00", "05-29 00:00:00"]);
    standard("0 0 LW * *", &["01-30 00:00:00", "02-27 00:00:00", "03-31 00:00:00"]);
    standard("0 0 1W,15W * *", &["01-01 00:00:00", "01-15 00:00:00", "02-02 00:00:00"]);
}

#[test]
fn seconds_come_first_and_years_last() {
    standard("* * * * * 5", &["01-02 00:00:00", "01-02 00:00:01", "01-02 00:00:02"]);
    standard("30 5 4 1 2 * 2026-2199", &["02-01 04:05:30"; 3]);
}

#[test]
fn case_counts_but_for_names() {
    standard("0 0 1 jan mOn", &["01-01 00:00:00", "01-05 00:00:00", "01-12 00:00:00"]);
    standard("@DAILY", &["column 1: there is no @DAILY; write @daily"]);
    standard("0 0 l * *", &["column 5: \"l\" is no day of month; write a number from 1 to 31"]);
}
