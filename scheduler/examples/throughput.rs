//! How many jobs a second one core can queue and dispatch, and what a waiting job costs in memory.
//!
//! `cargo run --release -p ostler-scheduler --example throughput`: 1,000 tenants keep 100,000 jobs waiting; every round
//! submits a job, finishes one and so dispatches one. Then the same without a queue: every job finds a free slot. A
//! second is one of the thread's time on its core.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, DisciplineKind, Estimate, Scheduler, Submit, Supply};

const TENANTS: u64 = 1_000;
const WAITING: u64 = 100_000;
const ROUNDS: u64 = 2_000_000;
const SLOTS: u32 = 64;

/// The system's allocator, counting the bytes in use and the calls.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` unchanged; the counters touch no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract, which is the same here.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A stream of jobs over the tenants: mixed promises and costs, half of them with a queue deadline.
struct Jobs {
    next: u64,
    random: u64,
}

impl Jobs {
    fn next(&mut self, now: Mono) -> Submit {
        self.next += 1;
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let cost = Span::from_micros(500 + self.random % 20_000);
        Submit {
            job: JobId(self.next),
            queue: QueueId::DEFAULT,
            tenant: TenantId((self.random >> 20) as u32 % TENANTS as u32),
            weight: 1 + (self.random >> 40) as u32 % 4,
            promise: match self.random >> 60 {
                0..4 => Promise::Sometime,
                _ => Promise::Within(Span::from_millis(100 + self.random % 10_000)),
            },
            expires: (self.next.is_multiple_of(2)).then(|| now + Span::from_secs(1_000_000)),
            host: None,
            estimate: Estimate { p50: cost, p90: Span(cost.0 * 2) },
        }
    }
}

fn scheduler(discipline: DisciplineKind) -> Scheduler {
    let config = Config {
        discipline,
        waiting_max: u32::MAX,
        tenant_waiting_max: u32::MAX,
        ..Config::default()
    };
    let mut scheduler = Scheduler::new(config);
    for lane in 0..SLOTS {
        let supply = Supply { host: HostId(lane / 16), slots: 1, prefetch: 0 };
        scheduler.handle_supply(SupplierId(lane), supply, Mono(0));
    }
    scheduler
}

/// Time this thread has had a core for: what other processes on the machine take is not counted.
fn on_core(since: Instant) -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = schedstat.and_then(|line| line.split(' ').next()?.parse().ok());
    ns.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// How often a second of core time `work` could be done `times` over.
fn rate(times: u64, work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    let before = on_core(since);
    work();
    times as f64 / (on_core(since) - before).as_secs_f64()
}

fn main() {
    for discipline in [DisciplineKind::Promise, DisciplineKind::Fifo] {
        queued(discipline);
        uncontended(discipline);
    }
}

fn queued(discipline: DisciplineKind) {
    let mut jobs = Jobs { next: 0, random: 88_172_645_463_325_252 };
    let mut now = Mono(0);
    let mut scheduler = scheduler(discipline);
    let mut running = std::collections::VecDeque::with_capacity(SLOTS as usize + 1);
    // Flows and tables exist before the memory is counted: it is what a waiting job adds.
    for _ in 0..SLOTS {
        scheduler.handle_submit(jobs.next(now), now);
    }
    let before = BYTES.load(Ordering::Relaxed);
    let filling = rate(WAITING, || {
        for _ in 0..WAITING {
            now += Span::from_micros(1);
            scheduler.handle_submit(jobs.next(now), now);
            drain(&mut scheduler, &mut running);
        }
    });
    let bytes = BYTES.load(Ordering::Relaxed) - before;
    assert_eq!(scheduler.waiting(), WAITING as usize);

    let calls = CALLS.load(Ordering::Relaxed);
    let rounds = rate(ROUNDS, || {
        for _ in 0..ROUNDS {
            now += Span::from_micros(100);
            scheduler.handle_submit(jobs.next(now), now);
            let ended = running.pop_front().expect("all slots are busy");
            scheduler.handle_finish(ended, now);
            drain(&mut scheduler, &mut running);
        }
    });
    let calls = CALLS.load(Ordering::Relaxed) - calls;
    println!(
        "{discipline:?}: {:.0} enqueue+dispatch+finish/s with {WAITING} waiting of {TENANTS} tenants, \
         {:.0} enqueue/s while filling, {} bytes a waiting job, {calls} allocations in {ROUNDS} rounds",
        rounds,
        filling,
        bytes / WAITING as usize,
    );
}

fn uncontended(discipline: DisciplineKind) {
    let mut jobs = Jobs { next: 0, random: 88_172_645_463_325_252 };
    let mut now = Mono(0);
    let mut scheduler = scheduler(discipline);
    let mut running = std::collections::VecDeque::with_capacity(SLOTS as usize + 1);
    for _ in 0..SLOTS / 2 {
        scheduler.handle_submit(jobs.next(now), now);
        drain(&mut scheduler, &mut running);
    }
    let rounds = rate(ROUNDS, || {
        for _ in 0..ROUNDS {
            now += Span::from_micros(100);
            scheduler.handle_submit(jobs.next(now), now);
            let ended = running.pop_front().expect("some jobs run");
            scheduler.handle_finish(ended, now);
            drain(&mut scheduler, &mut running);
        }
    });
    println!("{discipline:?}: {:.0} grants at once a second, finish included", rounds);
}

fn drain(scheduler: &mut Scheduler, running: &mut std::collections::VecDeque<JobId>) {
    while let Some(action) = black_box(scheduler.poll_action()) {
        match action {
            Action::Grant { job, .. } => running.push_back(job),
            Action::Refuse { .. } | Action::Expire { .. } => {
                unreachable!("nothing is refused here")
            }
        }
    }
}
