//! Exactly 100,000 jobs submitted, dispatched and finished, for counting instructions:
//!
//! `valgrind --tool=callgrind target/release/examples/count`
//!
//! Eight slots, twenty tenants, about a thousand jobs waiting all the time. `count at-once` never lets one wait.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints")]

use std::collections::VecDeque;

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, Estimate, Scheduler, Submit, Supply};

const JOBS: u64 = 100_000;

fn main() {
    let backlog = if std::env::args().any(|arg| arg == "at-once") { 4 } else { 1_000 };
    let mut scheduler = Scheduler::new(Config::default());
    let supply = Supply { host: HostId(1), slots: 1, prefetch: 0 };
    (0..8).for_each(|lane| scheduler.handle_supply(SupplierId(lane), supply, Mono(0)));
    let mut running = VecDeque::new();
    let mut now = Mono(0);
    let (mut submitted, mut finished) = (0, 0);
    while finished < JOBS {
        now += Span::from_micros(100);
        if submitted < JOBS {
            submitted += 1;
            scheduler.handle_submit(job(submitted), now);
        }
        if submitted - finished > backlog || submitted == JOBS {
            let ended = running.pop_front().expect("slots are busy while jobs are left");
            scheduler.handle_finish(ended, now);
            finished += 1;
        }
        while let Some(action) = scheduler.poll_action() {
            match action {
                Action::Grant { job, .. } => running.push_back(job),
                Action::Refuse { .. } | Action::Expire { .. } => unreachable!("all jobs run"),
            }
        }
    }
    assert_eq!((scheduler.waiting(), scheduler.running()), (0, 0));
    println!("{finished} jobs");
}

fn job(n: u64) -> Submit {
    let cost = Span::from_micros(200 + n * 7_919 % 2_000);
    Submit {
        job: JobId(n),
        queue: QueueId::DEFAULT,
        tenant: TenantId((n * 31 % 20) as u32),
        weight: 1,
        promise: Promise::Within(Span::from_millis(100 + n * 104_729 % 5_000)),
        expires: Some(Mono(u64::MAX - n)),
        host: None,
        estimate: Estimate { p50: cost, p90: Span(cost.0 * 2) },
    }
}
