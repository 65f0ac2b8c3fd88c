//! Durable jobs under a virtual clock: scheduler, driver, store and links together, and everything that can fail.
//!
//! Gateways crash with commits under way, links delay and drop, runners die, stop for longer than their lease and repeat
//! themselves, operators interfere, and clocks are set. A checker knows what was acknowledged and what was started.
//! `OSTLER_SEED=n cargo test -p ostler-tests --test sim` replays one seed; `OSTLER_FRESH_SECONDS=n` goes on with seeds that
//! nobody has tried until that time is over (`make soak`). A failing run prints what repeats it.

mod agenda;
mod attached;
mod barred;
mod chaos;
mod checker;
mod claims;
mod clients;
mod gateway;
mod heard;
mod links;
mod planners;
mod runner;
mod schedules;
mod tally;
mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use checker::Checker;
use world::{Plan, World};

/// Seeds beyond the first ones that once broke something, each with what it was: they are run for ever.
const KEPT: &[u64] = &[
    // Put back, and begun twice before the runners were heard: a job that may start once was started again.
    1795784646303645,
    // Resumed and paused in one commit.
    1795784472219281,
    1795784646303117,
    // Reported before it beat: the queues that mean every runner did not mean it.
    1795801717011210,
    // Came back, left again and came back: it stood twice among those that wait.
    1795809681381424,
    // Given before a backup was put back, and begun after the backup's own lease of it: that one is not known there.
    1795809681381276,
];
/// After so many that fail, more of them tell nothing.
const FAILING_MAX: usize = 8;

/// The seeds to run.
fn seeds(count: u64) -> Vec<u64> {
    let replayed = std::env::var("OSTLER_SEED").ok();
    match replayed {
        Some(seed) => vec![seed.parse().expect("OSTLER_SEED is a number")],
        None => (1..=count).chain(KEPT.iter().copied()).collect(),
    }
}

/// Seeds that nobody has tried, while the time lasts that was asked for; none when none was.
fn fresh_seeds() -> impl Iterator<Item = u64> {
    let asked = std::env::var("OSTLER_FRESH_SECONDS").ok();
    let seconds = asked.map_or(0, |n| n.parse().expect("OSTLER_FRESH_SECONDS is a number"));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let end = Instant::now() + Duration::from_secs(seconds);
    // Microseconds: runs take longer, so that no two soaks try the same.
    let first = u64::try_from(since.as_micros()).expect("it is long before the year 500,000");
    (first..).take_while(move |_| Instant::now() < end)
}

/// One run; what it did, or what is not true and how to see that again.
fn try_seed(seed: u64) -> Result<tally::Tally, String> {
    outcome(seed, std::panic::catch_unwind(|| World::run(seed, Plan::of(seed)).checker))
}

fn outcome(seed: u64, run: std::thread::Result<Checker>) -> Result<tally::Tally, String> {
    let broken = match run {
        Ok(Checker { broken: None, tally, .. }) => return Ok(tally),
        Ok(Checker { broken: Some(broken), .. }) => broken,
        Err(_) => "it panicked, as is told above".to_owned(),
    };
    Err(format!("{broken}\nrepeat it: OSTLER_SEED={seed} cargo test -p ostler-tests --test sim"))
}

/// Prints the seed when dropped by a panic.
struct TellSeed(u64);

impl Drop for TellSeed {
    #[allow(clippy::print_stderr, reason = "a failing run says how to replay it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with OSTLER_SEED={}", self.0);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_done_twice_whatever_fails() {
    let mut told = tally::Tally::default();
    let seeds = seeds(200);
    for &seed in &seeds {
        told.add(&try_seed(seed).unwrap_or_else(|broken| panic!("{broken}")));
    }
    // The faults that this is about did happen.
    if seeds.len() > 1 {
        told.check();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a soak says how much it has seen")]
fn nothing_is_lost_with_seeds_that_nobody_has_tried() {
    let (mut tried, mut failing) = (0, Vec::new());
    for seed in fresh_seeds() {
        tried += 1;
        failing.extend(try_seed(seed).err());
        if failing.len() == FAILING_MAX {
            break;
        }
    }
    eprintln!("{tried} fresh seeds");
    assert!(failing.is_empty(), "keep these seeds in KEPT:\n{}", failing.join("\n\n"));
}

#[test]
fn a_failing_seed_says_what_repeats_it() {
    let of = |broken: &str| {
        let seed = 7;
        let mut checker = World::run(seed, Plan::of(seed)).checker;
        checker.fail(broken.to_owned());
        outcome(seed, Ok(checker))
    };
    let told = of("a job is lost").expect_err("it is broken");
    assert!(told.starts_with("a job is lost\n"), "{told}");
    assert!(told.ends_with("OSTLER_SEED=7 cargo test -p ostler-tests --test sim"), "{told}");
}

#[test]
fn a_store_that_forgets_what_it_acknowledged_is_noticed() {
    for seed in seeds(20) {
        let tell = TellSeed(seed);
        let world = World::run(seed, Plan { forget: true, ..Plan::default() });
        assert!(world.forgot, "the store forgot nothing");
        assert!(world.checker.broken.is_some(), "the store forgot, and nobody noticed");
        drop(tell);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in seeds(3) {
        let run = || World::run(seed, Plan::of(seed)).checker.tally;
        assert_eq!(run(), run());
    }
}
