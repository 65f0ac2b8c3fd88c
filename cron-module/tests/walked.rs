//! Firings about changes of the clocks of every zone that the data has are those of a walk through every second.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod naive;

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use naive::Naive;
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;
use proptest::prelude::*;

const DAY: i64 = 86_400;

/// Each zone with the moments from 1970 until 2040 at which its clocks are set.
static ZONES: LazyLock<Vec<(String, TimeZone, Vec<i64>)>> = LazyLock::new(|| {
    let bundled = TimeZoneDatabase::bundled();
    let (from, to) = (Timestamp::from_second(10 * DAY).unwrap(), 2_208_988_800);
    let zones = bundled.available().map(|name| {
        let zone = bundled.get(name.as_str()).unwrap();
        let changes = zone.following(from).map(|it| it.timestamp().as_second());
        let changes = changes.take_while(|it| *it < to).collect();
        (name.to_string(), zone.clone(), changes)
    });
    zones.collect()
});

/// A field; values near `near` are more than others.
fn field(low: u32, high: u32, near: std::ops::RangeInclusive<u32>) -> BoxedStrategy<String> {
    let value = prop_oneof![2 => near, 1 => low..=high].boxed();
    let item = prop_oneof![
        4 => value.clone().prop_map(|it| it.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (value.clone(), value, 1..20_u32)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
    ];
    let list = prop::collection::vec(item, 1..4).prop_map(|it| it.join(","));
    prop_oneof![2 => Just("*".to_owned()), 5 => list].boxed()
}

fn expression() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        6 => Just("*".to_owned()),
        2 => field(1, 31, 1..=31),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        1 => (1..=31_u32).prop_map(|it| format!("{it}W")),
    ];
    let month = prop_oneof![4 => Just("*".to_owned()), 1 => field(1, 12, 1..=12)];
    let weekday = prop_oneof![
        6 => Just("*".to_owned()),
        2 => field(0, 7, 0..=6),
        1 => field(0, 6, 0..=6).prop_map(|it| format!("+{it}")),
        1 => (0..=7_u32, 1..=5_u32).prop_map(|(day, week)| format!("{day}#{week}")),
        1 => (0..=7_u32).prop_map(|day| format!("{day}L")),
    ];
    (field(0, 59, 0..=59), field(0, 23, 0..=3), day, month, weekday)
        .prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

fn way(skip: bool, both: bool) -> (Gap, Fold) {
    (if skip { Gap::Skip } else { Gap::After }, if both { Fold::Both } else { Fold::First })
}

/// Those after a moment and not after another, in seconds.
fn firings(timing: &Timing, after: i64, until: i64) -> Vec<i64> {
    let next = |after: &Wall| timing.next(*after).map(|it| it.due);
    let all = std::iter::successors(next(&Wall(after as u64 * 1_000)), next);
    all.map(|it| (it.0 / 1_000) as i64).take_while(|it| *it <= until).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn firings_about_a_change_in_any_zone_are_those_of_a_walk_through_every_second(
        text in expression(),
        zone in any::<prop::sample::Index>(),
        change in any::<prop::sample::Index>(),
        (skip, both, vixie) in any::<(bool, bool, bool)>(),
        every in 1..20_000_i64,
    ) {
        let (name, zone, changes) = zone.get(&ZONES);
        let change = if changes.is_empty() { 1_000_000_000 } else { *change.get(changes) };
        let (after, until) = (change - 3 * DAY, change + 3 * DAY);
        let dialect = if vixie { Dialect::Vixie } else { Dialect::Standard };
        let Ok(expression) = Expression::parse(&text, "a", dialect) else {
            prop_assert!(Naive::read(&text, dialect).never_fires(), "{text} is right");
            return Ok(());
        };
        let (gap, fold) = way(skip, both);
        let mut timing = Timing { expression, zone: zone.clone(), gap, fold, anchor: Wall(0) };
        let found = firings(&timing, after, until);
        let walked = Naive::read(&text, dialect).walk(zone, after, until, (gap, fold));
        prop_assert_eq!(&found, &walked, "{} in {} about {} {:?} {:?} {:?}", text, name, change, gap, fold, dialect);
        let count = timing.count(Wall(after as u64 * 1_000), Wall(until as u64 * 1_000));
        prop_assert_eq!(count, found.len() as u64, "{} in {} about {}", text, name, change);
        // What counts time alone knows no clocks.
        timing.expression = Expression::parse(&format!("@every {every}s"), "a", dialect).unwrap();
        let steps = (after + 1..=until).filter(|it| it % every == 0);
        prop_assert_eq!(firings(&timing, after, until), steps.collect::<Vec<_>>());
    }
}
