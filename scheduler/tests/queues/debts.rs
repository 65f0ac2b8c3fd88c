//! What was used while nobody else wanted it, which nobody is to pay for later.

use std::collections::VecDeque;

use ostler_job::{HostId, JobId, QueueId};
use ostler_scheduler::{DisciplineKind, QueueConfig, Submit};

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

#[test]
fn slots_that_a_tenant_had_alone_are_no_debt_while_a_job_waits_for_a_host_that_is_away() {
    for discipline in [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Htb] {
        let mut s = with_slots(2);
        s.handle_queue(A, &QueueConfig { discipline, ..QueueConfig::default() }, at(0));
        s.handle_submit(Submit { host: Some(HostId(7)), ..job(1, A, 9) }, at(0));
        // One of two slots for a hundred seconds, so that something always runs.
        let mut running = VecDeque::new();
        for id in 2..10_002 {
            s.handle_submit(job(id, A, 11), at(id * 10));
            running.extend(granted(&mut s));
            if running.len() > 1 {
                let ended = running.pop_front().expect("two run");
                s.handle_finish(JobId(ended), at(id * 10));
            }
        }
        for id in 10_002..10_402 {
            s.handle_submit(job(id, A, 11 + (id % 2) as u32), at(100_020));
        }
        let mut order = Vec::new();
        while order.len() < 200 {
            running.extend(granted(&mut s));
            let ended = running.pop_front().expect("something runs");
            order.push(ended);
            s.handle_finish(JobId(ended), at(100_020 + order.len() as u64 * 5));
        }
        let of_first = order.iter().filter(|&&id| id % 2 == 0).count();
        assert!((80..=120).contains(&of_first), "{discipline:?}: {of_first} of 200");
    }
}
