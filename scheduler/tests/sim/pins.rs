//! Pinned jobs under load: every host is kept busy, and no flow waits for ever.

use ostler_job::{HostId, JobId, Mono, Promise, Span, SupplierId, TenantId};
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
