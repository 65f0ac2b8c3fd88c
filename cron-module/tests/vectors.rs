//! Firings about every change of the clocks in forty zones and ten years are those of cronsim, which does as Debian's cron does, but for
//! those that it loses; see `vectors.py`.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::collections::BTreeMap;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

/// Made by `vectors.py` beside it, which says what is in there.
const VECTORS: &str = include_str!("vectors.txt");
const DAYS: u64 = 3 * 86_400;

fn digest(numbers: impl Iterator<Item = u64>) -> String {
    let mut it = 0xcbf2_9ce4_8422_2325_u64;
    for number in numbers {
        for byte in format!("{number}\n").bytes() {
            it = (it ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{:08x}", it & 0xffff_ffff)
}

/// The firings from three days before a change until three days after it, in seconds since the epoch.
fn firings(timing: &Timing, change: u64) -> impl Iterator<Item = u64> {
    let (mut at, until) = (Wall((change - DAYS) * 1_000), (change + DAYS) * 1_000);
    std::iter::from_fn(move || {
        at = timing.next(at).filter(|it| it.due.0 <= until)?.due;
        Some(at.0 / 1_000)
    })
}

fn timing(text: &str, zone: &TimeZone) -> Timing {
    Timing {
        expression: Expression::parse(text, "a", Dialect::Vixie).unwrap(),
        zone: zone.clone(),
        gap: Gap::After,
        fold: Fold::First,
        anchor: Wall(0),
    }
}

#[test]
fn firings_about_every_change_of_the_clocks_are_those_of_debians_cron() {
    let (zones, expressions) = VECTORS.split_once("\n\n").unwrap();
    let bundled = TimeZoneDatabase::bundled();
    let zones: Vec<(&str, TimeZone, Vec<u64>)> = zones
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let zone = bundled.get(name).unwrap();
            (name, zone, words.map(|it| it.parse().unwrap()).collect())
        })
        .collect();
    let (mut all, mut wrong) = (0, BTreeMap::<&str, Vec<&str>>::new());
    for line in expressions.lines() {
        let mut words = line.split('\t');
        let text = words.next().unwrap();
        for ((name, zone, changes), expected) in zones.iter().zip(words) {
            let timing = timing(text, zone);
            let found = digest(changes.iter().flat_map(|&change| firings(&timing, change)));
            all += 1;
            if found != expected.trim_end_matches('!') {
                wrong.entry(text).or_default().push(name);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {all} differ: {wrong:#?}", wrong.values().flatten().count());
    assert!(all >= 300 * 40, "{all} vectors");
}
