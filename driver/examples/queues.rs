//! What it costs to change a queue, and to delete and make one, beside ten thousand others.
//!
//! `cargo run --release -p ostler-driver --example queues`: the driver alone, without a store. Orders are given to queues chosen at
//! random.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example measures and prints"
)]

use std::time::{Duration, Instant};

use ostler_driver::{Beat, Driver, DriverConfig, QueueOrder, QueueVerb, Ticket};
use ostler_job::durable::{Epoch, QueueDiscipline, QueueName, QueueShape, Slots, Term};
use ostler_job::{JobId, Mono, Now, Wall};

/// Beside `default` and the one that others are below.
const QUEUES: u64 = 9_998;
const ASKED: u64 = 2_000;

const NOW: Now = Now { mono: Mono(1_000_000_000), wall: Wall(1_800_000_001_000) };

fn main() {
    let plain = QueueShape::default;
    let slots = |slots: u64| Slots::new(slots as f64 / 1000.0);
    let below = || QueueShape { parent: QueueName::new("all"), ..plain() };
    let guaranteed = |n| QueueShape { guarantee: slots(1 + n % 2), ..below() };
    let exclusive = || QueueShape { exclusive: true, ..plain() };
    measured("at the top", &|_| plain(), &|n| QueueShape { weight: 2 + n as u32 % 2, ..plain() });
    measured("from the top below another", &|_| plain(), &|_| below());
    measured("below another, and more is guaranteed", &guaranteed, &|n| guaranteed(n + 1));
    measured("exclusive", &|_| exclusive(), &|n| QueueShape {
        weight: 2 + n as u32 % 2,
        ..exclusive()
    });
}

fn measured(what: &str, first: &dyn Fn(u64) -> QueueShape, then: &dyn Fn(u64) -> QueueShape) {
    let term = Term { epoch: Epoch(1), fences: 1 << 38..1 << 39, ..Term::default() };
    let mut driver = Driver::new(DriverConfig::default(), &term, JobId(1), 7);
    let all = QueueShape {
        discipline: QueueDiscipline::Htb,
        concurrency: Some(100),
        ..QueueShape::default()
    };
    order(&mut driver, "all", QueueVerb::Put(Box::new(all)));
    for n in 0..QUEUES {
        order(&mut driver, &format!("queue-{n}"), QueueVerb::Put(Box::new(first(n))));
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
    let mut random = 7_u64;
    let (mut puts, mut deletes, mut makes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ASKED {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = (random >> 33) % QUEUES;
        let name = format!("queue-{n}");
        let again = order(&mut driver, &name, QueueVerb::Put(Box::new(first(n))));
        puts.extend([again, order(&mut driver, &name, QueueVerb::Put(Box::new(then(n))))]);
        deletes.push(order(&mut driver, &name, QueueVerb::Delete));
        makes.push(order(&mut driver, &name, QueueVerb::Put(Box::new(then(n)))));
    }
    println!("{what}:");
    for (verb, mut times) in [("put", puts), ("delete", deletes), ("make", makes)] {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!("  {verb:<7} p50 {:?}, p99 {:?}, longest {:?}", at(0.5), at(0.99), at(1.0));
    }
}

/// How long it takes until the driver has decided.
fn order(driver: &mut Driver, queue: &str, verb: QueueVerb) -> Duration {
    let (who, queue) = ("me".to_owned(), QueueName::new(queue).expect("it is a good name"));
    let since = Instant::now();
    driver.handle_queue(QueueOrder { ticket: Ticket(1), who, queue, verb }, NOW);
    let took = since.elapsed();
    let mut actions = 0;
    while driver.poll_action().is_some() {
        actions += 1;
    }
    assert!(actions > 0, "it is answered");
    took
}
