//! What queues below `htb` get of their guarantees when their jobs are not as long as was thought.

use std::collections::BTreeMap;

use ostler_job::{JobId, QueueId, Span};
use ostler_scheduler::{DisciplineKind, Estimate, QueueConfig, Submit};

use crate::{A, B, at, granted, job, with_slots};

/// Slot time of each child of A, in milliseconds, over a hundred seconds in which all have jobs: two slots, the first child has one of
/// them guaranteed, and its jobs are thought to take so long.
fn shared(thought: Span, millis: u64) -> BTreeMap<u32, u64> {
    let mut s = with_slots(2);
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    s.handle_queue(A, &htb, at(0));
    let below = QueueConfig { parent: Some(A), ..QueueConfig::default() };
    s.handle_queue(B, &QueueConfig { guarantee: 1_000, ..below }, at(0));
    for queue in 3..=6 {
        s.handle_queue(QueueId(queue), &below, at(0));
    }
    let mut lengths = BTreeMap::new();
    for id in 1..=10_000 {
        let queue = [2, 3, 4, 5, 6][id as usize % 5];
        let length = if queue == 2 { millis } else { 100 };
        let p50 = if queue == 2 { thought } else { Span::from_millis(100) };
        let submit = job(id, QueueId(queue), queue);
        s.handle_submit(Submit { estimate: Estimate { p50, p90: p50 }, ..submit }, at(0));
        lengths.insert(id, (queue, length));
    }
    let (mut running, mut used) = (BTreeMap::new(), BTreeMap::new());
    let mut now = 0;
    while now < 100_000 {
        for id in granted(&mut s) {
            let (queue, length) = lengths[&id];
            running.insert((now + length, id), queue);
            *used.entry(queue).or_default() += length;
        }
        let (&(end, id), _) = running.first_key_value().expect("there is always something to run");
        running.remove(&(end, id));
        now = end;
        s.handle_finish(JobId(id), at(now));
    }
    used
}

#[test]
fn a_guarantee_holds_for_jobs_that_are_shorter_than_was_thought() {
    for (thought, millis) in [(100, 100), (10_000, 100), (60_000, 500), (50, 500)] {
        let used = shared(Span::from_millis(thought), millis)[&2];
        assert!(used >= 95_000, "{used} ms of 100 s, thought to take {thought} and took {millis}");
    }
}
