//! What queues let go as time passes and as they change.

use std::collections::BTreeSet;

use ostler_job::{HostId, JobId, Promise, QueueId, Span, TenantId};
use ostler_scheduler::{Config, DisciplineKind, Estimate, QueueConfig, Scheduler, Submit};

use crate::{A, B, at, granted, job, with_slots};

const C: QueueId = QueueId(3);
/// A slot.
const ONE: Option<u32> = Some(1_000);

/// A job of that many seconds, as it is thought.
fn long(id: u64, queue: QueueId, seconds: u64) -> Submit {
    let span = Span::from_secs(seconds);
    Submit { estimate: Estimate { p50: span, p90: span }, ..job(id, queue, 1) }
}

fn below(queue: QueueId, ceiling: Option<u32>) -> QueueConfig {
    QueueConfig { parent: Some(queue), ceiling, ..QueueConfig::default() }
}

/// `B` and `C` below `A`, each with a ceiling of a slot.
fn with_ceilings() -> Scheduler {
    let mut s = with_slots(9);
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    s.handle_queue(A, &htb, at(0));
    s.handle_queue(B, &below(A, ONE), at(0));
    s.handle_queue(C, &below(A, ONE), at(0));
    s
}

fn wakes(s: &Scheduler) -> Option<u64> {
    s.poll_timeout().map(|(moment, _)| (moment - at(0)).0 / 1_000_000)
}

#[test]
fn a_ceiling_opens_when_its_time_has_come_and_so_does_the_next_one() {
    let mut s = with_ceilings();
    s.handle_submit(long(1, B, 60), at(10_000));
    s.handle_submit(long(2, C, 30), at(10_000));
    assert_eq!(granted(&mut s), [1, 2]);
    // An idle second is there to be used.
    s.handle_submit(job(3, B, 1), at(10_000));
    assert_eq!(wakes(&s), Some(69_000));
    s.handle_submit(Submit { host: Some(HostId(7)), ..job(4, C, 1) }, at(10_000));
    assert_eq!(wakes(&s), Some(39_000), "the sooner one");
    s.handle_timeout(at(39_000));
    assert_eq!((granted(&mut s), wakes(&s)), (vec![], Some(69_000)), "its host is not there");
    s.handle_timeout(at(69_000));
    assert_eq!((granted(&mut s), wakes(&s)), (vec![3], None));
}

#[test]
fn a_used_ceiling_and_a_pause_are_told_of_a_queue_that_lets_nothing_go() {
    let mut s = with_ceilings();
    s.handle_submit(long(1, B, 60), at(0));
    let level = |s: &Scheduler| s.levels(B, at(1)).next().unwrap();
    assert!(level(&s).has_used_ceiling && !level(&s).is_open());
    s.handle_queue(B, &QueueConfig { paused: true, ..below(A, None) }, at(1));
    assert!(!level(&s).has_used_ceiling && !level(&s).is_open());
    s.handle_queue(B, &below(A, None), at(1));
    assert!(level(&s).is_open());
}

#[test]
fn a_queue_that_is_full_gives_nothing_to_any_slot() {
    let mut s = with_slots(4);
    let full = QueueConfig { concurrency: Some(1), ..QueueConfig::default() };
    s.handle_queue(A, &QueueConfig { paused: true, ..full }, at(0));
    for (id, host) in [(1, None), (2, Some(HostId(1))), (3, None)] {
        s.handle_submit(Submit { host, ..job(id, A, id as u32) }, at(0));
    }
    s.handle_queue(A, &full, at(1));
    for _ in 0..3 {
        let now = granted(&mut s);
        assert_eq!(now.len(), 1, "{now:?}");
        s.handle_finish(JobId(now[0]), at(2));
    }
    assert_eq!(s.waiting(), 0);
}

#[test]
fn a_tenant_at_its_bound_gets_no_more_in_a_queue_that_it_comes_to_then() {
    let mut s = Scheduler::new(Config { tenant_slots_max: Some(1), ..Config::default() });
    let supply = ostler_scheduler::Supply { host: HostId(1), slots: 4, prefetch: 0 };
    s.handle_supply(ostler_job::SupplierId(1), supply, at(0));
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_submit(job(1, QueueId::DEFAULT, 1), at(0));
    s.handle_submit(job(2, A, 1), at(0));
    assert_eq!(granted(&mut s), [1]);
    s.handle_finish(JobId(1), at(1));
    assert_eq!(granted(&mut s), [2]);
}

#[test]
fn a_cap_or_a_weight_of_nothing_counts_as_one() {
    let mut s = with_slots(4);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_caps(A, Some(0), [(TenantId(2), 0)], at(0));
    for id in 1..=4 {
        s.handle_submit(Submit { weight: 0, ..job(id, A, 1 + id as u32 % 2) }, at(0));
    }
    assert_eq!(granted(&mut s), [1, 2]);
    assert_eq!(s.standing(JobId(3)).unwrap().weight, 1);
    s.handle_finish(JobId(1), at(1));
    s.handle_finish(JobId(2), at(1));
    assert_eq!(granted(&mut s).len(), 2);
}

#[test]
fn another_order_of_a_queue_loses_nothing_below_it_and_forgets_who_was_late() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_queue(B, &below(A, None), at(0));
    let urgent = Promise::Within(Span::from_millis(20));
    s.handle_submit(job(1, B, 1), at(0));
    s.handle_submit(Submit { promise: urgent, ..job(2, B, 1) }, at(0));
    s.handle_submit(job(3, B, 1), at(0));
    assert_eq!(granted(&mut s), [1]);
    s.handle_finish(JobId(1), at(500));
    assert_eq!(granted(&mut s), [3], "the other one is late");
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(501));
    s.handle_queue(B, &QueueConfig { parent: Some(A), ..fifo }, at(501));
    s.handle_submit(job(4, B, 1), at(501));
    for (done, next) in [(3, vec![2]), (2, vec![4]), (4, vec![])] {
        s.handle_finish(JobId(done), at(502));
        assert_eq!(granted(&mut s), next, "by age");
    }
}

#[test]
fn in_a_queue_by_arrival_who_goes_before_a_job_is_who_came_before_it() {
    let mut s = with_slots(0);
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(0));
    (1..=4).for_each(|id| s.handle_submit(job(id, A, 1), at(0)));
    let before = [1, 2, 3, 4].map(|id| s.place(JobId(id)).unwrap().before);
    assert_eq!(before, [0, 1, 2, 3]);
}

#[test]
fn a_queue_below_one_that_may_use_no_host_may_use_none_and_a_limited_one_can_be_deleted() {
    let mut s = with_slots(2);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_queue(B, &below(A, None), at(0));
    s.handle_limits([(A, Some(BTreeSet::new()))], at(0));
    assert_eq!(s.reach(B), Some(&BTreeSet::new()));
    s.handle_submit(job(1, B, 1), at(0));
    assert_eq!(granted(&mut s), []);
    s.handle_limits([(A, None)], at(1));
    assert_eq!(granted(&mut s), [1]);
    s.handle_queue(C, &QueueConfig::default(), at(1));
    s.handle_limits([(C, Some(BTreeSet::from([HostId(1)])))], at(1));
    s.handle_queue_gone(C, at(2));
    s.handle_queue(C, &QueueConfig::default(), at(3));
    assert_eq!(s.reach(C), None, "another queue of that number is not");
    s.check_invariants();
}
