//! The scheduler under a virtual clock: promised figures, fairness, chaos, every run from a seed.
//!
//! `OSTLER_SEED=n cargo test -p ostler-scheduler --test sim` replays one seed; otherwise a fixed list is run. A failing
//! run prints its seed.

mod chaos;
mod fairness;
mod overload;
mod pins;
mod rng;
mod world;

use rng::Rng;

/// Runs `test` with every seed, and names the seed of a run that panics.
fn with_seeds(test: impl Fn(Rng)) {
    #[allow(
        clippy::disallowed_methods,
        reason = "the seed to replay is for the test, not for the crate"
    )]
    let replayed = std::env::var("OSTLER_SEED").ok();
    let seeds = match replayed {
        Some(seed) => vec![seed.parse().expect("OSTLER_SEED is a number")],
        None => vec![1, 2, 3],
    };
    for seed in seeds {
        let told = TellSeed(seed);
        test(Rng::new(seed));
        drop(told);
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
