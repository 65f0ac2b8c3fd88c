//! What a gate lets through, and what it gives back.

use ostler_job::{Mono, Span};

use super::Gate;
use crate::config::{QueueConfig, Rate};

fn at(millis: u64) -> Mono {
    Mono(Span::from_millis(millis).0)
}

/// A gate with that rate, by the second.
fn gate(jobs: u32, burst: u32) -> Gate {
    let mut gate = Gate::default();
    gate.configure(&config(jobs, burst), at(0));
    gate
}

fn config(jobs: u32, burst: u32) -> QueueConfig {
    let rate = Some(Rate { jobs, per: Span::from_secs(1), burst });
    QueueConfig { rate, ..QueueConfig::default() }
}

#[test]
fn as_many_run_as_may_and_not_one_more() {
    let mut gate = Gate::default();
    let config = QueueConfig { concurrency: Some(2), ..QueueConfig::default() };
    gate.configure(&config, at(0));
    let open: Vec<bool> = (0..2)
        .map(|_| {
            gate.take(at(0));
            gate.is_open()
        })
        .collect();
    assert_eq!(open, [true, false]);
    gate.leave();
    assert!(gate.is_open());
}

#[test]
fn a_rate_that_takes_no_time_never_closes() {
    let rate = Some(Rate { jobs: 1, per: Span::ZERO, burst: 1 });
    let mut gate = Gate::default();
    gate.configure(&QueueConfig { rate, ..QueueConfig::default() }, at(5));
    assert_eq!((gate.take(at(5)), gate.is_open()), (None, true));
}

#[test]
fn a_start_comes_back_while_the_burst_has_not_been_whole_since() {
    let mut gate = gate(1, 3);
    for now in [0, 10, 20] {
        gate.take(at(now));
    }
    assert_eq!(gate.closed_until(), Some(at(1_000)));
    assert_eq!(gate.give_back(at(0)), Some(at(0)), "it was not whole since");
    // When the next one is due it is whole, and what was granted before is made up for.
    let mut gate = self::gate(1, 1);
    gate.take(at(0));
    gate.open_at(at(1_000));
    gate.take(at(1_000));
    assert_eq!(gate.give_back(at(0)), None);
    assert_eq!(gate.closed_until(), Some(at(2_000)));
    assert_eq!(gate.give_back(at(1_000)), Some(at(1_000)));
}

#[test]
fn what_was_granted_before_another_rate_was_whole_gives_that_nothing_back() {
    let mut gate = Gate::default();
    gate.take(at(0));
    gate.configure(&config(1, 1), at(500));
    gate.take(at(600));
    assert_eq!(gate.give_back(at(0)), None);
    assert_eq!(gate.closed_until(), Some(at(1_600)));
    // Nor what is taken up from before.
    let mut gate = self::gate(1, 1);
    assert_eq!(gate.take_since(at(4_500), at(5_000)), Some(at(5_500)));
    assert_eq!((gate.give_back(at(0)), gate.closed_until()), (None, Some(at(5_500))));
}

#[test]
fn a_moment_that_is_to_come_is_taken_for_now() {
    let mut gate = gate(1, 1);
    assert_eq!(gate.take_since(at(9_000), at(2_000)), Some(at(3_000)));
}
