//! What it costs to tell why a job waits, with a million of them in a thousand queues.
//!
//! `cargo run --release -p ostler-driver --example explain`: the driver alone. Each question is one about a job chosen at random, as
//! of a list (`why`) and as of one job (`explain`); wanted are at most 5 ms for 99 of 100.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::time::{Duration, Instant};

use ostler_driver::{Beat, Driver, DriverConfig, QueueOrder, QueueVerb, Ticket};
use ostler_job::durable::{
    Delivery, Epoch, JobState, QueueName, Resources, Retry, Scheduling, Status, Term, Unfinished,
};
use ostler_job::{JobId, Mono, Now, Wall};

const WAITING: u64 = 1_000_000;
const ASKED: u64 = 100_000;

const NOW: Now = Now { mono: Mono(1_000_000_000), wall: Wall(1_800_000_001_000) };

fn main() {
    for (queues, tenants) in [(1_000, 100), (1, 1)] {
        let driver = filled(queues, tenants);
        let why = measured(|id| driver.why(id, NOW).is_some());
        let explain = measured(|id| driver.explain(id, NOW).is_some());
        println!("{WAITING} jobs in {queues} queues, of {tenants} tenants in each:");
        println!("  why      p50 {:?}, p99 {:?}, longest {:?}", why[0], why[1], why[2]);
        println!("  explain  p50 {:?}, p99 {:?}, longest {:?}", explain[0], explain[1], explain[2]);
    }
}

fn filled(queues: u64, tenants: u64) -> Driver {
    let term = Term { epoch: Epoch(1), fences: 1 << 38..1 << 39, ..Term::default() };
    let mut driver = Driver::new(DriverConfig::default(), &term, JobId(WAITING + 1), 7);
    for queue in 0..queues {
        let verb = QueueVerb::Put(Box::default());
        let (ticket, who) = (Ticket(1), "me".to_owned());
        driver.handle_queue(QueueOrder { ticket, who, queue: name(queue), verb }, NOW);
    }
    for id in 1..=WAITING {
        let mut status = Status::new(JobState::Pending, None, None);
        status.queue = Some(name(id % queues));
        driver.restore(
            Unfinished {
                id: JobId(id),
                submitted_at: Wall(1_800_000_000_000 + id % 997),
                scheduling: Scheduling {
                    tenant: format!("tenant-{}", id / queues % tenants),
                    identity: format!("command-{}", id / 3),
                    content: None,
                    expires: None,
                    within: None,
                    delivery: Delivery::AtLeastOnce,
                    retry: Retry::default(),
                    dedupe: None,
                    needs: Resources::default(),
                    firing: None,
                },
                status,
            },
            NOW,
        );
    }
    let beat = Beat {
        runner: "a".into(),
        link: 1,
        incarnation: "1".into(),
        slots: 64,
        is_broken: false,
        labels: Default::default(),
        held: Vec::new(),
    };
    driver.handle_beat(beat, NOW);
    while driver.poll_action().is_some() {}
    driver
}

fn name(queue: u64) -> QueueName {
    QueueName::new(&format!("queue-{queue}")).expect("it is a good name")
}

/// The median, the 99th percentile and the longest of the times that questions take.
fn measured(ask: impl Fn(JobId) -> bool) -> [Duration; 3] {
    let mut random = 7_u64;
    let mut times = Vec::new();
    for _ in 0..ASKED {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = JobId(1 + (random >> 33) % WAITING);
        let since = Instant::now();
        assert!(ask(id), "job {id} is told why");
        times.push(since.elapsed());
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    [at(0.5), at(0.99), at(1.0)]
}
