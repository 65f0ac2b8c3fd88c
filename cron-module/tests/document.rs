//! docs/CRON.md says of nights in which clocks are changed what happens in them.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

const DOCUMENT: &str = include_str!("../../docs/CRON.md");
/// What the table begins with.
const HEAD: &str = "| expression | zone | day |";

fn wall(moment: Timestamp) -> Wall {
    Wall(moment.as_millisecond() as u64)
}

/// The firings of a local day, as the document writes them.
fn firings(timing: &Timing, day: Date) -> String {
    let zone = &timing.zone;
    let bound = |day: Date| zone.to_timestamp(day.to_datetime(Time::midnight())).unwrap();
    let until = wall(bound(day.checked_add(1.day()).unwrap()));
    let before = Wall(wall(bound(day)).0 - 1);
    let next = |after: Wall| timing.next(after).map(|it| it.due).filter(|it| *it < until);
    let shown = |due: Wall| {
        let moment = Timestamp::from_millisecond(due.0 as i64).unwrap();
        let local = zone.to_offset(moment).to_datetime(moment).strftime("%H:%M").to_string();
        format!("{local} ({})", Offset::UTC.to_datetime(moment).strftime("%H:%MZ"))
    };
    let all: Vec<String> =
        std::iter::successors(next(before), |due| next(*due)).map(shown).collect();
    if all.is_empty() { "never".to_owned() } else { all.join(", ") }
}

#[test]
fn the_document_says_what_nights_do_to_firings() {
    let zones = TimeZoneDatabase::bundled();
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with(HEAD)).skip(2);
    let mut count = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [expression, zone, day, policy, fires] = cells[..] else { panic!("five cells: {row}") };
        let (expression, policy) = (expression.trim_matches('`'), policy.trim_matches('`'));
        let timing = Timing {
            expression: Expression::parse(expression, "a", Dialect::Standard).unwrap(),
            zone: zones.get(zone).unwrap(),
            gap: if policy == "skip" { Gap::Skip } else { Gap::After },
            fold: if policy == "both" { Fold::Both } else { Fold::First },
            anchor: Wall(0),
        };
        assert!(["after_gap", "skip", "first", "both"].contains(&policy), "{row}");
        assert_eq!(firings(&timing, day.parse().unwrap()), fires, "{row}");
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}
