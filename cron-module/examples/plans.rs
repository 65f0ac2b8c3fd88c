//! What plans cost: bytes each, the time to make one, to find the next firing, and to decide a round after a long sleep.
//!
//! `cargo run --release -p ostler-cron-module --example plans`. Each time is the mean of many, for expressions that
//! people have, in a zone whose clocks are changed.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::tz::TimeZone;
use ostler_cron_module::Cron;
use ostler_job::Wall;
use ostler_job::durable::{ScheduleName, ScheduleShape};
use ostler_module::{Clock, Plan, Source, Standing};

const PLANS: usize = 100_000;
const YEAR: u64 = 365 * 86_400_000;
/// The 15th of January 2027.
const NOW: u64 = 1_800_000_000_000;

const EXPRESSIONS: [&str; 12] = [
    "* * * * *",
    "*/5 * * * *",
    "30 2 * * *",
    "H H * * *",
    "0 9 * * MON-FRI",
    "0 0 1 * *",
    "0 0 L * *",
    "0 0 1 1 *",
    "0 12 29 2 +MON",
    "0 12 29 2 +MON#5",
    "* * * * * *",
    "@every 90s",
];

/// The system's allocator, counting the bytes in use.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` unchanged; the counter touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
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

fn shape(cron: &str, missed: &serde_json::Value) -> ScheduleShape {
    let spec = serde_json::json!({"work": {"module": "noop"}, "identity": "a"});
    let zone = if cron.starts_with('@') { "UTC" } else { "Europe/Berlin" };
    let shape = serde_json::json!({"cron": cron, "zone": zone, "missed": missed, "spec": spec});
    serde_json::from_value(shape).expect("a shape")
}

/// Microseconds each.
fn timed(times: u32, mut what: impl FnMut()) -> f64 {
    let since = Instant::now();
    (0..times).for_each(|_| what());
    since.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn main() {
    let source = Cron::new("boot", |name| TimeZone::get(name).ok());
    let make = |name: &ScheduleName, shape: &ScheduleShape| {
        source.plan(name, shape, Wall(NOW)).expect("a plan")
    };
    let shapes = EXPRESSIONS.map(|it| shape(it, &"one".into()));
    let named = |it: usize| ScheduleName::new(&format!("nightly-{it}")).expect("a name");
    drop(make(&named(0), &shapes[0]));
    let mut plans = Vec::with_capacity(PLANS);
    let (before, since) = (BYTES.load(Ordering::Relaxed), Instant::now());
    plans.extend((0..PLANS).map(|it| make(&named(it), &shapes[it % shapes.len()])));
    let took = since.elapsed().as_secs_f64();
    let bytes = (BYTES.load(Ordering::Relaxed) - before) / PLANS + size_of::<Box<dyn Plan>>();
    println!("{PLANS} plans: {bytes} bytes each, made in {took:.2} s");
    for (cron, plan) in EXPRESSIONS.iter().zip(&plans) {
        let mut at = NOW;
        let next = timed(20_000, || {
            at += 7_777_777;
            black_box(plan.next(Wall(at % (3 * YEAR) + NOW)));
        });
        println!("{cron:20} next {next:5.2} us{}", rounds(cron, &source));
    }
}

/// After a minute, a year and fifty.
fn rounds(cron: &str, source: &Cron) -> String {
    let name = ScheduleName::new("a").expect("a name");
    let all = serde_json::json!({"all": {"limit": 10_000, "window": u64::MAX}});
    let mut text = String::new();
    for (policy, missed) in [("one", "one".into()), ("all", all)] {
        let plan =
            source.plan(&name, &shape(cron, &missed), Wall(NOW - 50 * YEAR)).expect("a plan");
        for (length, since) in [("minute", 60_000), ("year", YEAR), ("50 years", 50 * YEAR)] {
            let none = BTreeSet::new();
            let now = Wall(NOW + 1);
            let standing = Standing {
                cursor: Wall(NOW - since),
                resumed_at: now,
                unfinished: 1,
                waiting: &none,
                fired: &none,
            };
            let clock = Clock { now, on_time_from: now };
            let took = timed(50, || drop(black_box(plan.round(&standing, clock))));
            text += &format!("  {policy}, {length} {took:4.0} us");
        }
    }
    text
}
