//! The cross product: each expression of `vectors.txt` in each zone of the data, and ten years of it, against a walk through every minute.
//!
//! The suite tries a few pairs. `OSTLER_CRON_SECONDS=n` goes on with all of them for at most so long, in the order of a shuffle that is the same
//! each time, and says how far it came.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]
#![allow(clippy::disallowed_methods, reason = "the test is the clock of whoever waits for it")]
#![allow(clippy::print_stderr, reason = "how far it came is told to whoever waits for it")]

mod naive;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use naive::Naive;
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing};
use ostler_job::Wall;

/// From the beginning of 2015 until the end of 2024, in minutes.
const FROM: i64 = 1_420_070_400 / 60;
const TO: i64 = 1_735_689_600 / 60;
/// Further than any clock is away from UTC.
const AROUND: i64 = 3 * 1_440;
/// Without being asked for more.
const PAIRS: usize = 24;

/// An expression with the days on which it fires.
struct Cron {
    text: &'static str,
    expression: Expression,
    naive: Naive,
    days: Vec<bool>,
}

impl Cron {
    fn read(text: &'static str) -> Self {
        let naive = Naive::read(text, Dialect::Vixie);
        let days =
            ((FROM - AROUND).div_euclid(1_440)..=(TO + AROUND) / 1_440).map(|it| naive.has_day(it));
        let expression = Expression::parse(text, "a", Dialect::Vixie).unwrap();
        Self { text, expression, days: days.collect(), naive }
    }

    fn has(&self, local: i64) -> bool {
        self.naive.minutes[local.rem_euclid(60) as usize]
            && self.naive.hours[(local.div_euclid(60)).rem_euclid(24) as usize]
            && self.days[(local.div_euclid(1_440) - (FROM - AROUND).div_euclid(1_440)) as usize]
    }
}

/// A zone with what clocks show each minute, and which of it they had shown before.
struct Zone {
    name: String,
    zone: TimeZone,
    local: Vec<i64>,
    again: Vec<bool>,
}

impl Zone {
    fn walk(name: &str, zone: &TimeZone) -> Self {
        let local: Vec<i64> = (FROM..TO)
            .map(|at| {
                let offset = zone.to_offset(Timestamp::from_second(at * 60).unwrap()).seconds();
                assert_eq!(offset % 60, 0, "{name} is off by whole minutes");
                at + i64::from(offset) / 60
            })
            .collect();
        let mut shown = vec![false; (TO - FROM + 2 * AROUND) as usize];
        let again = local
            .iter()
            .map(|it| std::mem::replace(&mut shown[(it - FROM + AROUND) as usize], true));
        Self { name: name.to_owned(), zone: zone.clone(), again: again.collect(), local }
    }

    fn firings(&self, cron: &Cron, (gap, fold): (Gap, Fold)) -> Vec<i64> {
        let by_clock = !cron.naive.by_elapsed;
        let mut found = Vec::new();
        let mut before = self.local[0];
        for ((at, &local), &again) in (FROM..).zip(&self.local).zip(&self.again) {
            let mut fires = cron.has(local) && !(again && by_clock && fold == Fold::First);
            if local > before + 1 && by_clock && gap == Gap::After {
                fires |= (before + 1..local).any(|it| cron.has(it));
            }
            before = local;
            if fires {
                found.push(at * 60);
            }
        }
        found
    }
}

fn try_pair(cron: &Cron, zone: &Zone, way: (Gap, Fold)) -> Result<(), String> {
    let (expression, anchor) = (cron.expression.clone(), Wall(0));
    let timing = Timing { expression, zone: zone.zone.clone(), gap: way.0, fold: way.1, anchor };
    let walked = zone.firings(cron, way);
    let (mut at, until) = (Wall(FROM as u64 * 60_000 - 1), TO as u64 * 60_000);
    let what = || format!("{} in {}, {way:?}", cron.text, zone.name);
    for expected in &walked {
        at = timing.next(at).map_or(Wall(u64::MAX), |it| it.due);
        if at.0 != *expected as u64 * 1_000 {
            return Err(format!("{}: {} and not {expected}", what(), at.0 / 1_000));
        }
    }
    let more = timing.next(at).filter(|it| it.due.0 < until);
    let count = timing.count(Wall(FROM as u64 * 60_000 - 1), Wall(until - 1));
    if more.is_some() || count != walked.len() as u64 {
        return Err(format!("{}: {more:?}, {count} and not {}", what(), walked.len()));
    }
    Ok(())
}

/// Those whose clocks are not set alike in these years.
fn zones() -> Vec<(String, TimeZone)> {
    let bundled = TimeZoneDatabase::bundled();
    let mut distinct = BTreeMap::new();
    for name in bundled.available() {
        let zone = bundled.get(name.as_str()).unwrap();
        let from = Timestamp::from_second(FROM * 60).unwrap();
        let changes =
            zone.following(from).map(|it| (it.timestamp().as_second(), it.offset().seconds()));
        let mut look: Vec<_> = changes.take_while(|it| it.0 < TO * 60).collect();
        look.insert(0, (0, zone.to_offset(from).seconds()));
        distinct.entry(look).or_insert_with(|| (name.to_string(), zone));
    }
    distinct.into_values().collect()
}

fn shuffle<T>(all: &mut [T]) {
    let mut state = 1_u64;
    for last in (1..all.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(last, (state >> 33) as usize % (last + 1));
    }
}

#[test]
fn firings_of_ten_years_are_those_of_a_walk_through_every_minute() {
    let asked = std::env::var("OSTLER_CRON_SECONDS").ok();
    let seconds = asked.map(|n| n.parse().expect("OSTLER_CRON_SECONDS is a number"));
    let limit = seconds.map(|it| Instant::now() + Duration::from_secs(it));
    let (_, lines) = include_str!("vectors.txt").split_once("\n\n").unwrap();
    let mut crons: Vec<Cron> =
        lines.lines().map(|line| Cron::read(line.split('\t').next().unwrap())).collect();
    let mut zones = zones();
    shuffle(&mut crons);
    shuffle(&mut zones);
    if limit.is_none() {
        zones.truncate(2);
        crons.truncate(PAIRS / 2);
    }
    let (next, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = || limit.is_some_and(|it| it < Instant::now());
    let work = || {
        let mut failing = Vec::new();
        let next = || zones.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed));
        while let Some((which, (name, zone))) = next().filter(|_| !is_over()) {
            let zone = Zone::walk(name, zone);
            for (number, cron) in crons.iter().enumerate().take_while(|_| !is_over()) {
                let way = which + number;
                let gap = if way.is_multiple_of(2) { Gap::After } else { Gap::Skip };
                let fold = if (way / 2).is_multiple_of(2) { Fold::First } else { Fold::Both };
                failing.extend(try_pair(cron, &zone, (gap, fold)).err());
                tried.fetch_add(1, Ordering::Relaxed);
            }
        }
        failing
    };
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get());
    let failing: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    let (tried, all) = (tried.into_inner(), crons.len() * zones.len());
    eprintln!(
        "{tried} of {all} pairs of {} expressions and {} zones, ten years each",
        crons.len(),
        zones.len()
    );
    let first: Vec<_> = failing.iter().take(20).collect();
    assert!(failing.is_empty(), "{} of {tried} differ: {first:#?}", failing.len());
}
