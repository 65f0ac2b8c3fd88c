//! Durable jobs under a virtual clock: scheduler, driver, store and links together, and everything that can fail.
//!
//! Gateways crash with commits under way, links delay and drop, runners die, stop for longer than their lease and repeat
//! themselves, operators interfere, and clocks are set. A checker knows what was acknowledged and what was started.
//! `OSTLER_SEED=n cargo test -p ostler-tests --test sim` replays one seed; a failing run prints its seed.

mod agenda;
mod chaos;
mod checker;
mod clients;
mod gateway;
mod heard;
mod links;
mod rng;
mod runner;
mod tally;
mod world;

use world::{Plan, World};

/// The seeds to run.
fn seeds(count: u64) -> Vec<u64> {
    let replayed = std::env::var("OSTLER_SEED").ok();
    match replayed {
        Some(seed) => vec![seed.parse().expect("OSTLER_SEED is a number")],
        None => (1..=count).collect(),
    }
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
        let tell = TellSeed(seed);
        let world = World::run(seed, Plan::of(seed));
        if let Some(broken) = &world.checker.broken {
            panic!("{broken}");
        }
        told.add(&world.checker.tally);
        drop(tell);
    }
    // The faults that this is about did happen.
    if seeds.len() > 1 {
        told.check();
    }
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
