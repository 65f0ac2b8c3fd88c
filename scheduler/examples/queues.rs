//! What many queues and many serial keys cost beside one queue, jobs a second of one core.
//!
//! `cargo run --release -p ostler-scheduler --example queues`: 100,000 jobs of 1,000 tenants wait; every round submits a job,
//! finishes one and so dispatches one. In one queue; spread over 10,000 of them; each naming one of 100,000 serial keys; and
//! a thousand keys with a thousand jobs each. A second is one of the thread's time on its core.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Claim, Config, Estimate, QueueConfig, ResourceId, Scheduler, Submit, Supply,
};

const TENANTS: u64 = 1_000;
const ROUNDS: u64 = 1_000_000;
const SLOTS: u32 = 64;

/// One measurement.
struct Case {
    name: &'static str,
    queues: u32,
    /// A tenant has ten of the queues for itself; else its jobs go to any of them.
    own: bool,
    /// Serial keys; zero: none.
    keys: u64,
    waiting: u64,
}

fn main() {
    let cases = [
        Case { name: "one queue", queues: 1, own: false, keys: 0, waiting: 100_000 },
        Case {
            name: "10,000 queues, ten of each tenant",
            queues: 10_000,
            own: true,
            keys: 0,
            waiting: 100_000,
        },
        Case {
            name: "10,000 queues, every tenant in all",
            queues: 10_000,
            own: false,
            keys: 0,
            waiting: 100_000,
        },
        Case {
            name: "100,000 serial keys",
            queues: 1,
            own: false,
            keys: 100_000,
            waiting: 100_000,
        },
        Case {
            name: "one queue, a million jobs",
            queues: 1,
            own: false,
            keys: 0,
            waiting: 1_000_000,
        },
        Case {
            name: "1,000 keys, 1,000 jobs each",
            queues: 1,
            own: false,
            keys: 1_000,
            waiting: 1_000_000,
        },
    ];
    let wanted: Option<usize> = std::env::args().nth(1).and_then(|it| it.parse().ok());
    for (at, case) in cases.iter().enumerate() {
        if wanted.is_none_or(|wanted| wanted == at) {
            case.run();
        }
    }
}

impl Case {
    fn run(&self) {
        let mut scheduler = self.scheduler();
        let (mut next, mut random, mut now) = (0, 88_172_645_463_325_252, Mono(0));
        let mut running = VecDeque::new();
        for _ in 0..self.waiting {
            self.submit(&mut scheduler, &mut next, &mut random, now);
            drain(&mut scheduler, &mut running);
        }
        let rate = rate(|| {
            for _ in 0..ROUNDS {
                now += Span::from_micros(100);
                self.submit(&mut scheduler, &mut next, &mut random, now);
                let ended = running.pop_front().expect("a job runs");
                scheduler.handle_finish(ended, now);
                drain(&mut scheduler, &mut running);
            }
        });
        println!("{}: {rate:.0} enqueue+dispatch+finish/s", self.name);
    }

    fn scheduler(&self) -> Scheduler {
        let config =
            Config { waiting_max: u32::MAX, tenant_waiting_max: u32::MAX, ..Config::default() };
        let mut scheduler = Scheduler::new(config);
        for queue in 1..self.queues {
            scheduler.handle_queue(QueueId(queue), &QueueConfig::default(), Mono(0));
        }
        for lane in 0..SLOTS {
            let supply = Supply { host: HostId(lane / 16), slots: 1, prefetch: 0 };
            scheduler.handle_supply(SupplierId(lane), supply, Mono(0));
        }
        scheduler
    }

    fn submit(&self, scheduler: &mut Scheduler, next: &mut u64, random: &mut u64, now: Mono) {
        *next += 1;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let cost = Span::from_micros(500 + *random % 20_000);
        let submit = Submit {
            job: JobId(*next),
            queue: QueueId(*next as u32 % self.queues),
            tenant: TenantId(match self.own {
                true => *next as u32 % TENANTS as u32,
                false => (*random >> 20) as u32 % TENANTS as u32,
            }),
            weight: 1 + (*random >> 40) as u32 % 4,
            promise: match *random >> 60 {
                0..4 => Promise::Sometime,
                _ => Promise::Within(Span::from_millis(100 + *random % 10_000)),
            },
            expires: None,
            host: None,
            estimate: Estimate { p50: cost, p90: Span(cost.0 * 2) },
        };
        let resource = (*next).checked_rem(self.keys);
        let claims: Vec<Claim> = resource
            .map(|it| Claim { resource: ResourceId(it as u32), exclusive: true })
            .into_iter()
            .collect();
        scheduler.handle_submit_claiming(submit, &claims, now);
    }
}

fn drain(scheduler: &mut Scheduler, running: &mut VecDeque<JobId>) {
    while let Some(action) = scheduler.poll_action() {
        if let Action::Grant { job, .. } = action {
            running.push_back(job);
        }
    }
}

/// Rounds a second of core time.
fn rate(work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    let before = on_core(since);
    work();
    ROUNDS as f64 / (on_core(since) - before).as_secs_f64()
}

/// Time this thread has had a core for: what other processes on the machine take is not counted.
fn on_core(since: Instant) -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = schedstat.and_then(|line| line.split(' ').next()?.parse().ok());
    ns.map_or_else(|| since.elapsed(), Duration::from_nanos)
}
