//! 145 % load: four slots, a noisy tenant, an urgent one and a patient one, for 1,500 s.
//!
//! The figures that the promise queue was chosen for: the noisy tenant cannot make the others late, and its own lateness
//! does not spread over all its jobs.

use ostler_job::{Mono, Promise, Span};
use ostler_scheduler::{Config, DisciplineKind};

use crate::rng::Rng;
use crate::with_seeds;
use crate::world::{Fate, Work, World};

const SECONDS: u64 = 1_500;

/// Each tenant's jobs a second, and the work of one.
const TENANTS: [(f64, Work); 3] =
    [(5.0, work(0, 10_000, 1_000)), (1.0, work(1, 1_000, 200)), (0.3, work(2, 600_000, 2_000))];

const fn work(tenant: u32, within_ms: u64, takes_ms: u64) -> Work {
    Work {
        tenant,
        weight: 1,
        promise: Promise::Within(Span::from_millis(within_ms)),
        takes: Span::from_millis(takes_ms),
        // 30 % too high.
        estimate: Span::from_millis(takes_ms * 13 / 10),
    }
}

/// What a tenant got.
#[derive(Debug)]
struct Served {
    on_time: f64,
    started: f64,
    wait_median: f64,
    wait_p99: f64,
}

fn run(mut rng: Rng, config: Config) -> [Served; 3] {
    let config = Config { waiting_max: u32::MAX, tenant_waiting_max: u32::MAX, ..config };
    let mut world = World::new(config, 4);
    for (a_second, work) in TENANTS {
        let mut at = Mono(0);
        loop {
            at += rng.exponential(Span((1e9 / a_second) as u64));
            if at > Mono(SECONDS * 1_000_000_000) {
                break;
            }
            world.plan(at, work);
        }
    }
    while world.step(Mono(SECONDS * 1_000_000_000)).is_some() {}
    world.scheduler.check_invariants();
    [0, 1, 2].map(|tenant| {
        let of_tenant = |fate: &&Fate| fate.work.tenant == tenant;
        served(world.now, &world.fates.iter().filter(of_tenant).copied().collect::<Vec<_>>())
    })
}

fn served(end: Mono, fates: &[Fate]) -> Served {
    // Jobs whose promise reaches past the end count only if they made it.
    let due = |fate: &&Fate| fate.on_time() || fate.arrived + fate.work.promise.window() <= end;
    let due_count = fates.iter().filter(due).count();
    let mut waits: Vec<f64> =
        fates.iter().filter_map(Fate::waited).map(Span::as_secs_f64).collect();
    waits.sort_by(f64::total_cmp);
    Served {
        on_time: fates.iter().filter(|fate| fate.on_time()).count() as f64 / due_count as f64,
        started: waits.len() as f64 / fates.len() as f64,
        wait_median: waits[waits.len() / 2],
        wait_p99: waits[waits.len() * 99 / 100],
    }
}

#[test]
fn the_promise_queue_keeps_the_light_tenants_promises_and_half_of_the_noisy_ones() {
    with_seeds(|rng| {
        for urgency_credit in [Span::ZERO, Config::default().urgency_credit] {
            let config = Config { urgency_credit, ..Config::default() };
            let [noisy, urgent, patient] = run(rng.clone(), config);
            assert!(noisy.on_time >= 0.40 && noisy.wait_median < 10.0, "{noisy:?}");
            assert!(urgent.on_time >= 0.95 && urgent.wait_p99 < 1.0, "{urgent:?}");
            assert!(patient.started >= 0.99 && patient.on_time == 1.0, "{patient:?}");
        }
    });
}

#[test]
fn a_large_urgency_credit_costs_the_urgent_tenant_its_promises() {
    with_seeds(|rng| {
        let config = Config { urgency_credit: Span::from_secs(10), ..Config::default() };
        let [_, urgent, _] = run(rng, config);
        assert!(urgent.on_time < 0.85, "a credit this large would be a fine default: {urgent:?}");
    });
}

#[test]
fn fifo_makes_everybody_late() {
    with_seeds(|rng| {
        let config = Config { discipline: DisciplineKind::Fifo, ..Config::default() };
        let [noisy, urgent, _] = run(rng, config);
        assert!(noisy.on_time < 0.10 && urgent.on_time < 0.10, "{noisy:?} {urgent:?}");
    });
}
