//! What the job driver costs: bytes a waiting job, decisions a second, time to take up a million jobs.
//!
//! `cargo run --release -p ostler-driver --example driver`. Driver and scheduler alone, without store or links: every
//! round takes a job, leases it, takes its finish; the changes and effects are made and thrown away.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ostler_driver::{Beat, Driver, DriverConfig, Effect, NewJob, Reports, Submit, Ticket};
use ostler_job::durable::{Scheduling, Unfinished};
use ostler_job::{
    JobId, Mono, Now, Span, Wall,
    durable::{
        AttemptKey, Delivery, Ending, Epoch, Finish, JobState, LogState, Reason, Report, Retry,
        Spec, Status, Term, Usage, Work,
    },
};

const WAITING: u64 = 1_000_000;
const ROUNDS: usize = 300_000;
const BATCH: usize = 100;

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

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms * 1_000_000), wall: Wall(1_800_000_000_000 + ms) }
}

fn main() {
    let before = BYTES.load(Ordering::Relaxed);
    let since = Instant::now();
    let mut driver = Driver::new(DriverConfig::default(), &term(), JobId(WAITING + 1), 7);
    for id in 1..=WAITING {
        driver.restore(waiting(id), now(1_000));
    }
    let bytes = BYTES.load(Ordering::Relaxed) - before;
    println!(
        "{WAITING} waiting jobs taken up in {:.2} s, {} bytes each",
        since.elapsed().as_secs_f64(),
        bytes / WAITING as usize
    );
    rounds("with them waiting", driver);
    let driver = Driver::new(DriverConfig::default(), &term(), JobId(1), 7);
    rounds("with an empty queue", driver);
}

/// A job as a store has it, of an identity that few others have.
fn waiting(id: u64) -> Unfinished {
    Unfinished {
        id: JobId(id),
        submitted_at: Wall(1_800_000_000_000),
        scheduling: Scheduling {
            tenant: format!("tenant-{}", id % 100),
            identity: format!("command-{}", id / 3),
            content: None,
            expires: None,
            within: None,
            delivery: Delivery::AtLeastOnce,
            retry: Retry::default(),
            dedupe: None,
            needs: ostler_job::durable::Resources::default(),
            firing: None,
        },
        status: Status::new(JobState::Pending, None, None),
    }
}

fn rounds(what: &str, mut driver: Driver) {
    let spec = Arc::new(Spec { within: Some(Span::from_secs(1)), ..Spec::new(Work::Noop, "noop") });
    let (mut done, mut ms) = (0, 2_000);
    let beat = |held| Beat {
        runner: "a".into(),
        link: 1,
        incarnation: "1".into(),
        slots: 64,
        is_broken: false,
        labels: Default::default(),
        held,
    };
    driver.handle_beat(beat(Vec::new()), now(ms));
    let since = Instant::now();
    let mut running = Vec::new();
    while done < ROUNDS {
        ms += 1;
        if ms % 5_000 == 0 {
            driver.handle_beat(beat(running.clone()), now(ms));
        }
        let new =
            || NewJob { spec: Arc::clone(&spec), paused: false, delayed: false, done_before: None };
        let jobs = (0..BATCH).map(|_| new()).collect();
        let submit =
            Submit { ticket: Ticket(1), who: "me".into(), key: None, jobs, all_or_none: true };
        driver.handle_submit(submit, now(ms));
        let mut ended = 0;
        while ended < BATCH {
            while let Some(action) = driver.poll_action() {
                running.extend(action.effects.iter().filter_map(|effect| {
                    if let Effect::Run { key, .. } = effect { Some(*key) } else { None }
                }));
            }
            let reports: Vec<_> = running.drain(..).map(finished).collect();
            ended += reports.len();
            driver.handle_reports(Reports { runner: "a".into(), link: 1, reports }, now(ms));
        }
        done += ended;
    }
    let rate = done as f64 / since.elapsed().as_secs_f64();
    println!("{rate:.0} jobs/s taken, leased and finished, {what}");
}

fn finished(key: AttemptKey) -> Report {
    let ending = Ending { reason: Reason::Ok, exit_status: Some(0), signal: None, detail: None };
    Report::Finished(Box::new(Finish {
        key,
        ending,
        started_at: Some(Wall(1_800_000_000_000)),
        ran: Span::from_micros(20),
        stopped: Span::ZERO,
        usage: Usage::default(),
        log: LogState::default(),
    }))
}

fn term() -> Term {
    Term { epoch: Epoch(1), fences: 1 << 38..1 << 39, ..Term::default() }
}
