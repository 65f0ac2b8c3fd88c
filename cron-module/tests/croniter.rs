//! Firings about every change of the clocks in forty zones and ten years by croniter, which has rules of its own for nights; see
//! `croniter.py` and `docs/CRON_DIVERGENCES.md`. With its rules spelled in our settings the firings are the same, so that nothing else differs.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::collections::BTreeMap;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

const DAY: u64 = 86_400;

/// Expressions with zones where it loses firings of its own rule, each the second of one that is there twice: when the next one after it
/// is weeks ahead, or the clocks are set back within an hour (by half of one, or at a quarter to four).
const LOST: [(&str, &str); 20] = [
    ("*/17 2 * * *", "Pacific/Chatham"),
    ("*/20 * * * *", "Asia/Pyongyang Australia/Lord_Howe"),
    ("*/20 1,2 4 * 1-4", "Australia/Lord_Howe"),
    ("*/22 * * * 0#1", "Australia/Lord_Howe"),
    ("*/25 2 * 3,10 SAT,SUN", "Africa/Casablanca"),
    ("*/26 * * * *", "Asia/Pyongyang Australia/Lord_Howe"),
    ("*/28 1,2 * * *", "Australia/Lord_Howe Pacific/Chatham"),
    ("*/6 0-3/2 * * *", "Pacific/Chatham"),
    ("*/9 * * * *", "Asia/Pyongyang Australia/Lord_Howe"),
    (
        "0 1 25-31 10 SUN",
        "Europe/London Europe/Dublin Europe/Lisbon America/Mexico_City Asia/Jerusalem",
    ),
    ("0,48,29 1 */7 1-12 *", "Australia/Lord_Howe"),
    ("10,31 1 * * *", "Australia/Lord_Howe"),
    ("2-53 2 * 3,1 SUN", "Africa/Casablanca"),
    ("20 2 */9 3,10 SUN", "Africa/Casablanca"),
    ("21-32/5 * * * 0#1", "Australia/Lord_Howe"),
    ("22-37 * * * *", "Asia/Pyongyang Australia/Lord_Howe"),
    ("29,41 * */4 * *", "Australia/Lord_Howe"),
    ("30 2 * * SUN#2", "Africa/Casablanca"),
    ("52 2 * * 0#2", "Africa/Casablanca"),
    ("54,54,39,17 2 * * SAT,SUN", "Pacific/Chatham"),
];
/// With them it stops: it has no `LW`, and where a week of the month is named as well it looks for the 2nd that is a second Sunday.
const STOPS: usize = 12;

fn digest(numbers: impl Iterator<Item = u64>) -> String {
    let mut it = 0xcbf2_9ce4_8422_2325_u64;
    for number in numbers {
        for byte in format!("{number}\n").bytes() {
            it = (it ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{:04x}", it & 0xffff)
}

/// Without a star: by the clock, as croniter takes all.
fn without_star(field: &str, all: &str) -> String {
    field.strip_prefix('*').map_or_else(|| field.to_owned(), |rest| format!("{all}{rest}"))
}

/// Its rules: what is there twice fires twice. What is not there fires after the gap, but for an expression that fires in each hour, whose
/// firings are left out. Where a week of the month is named, the day of the month says nothing.
fn by_its_rules(text: &str, zone: &TimeZone) -> Timing {
    let [minute, hour, rest @ ..] = &*text.split(' ').collect::<Vec<_>>() else { panic!("{text}") };
    let (minute, every_hour) = (without_star(minute, "0-59"), ["*", "*/1", "0-23"].contains(hour));
    let hour = without_star(hour, "0-23");
    let [day, month, weekday] = rest else { panic!("{text}") };
    let is_left = day.starts_with('*') || !weekday.contains('#');
    let day = if is_left { day } else { "*" };
    let text = format!("{minute} {hour} {day} {month} {weekday}");
    Timing {
        expression: Expression::parse(&text, "a", Dialect::Vixie).unwrap(),
        zone: zone.clone(),
        gap: if every_hour { Gap::Skip } else { Gap::After },
        fold: Fold::Both,
        anchor: Wall(0),
    }
}

/// From a day before a change until a day after it.
fn firings(timing: &Timing, change: u64) -> impl Iterator<Item = u64> {
    let (mut at, until) = (Wall((change - DAY) * 1_000), (change + DAY) * 1_000);
    std::iter::from_fn(move || {
        at = timing.next(at).filter(|it| it.due.0 <= until)?.due;
        Some(at.0 / 1_000)
    })
}

#[test]
fn nights_are_those_of_croniter_by_its_rules() {
    let (zones, _) = include_str!("vectors.txt").split_once("\n\n").unwrap();
    let bundled = TimeZoneDatabase::bundled();
    let zones: Vec<(&str, TimeZone, Vec<u64>)> = zones
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            (name, bundled.get(name).unwrap(), words.map(|it| it.parse().unwrap()).collect())
        })
        .collect();
    let (mut all, mut stops, mut wrong) = (0, 0, BTreeMap::<&str, Vec<&str>>::new());
    for line in include_str!("croniter.txt").lines() {
        let (text, digests) = line.split_once('\t').unwrap();
        if digests == "-" {
            stops += 1;
            continue;
        }
        let lost = LOST.iter().find(|it| it.0 == text).map_or("", |it| it.1);
        for ((name, zone, changes), expected) in zones.iter().zip(digests.split(' ')) {
            let timing = by_its_rules(text, zone);
            let found = digest(changes.iter().flat_map(|&change| firings(&timing, change)));
            all += 1;
            if (found == expected) == lost.split(' ').any(|it| it == *name) {
                wrong.entry(text).or_default().push(name);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {all} differ: {wrong:?}", wrong.values().flatten().count());
    assert_eq!((all, stops), (308 * 40, STOPS));
}
