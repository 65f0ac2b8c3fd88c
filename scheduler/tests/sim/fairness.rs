//! Shares: how far two tenants can drift apart, and that nobody waits forever.

use std::collections::BTreeMap;

use ostler_job::{Mono, Promise, Span};
use ostler_scheduler::Config;

use crate::rng::Rng;
use crate::with_seeds;
use crate::world::{Work, World};

const FOREVER: Mono = Mono(u64::MAX);

fn unbounded(urgency_credit: Span) -> Config {
    Config {
        waiting_max: u32::MAX,
        tenant_waiting_max: u32::MAX,
        urgency_credit,
        ..Config::default()
    }
}

/// Tenants whose jobs never run out, each with its own weight, cost and urgency.
fn greedy_tenants(rng: &mut Rng, count: u32) -> Vec<Work> {
    let greedy = |tenant| {
        let takes = Span::from_millis(rng.between(1, 400));
        let promise = match rng.below(3) {
            0 => Promise::Sometime,
            1 => Promise::Within(Span::from_millis(rng.between(10, 1_000))),
            _ => Promise::Within(Span::from_secs(rng.between(1, 600))),
        };
        Work { tenant, weight: rng.between(1, 8) as u32, promise, takes, estimate: takes }
    };
    (0..count).map(greedy).collect()
}

/// `2B + c_i/w_i + c_f/w_f` of the promise queue, with what its creep adds.
fn lag_bound(credit: Span, slots: u32, all: &[Work], i: &Work, f: &Work) -> f64 {
    let per_weight = |work: &Work| work.takes.as_secs_f64() / f64::from(work.weight);
    let weights: f64 = all.iter().map(|work| f64::from(work.weight)).sum();
    let costs: f64 = all.iter().map(|work| work.takes.as_secs_f64()).sum();
    let credit = credit.as_secs_f64();
    let longest = all.iter().map(|work| work.takes.as_secs_f64()).fold(0.0, f64::max);
    let creep = (credit + (costs + f64::from(slots) * longest) / weights) / 7.0;
    2.0 * (credit + creep) + per_weight(i) + per_weight(f)
}

#[test]
fn over_any_time_two_greedy_tenants_shares_differ_by_a_bound() {
    with_seeds(|mut rng| {
        for credit in [0, 100, 2_000].map(Span::from_millis) {
            let tenants = greedy_tenants(&mut rng, 6);
            let slots = rng.between(1, 8) as u32;
            let mut world = World::new(unbounded(credit), slots);
            for work in &tenants {
                (0..40).for_each(|_| world.submit(*work));
            }
            // Service per weight as charged at dispatch; what the first jobs got while nobody waited does not count.
            world.started.clear();
            let mut service = vec![0.0; tenants.len()];
            let mut extremes = BTreeMap::new();
            for _ in 0..6_000 {
                let Some(Some(ended)) = world.step(FOREVER) else {
                    panic!("greedy work never ends")
                };
                world.submit(ended.work);
                for work in world.started.drain(..) {
                    service[work.tenant as usize] +=
                        work.takes.as_secs_f64() / f64::from(work.weight);
                }
                check_pairs(credit, slots, &tenants, &service, &mut extremes);
            }
        }
    });
}

/// Asserts the bound for every pair, over every interval that ends here.
fn check_pairs(
    credit: Span,
    slots: u32,
    tenants: &[Work],
    service: &[f64],
    extremes: &mut BTreeMap<(usize, usize), (f64, f64)>,
) {
    for i in 0..tenants.len() {
        for f in 0..i {
            let apart = service[i] - service[f];
            let (least, most) = extremes.entry((i, f)).or_insert((0.0, 0.0));
            *least = least.min(apart);
            *most = most.max(apart);
            let bound = lag_bound(credit, slots, tenants, &tenants[i], &tenants[f]);
            let drift = *most - *least;
            assert!(
                drift <= bound + 1e-6,
                "tenants {i} and {f} drifted {drift} s apart, over {bound} s"
            );
        }
    }
}

#[test]
fn nobody_starves_in_a_million_steps_of_bursts() {
    with_seeds(|mut rng| {
        let mut world = World::new(unbounded(Config::default().urgency_credit), 8);
        let mut burst_at = Mono(0);
        let mut worst = Span::ZERO;
        for _ in 0..1_000_000 {
            if world.now >= burst_at {
                // 95 % load in bursts of many jobs of few tenants, urgent and patient ones mixed.
                let size = rng.between(1, 200);
                let mut work = Span::ZERO;
                for _ in 0..size {
                    let one = random_work(&mut rng);
                    work = Span(work.0 + one.takes.0);
                    world.plan(burst_at, one);
                }
                burst_at += Span(work.0 * 100 / 95 / 8);
            }
            if world.step(burst_at).is_none() {
                world.now = burst_at;
            }
            worst = worst.max(world.scheduler.oldest_wait(world.now).unwrap_or_default());
        }
        while world.step(FOREVER).is_some() {}
        assert!(world.fates.iter().all(|fate| fate.finished.is_some()), "every job ran");
        assert!(worst < Span::from_secs(60), "somebody waited {} s", worst.as_secs_f64());
        assert_eq!((world.scheduler.waiting(), world.scheduler.running()), (0, 0));
        assert_eq!(world.scheduler.tenants().count(), 0, "nobody is remembered for nothing");
    });
}

fn random_work(rng: &mut Rng) -> Work {
    let takes = Span::from_millis(rng.between(1, 300));
    let promise = match rng.below(3) {
        0 => Promise::Sometime,
        _ => Promise::Within(Span::from_millis(rng.between(1, 5_000))),
    };
    let estimate = Span(takes.0 * rng.between(5, 20) / 10);
    Work { tenant: rng.below(40) as u32, weight: 1, promise, takes, estimate }
}

#[test]
fn urgent_newcomers_without_end_starve_nobody_and_are_forgotten() {
    with_seeds(|mut rng| {
        for credit in [Span::ZERO, Config::default().urgency_credit] {
            let mut world = World::new(unbounded(credit), 2);
            let takes = Span::from_millis(10);
            let patient =
                Work { tenant: 0, weight: 1, promise: Promise::Sometime, takes, estimate: takes };
            let mut newcomer = 1;
            let mut arrive = |world: &mut World, promise| {
                world.submit(Work { tenant: newcomer, promise, ..patient });
                newcomer += 1;
            };
            for _ in 0..3 {
                world.submit(patient);
            }
            let urgent = Promise::Within(Span::from_millis(rng.between(10, 2_000)));
            (0..20).for_each(|_| arrive(&mut world, urgent));
            let mut served = 0;
            for _ in 0..20_000 {
                let Some(Some(ended)) = world.step(FOREVER) else { panic!("work never ends") };
                if ended.work.tenant == 0 {
                    served += 1;
                    world.submit(patient);
                } else {
                    arrive(&mut world, urgent);
                }
                let remembered = world.scheduler.tenants().count();
                assert!(remembered < 500, "{remembered} tenants are remembered, 20 have jobs");
            }
            assert!(served >= 20, "the patient tenant was served {served} times");
        }
    });
}

#[test]
fn tenants_that_came_once_are_forgotten_also_while_nobody_waits() {
    with_seeds(|mut rng| {
        let mut world = World::new(unbounded(Config::default().urgency_credit), 50);
        for tenant in 0..20_000 {
            let takes = Span::from_millis(rng.between(1, 100));
            let promise = Promise::Within(Span::from_secs(1));
            world.submit(Work { tenant, weight: 1, promise, takes, estimate: takes });
            if tenant >= 10 {
                world.step(FOREVER);
            }
            let remembered = world.scheduler.tenants().count();
            assert!(remembered < 100, "{remembered} tenants are remembered, ten have jobs");
        }
    });
}

#[test]
fn a_tenant_with_long_jobs_pays_for_them_while_they_run() {
    // Two slots; the long tenant's job is thought short and takes one of them for a minute.
    let mut world = World::new(unbounded(Span::ZERO), 2);
    let short = Span::from_millis(100);
    let promise = Promise::Within(Span::from_secs(600));
    let work = |tenant, takes| Work { tenant, weight: 1, promise, takes, estimate: short };
    world.submit(work(0, Span::from_secs(60)));
    for tenant in [0, 1] {
        (0..400).for_each(|_| world.submit(work(tenant, short)));
    }
    while world.step(Mono(30_000_000_000)).is_some() {}
    let started = |tenant| {
        let of_tenant = world.fates.iter().filter(|fate| fate.work.tenant == tenant);
        of_tenant.filter(|fate| fate.started.is_some()).count()
    };
    assert!(started(1) > 10 * started(0), "{} and {}", started(0), started(1));
}

#[test]
fn a_tenant_that_leaves_between_bursts_of_long_jobs_owes_for_them_when_it_comes_back() {
    let mut world = World::new(unbounded(Config::default().urgency_credit), 10);
    let second = Span::from_secs(1);
    let work = |tenant, takes| Work {
        tenant,
        weight: 1,
        promise: Promise::Sometime,
        takes: Span::from_secs(takes),
        estimate: second,
    };
    let (bursts, steady) = (work(0, 600), work(1, 10));
    (0..20).for_each(|_| world.submit(steady));
    (0..10).for_each(|_| world.submit(bursts));
    let (mut left, mut served) = (10, [0_u64; 2]);
    while world.now < Mono(8 * 3_600 * 1_000_000_000) {
        let Some(Some(ended)) = world.step(FOREVER) else { panic!("work never ends") };
        served[ended.work.tenant as usize] += ended.work.takes.0;
        if ended.work.tenant == 1 {
            world.submit(steady);
        } else {
            left -= 1;
        }
        if left == 0 {
            left = 10;
            (0..10).for_each(|_| world.submit(bursts));
        }
    }
    let share = served[0] as f64 / (served[0] + served[1]) as f64;
    assert!((0.3..0.55).contains(&share), "the tenant that leaves got {share}");
}
