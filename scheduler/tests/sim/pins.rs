//! Pinned jobs under load: every host is kept busy, and no flow waits for ever.

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, Estimate, Scheduler, Submit, Supply};

use crate::with_seeds;

const HOSTS: u64 = 4;
const JOBS: u64 = 4_000;

#[test]
fn every_job_of_a_pinned_and_mixed_load_runs_and_no_slot_idles() {
    with_seeds(|mut rng| {
        let mut scheduler = Scheduler::new(Config::default());
        for host in 0..HOSTS as u32 {
            let supply = Supply { host: HostId(host), slots: 2, prefetch: 0 };
            scheduler.handle_supply(SupplierId(host), supply, Mono(0));
        }
        let (mut now, mut running, mut submitted, mut finished) = (Mono(0), Vec::new(), 0, 0);
        let mut arrivals = vec![Mono(0); JOBS as usize];
        let mut longest = Span::ZERO;
        while finished < JOBS {
            now += Span::from_millis(1);
            // More than can be done until all are there; every third is pinned, most of those to one host.
            for _ in 0..rng.below(4) {
                if submitted < JOBS {
                    arrivals[submitted as usize] = now;
                    let host = (rng.below(3) == 0).then(|| HostId((rng.below(8) / 5) as u32));
                    let cost = Span::from_millis(rng.between(1, 12));
                    scheduler.handle_submit(
                        Submit {
                            job: JobId(submitted),
                            queue: QueueId::DEFAULT,
                            tenant: TenantId(rng.below(5) as u32),
                            weight: 1,
                            promise: Promise::Within(Span::from_secs(1 + rng.below(20))),
                            expires: None,
                            host,
                            estimate: Estimate { p50: cost, p90: cost },
                        },
                        now,
                    );
                    submitted += 1;
                }
            }
            if !running.is_empty() && rng.below(4) > 0 {
                let at = rng.below(running.len() as u64) as usize;
                scheduler.handle_finish(running.swap_remove(at), now);
                finished += 1;
            }
            scheduler.check_invariants();
            while let Some(action) = scheduler.poll_action() {
                let Action::Grant { job, waited, .. } = action else { panic!("{action:?}") };
                assert_eq!(waited, now - arrivals[job.0 as usize]);
                longest = longest.max(waited);
                running.push(job);
            }
        }
        assert_eq!((scheduler.waiting(), scheduler.running()), (0, 0));
        assert!(longest < Span::from_secs(10), "{longest:?}");
    });
}

/// Tenants whose jobs never run out, on hosts of one slot each. `wants` names the tenant and the host of each stream of
/// jobs; answers the slot time that every stream got.
fn endless(hosts: u32, streams: &[(u32, Option<u32>, Span)], jobs: u32) -> Vec<u64> {
    let mut s = Scheduler::new(Config { waiting_max: u32::MAX, ..Config::default() });
    for host in 0..hosts {
        let supply = Supply { host: HostId(host), slots: 1, prefetch: 0 };
        s.handle_supply(SupplierId(host), supply, Mono(0));
    }
    let (mut next, mut now) = (0, Mono(0));
    let mut submit = |s: &mut Scheduler, stream: usize, now: Mono| {
        let (tenant, host, takes) = streams[stream];
        let estimate = Estimate { p50: takes, p90: takes };
        s.handle_submit(
            Submit {
                job: JobId(next * 16 + stream as u64),
                queue: QueueId::DEFAULT,
                tenant: TenantId(tenant),
                weight: 1,
                promise: Promise::Sometime,
                expires: None,
                host: host.map(HostId),
                estimate,
            },
            now,
        );
        next += 1;
    };
    for _ in 0..20 {
        (0..streams.len()).for_each(|stream| submit(&mut s, stream, now));
    }
    let mut got = vec![0; streams.len()];
    let mut ends = std::collections::BTreeSet::new();
    for _ in 0..jobs {
        while let Some(action) = s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            ends.insert((now + streams[job.0 as usize % 16].2, job));
        }
        let Some((at, job)) = ends.pop_first() else { panic!("work never ends") };
        now = at;
        let stream = job.0 as usize % 16;
        got[stream] += streams[stream].2.0;
        s.handle_finish(job, now);
        submit(&mut s, stream, now);
    }
    got
}

#[test]
fn a_tenant_that_pins_gets_no_more_than_one_that_does_not() {
    let second = Span::from_secs(1);
    for hosts in [1, 4] {
        for takes in [Span::from_millis(30), second, Span::from_secs(20)] {
            for pins in [vec![0], (0..hosts).collect()] {
                let mut streams = vec![(0, None, takes), (1, None, second)];
                streams.extend(pins.iter().map(|&host| (0, Some(host), takes)));
                let got = endless(hosts, &streams, 6_000);
                let pinned: u64 = got[2..].iter().sum();
                let share = (got[0] + pinned) as f64 / (got[0] + got[1] + pinned) as f64;
                assert!(
                    (0.45..0.55).contains(&share),
                    "{share} with {pins:?} of {hosts}, {takes:?}"
                );
            }
        }
    }
}

#[test]
fn tenants_that_share_a_host_only_by_pins_share_it_evenly() {
    let (short, long) = (Span::from_millis(100), Span::from_secs(3));
    let got = endless(1, &[(0, Some(0), short), (1, Some(0), long), (2, None, short)], 20_000);
    let total: u64 = got.iter().sum();
    for (stream, got) in got.iter().enumerate() {
        let share = *got as f64 / total as f64;
        assert!((0.28..0.39).contains(&share), "stream {stream} got {share}");
    }
}

#[test]
fn a_pinned_job_of_a_tenant_that_is_served_elsewhere_is_not_left_for_ever() {
    let second = Span::from_secs(1);
    // The first tenant can use host 0 alone, and never gets its share; the other has all the rest.
    let got = endless(4, &[(0, Some(0), second), (1, None, second), (1, Some(0), second)], 4_000);
    assert!(got[2] > 10 * second.0, "{got:?}");
    assert!(got[0] > 600 * second.0, "who has nothing else is served first there: {got:?}");
}

#[test]
fn a_job_that_waits_for_an_absent_host_earns_its_tenant_nothing() {
    let second = Span::from_secs(1);
    let got = endless(2, &[(0, None, second), (1, None, second), (0, Some(9), second)], 2_000);
    assert!(got[0].abs_diff(got[1]) < 100 * second.0, "{got:?}");
    // Nor when that host comes: what its tenant did not use before is a job's worth.
    let mut s = Scheduler::new(Config { waiting_max: u32::MAX, ..Config::default() });
    let (mut now, mut next) = (Mono(0), 0);
    let mut submit = |s: &mut Scheduler, tenant: u32, host: Option<u32>, now| {
        next += 1;
        let estimate = Estimate { p50: second, p90: second };
        let (tenant, host) = (TenantId(tenant), host.map(HostId));
        let (job, promise) = (JobId(next * 2 + u64::from(tenant.0)), Promise::Sometime);
        let weight = 1;
        s.handle_submit(
            Submit {
                job,
                queue: QueueId::DEFAULT,
                tenant,
                weight,
                promise,
                expires: None,
                host,
                estimate,
            },
            now,
        );
    };
    let slot = |host| Supply { host: HostId(host), slots: 1, prefetch: 0 };
    s.handle_supply(SupplierId(1), slot(1), now);
    (0..50).for_each(|_| submit(&mut s, 0, Some(9), now));
    (0..2_000).for_each(|_| submit(&mut s, 1, None, now));
    let mut served = [0, 0];
    let mut running = Vec::new();
    for round in 0..1_040 {
        if round == 1_000 {
            // The only host from now on.
            s.handle_supply_gone(SupplierId(1), now);
            s.handle_supply(SupplierId(9), slot(9), now);
        }
        while let Some(action) = s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            served[job.0 as usize % 2] += u32::from(round >= 1_000);
            running.push(job);
        }
        now += second;
        running.drain(..).for_each(|job| s.handle_finish(job, now));
    }
    assert!((15..=26).contains(&served[0]), "{served:?} since the host came");
}
