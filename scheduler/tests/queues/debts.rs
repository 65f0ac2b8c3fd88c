//! What was used while nobody else wanted it, which nobody is to pay for later.

use ostler_job::{JobId, QueueId};
use ostler_scheduler::{DisciplineKind, QueueConfig};

use crate::{A, B, at, granted, job, with_slots};

/// Of the first thousand jobs, those that two rivals get of one slot after the first of them has used it alone for a thousand seconds, and
/// longer than anybody thought. They are children of A,
/// and it is the turn of either to come first afterwards.
fn after_a_long_night(
    discipline: DisciplineKind,
    (first, other): (u32, u32),
    turn: u64,
) -> (usize, usize) {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig { discipline, ..QueueConfig::default() }, at(0));
    for queue in [B, QueueId(3)] {
        s.handle_queue(queue, &QueueConfig { parent: Some(A), ..QueueConfig::default() }, at(0));
    }
    // By queue, or by tenant in one queue.
    let submit = |id: u64, of: u32| match of {
        2 | 3 => job(id, QueueId(of), 7),
        tenant => job(id, A, tenant),
    };
    s.handle_submit(submit(1, first), at(0));
    assert_eq!(granted(&mut s), [1]);
    let mut now = 1_000_000;
    s.handle_finish(JobId(1), at(now));
    for id in 2..2_002 {
        s.handle_submit(submit(id, if id % 2 == turn { first } else { other }), at(now));
    }
    let mut order = Vec::new();
    while order.len() < 1_000 {
        let id = granted(&mut s)[0];
        order.push(id);
        now += 10;
        s.handle_finish(JobId(id), at(now));
    }
    let of_first = order.iter().filter(|&&id| id % 2 == turn).count();
    (of_first, 1_000 - of_first)
}

#[test]
fn what_a_tenant_used_alone_is_forgiven_once_nothing_runs() {
    for discipline in [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Sfq] {
        for turn in [0, 1] {
            let (first, other) = after_a_long_night(discipline, (11, 12), turn);
            assert!(first.abs_diff(other) <= 150, "{discipline:?}: {first} and {other}");
        }
    }
}

#[test]
fn what_a_queue_used_alone_is_forgiven_once_nothing_runs() {
    for discipline in
        [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Sfq, DisciplineKind::Htb]
    {
        for turn in [0, 1] {
            let (first, other) = after_a_long_night(discipline, (2, 3), turn);
            assert!(first.abs_diff(other) <= 150, "{discipline:?}: {first} and {other}");
        }
    }
}
