//! Jobs that come back stand where they stood: nobody who came later has their slots first.

use ostler_scheduler::{Arrival, Claim, Left, ResourceId};

use super::*;

/// A slot, and a queue with this order that lets one job of it go at a time.
fn one_at_a_time(discipline: DisciplineKind) -> Scheduler {
    let mut s = with_slots(2);
    let config = QueueConfig { discipline, concurrency: Some(1), ..QueueConfig::default() };
    s.handle_queue(A, &config, at(0));
    s
}

/// Everything that waits, in the order in which it is granted from now on.
fn order(s: &mut Scheduler, mut running: Vec<u64>, now: u64) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(job) = running.pop() {
        s.handle_finish(JobId(job), at(now));
        s.check_invariants();
        let next = granted(s);
        order.extend(&next);
        running.extend(next);
    }
    order
}

#[test]
fn a_job_that_waits_again_has_the_slot_that_it_gave_back_before_any_that_came_later() {
    for discipline in [DisciplineKind::Fifo, DisciplineKind::Promise] {
        for left in [Left::Over, Left::Unstarted] {
            let mut s = one_at_a_time(discipline);
            for id in 1..=4 {
                s.handle_submit(job(id, A, 1), at(id));
            }
            assert_eq!(granted(&mut s), [1]);
            // What has passed of its promise is taken off.
            let promise = Promise::Within(Span::from_millis(9_991));
            s.handle_again(Submit { promise, ..job(1, A, 1) }, &[], left, at(10));
            s.check_invariants();
            assert_eq!(granted(&mut s), [1], "{discipline:?} {left:?}");
            assert_eq!(order(&mut s, vec![1], 20), [2, 3, 4]);
        }
    }
}

#[test]
fn jobs_that_are_lost_together_wait_again_in_the_order_in_which_they_came() {
    let mut s = with_slots(3);
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(0));
    for id in 1..=6 {
        s.handle_submit(job(id, A, id as u32 % 2), at(id));
    }
    assert_eq!(granted(&mut s), [1, 2, 3]);
    s.handle_supply(SupplierId(1), Supply { host: HostId(1), slots: 0, prefetch: 0 }, at(7));
    // Whichever is told of first.
    for id in [2, 3, 1] {
        s.handle_again(job(id, A, id as u32 % 2), &[], Left::Over, at(8));
    }
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.eldest(), Some(JobId(1)));
    s.handle_supply(SupplierId(2), Supply { host: HostId(2), slots: 1, prefetch: 0 }, at(9));
    let first = granted(&mut s);
    assert_eq!(first, [1]);
    assert_eq!(order(&mut s, first, 10), [2, 3, 4, 5, 6]);
}

#[test]
fn a_place_that_was_kept_meanwhile_is_the_jobs_when_it_is_submitted_again() {
    let mut s = one_at_a_time(DisciplineKind::Fifo);
    for id in 1..=3 {
        s.handle_submit(job(id, A, 1), at(id));
    }
    let kept = s.arrival(JobId(1));
    assert_eq!(kept, Some(Arrival { place: 1, since: at(1) }));
    s.handle_finish(JobId(1), at(5));
    assert_eq!(granted(&mut s), [1, 2]);
    s.handle_submit_again(job(1, A, 1), &[], kept, at(7));
    assert_eq!(s.eldest(), Some(JobId(1)), "it could have run since then");
    assert_eq!(s.arrival(JobId(9)), None, "it is not known");
    assert_eq!(order(&mut s, vec![2], 8), [1, 3]);
}

#[test]
fn jobs_stand_where_they_are_said_to_and_who_waits_longest_is_another_thing() {
    let mut s = one_at_a_time(DisciplineKind::Fifo);
    for (id, place, since) in [(1, 1, 1), (2, 7, 2), (3, 4, 5), (4, 9, 3), (5, 5, 4)] {
        let arrival = Some(Arrival { place, since: at(since) });
        s.handle_submit_again(job(id, A, 1), &[], arrival, at(6));
        s.check_invariants();
    }
    assert_eq!((granted(&mut s), s.eldest()), (vec![1], Some(JobId(2))));
    assert_eq!(s.oldest_wait(at(8)), Some(Span::from_millis(6)));
    s.handle_cancel(JobId(2), at(8));
    assert_eq!(s.oldest_wait(at(8)), Some(Span::from_millis(5)), "that of job 4");
    assert_eq!(order(&mut s, vec![1], 9), [3, 5, 4]);
}

#[test]
fn what_waits_in_another_way_keeps_its_place_however_often_that_changes() {
    for times in [1, 62, 63, 200] {
        let mut s = one_at_a_time(DisciplineKind::Fifo);
        for id in 1..=4 {
            s.handle_submit(job(id, A, 1), at(id));
        }
        for nth in 0..times {
            // Of another tenant and back: its list has an entry of it from before.
            s.handle_resubmit(job(2, A, nth % 2), &[], at(5));
            s.check_invariants();
        }
        assert_eq!(granted(&mut s), [1]);
        assert_eq!(order(&mut s, vec![1], 6), [2, 3, 4], "{times}");
    }
}

#[test]
fn a_waiting_job_that_is_found_elsewhere_has_its_place_when_it_waits_again() {
    let mut s = one_at_a_time(DisciplineKind::Fifo);
    for id in 1..=3 {
        s.handle_submit(job(id, A, 1), at(id));
    }
    for _ in 0..3 {
        let kept = s.arrival(JobId(2));
        s.handle_cancel(JobId(2), at(4));
        let place = (SupplierId(1), HostId(1));
        s.handle_adopt_claiming(job(2, A, 1), &[], kept, place, (at(4), at(4)));
        s.handle_again(job(2, A, 1), &[], Left::Over, at(5));
        s.check_invariants();
    }
    assert_eq!(granted(&mut s), [1]);
    assert_eq!(order(&mut s, vec![1], 6), [2, 3]);
}

#[test]
fn a_job_that_waits_again_is_first_in_the_lines_of_its_resources_where_it_was() {
    let mut s = one_at_a_time(DisciplineKind::Fifo);
    let key = [Claim { resource: ResourceId(1), exclusive: true }];
    for id in 1..=3 {
        s.handle_submit_claiming(job(id, A, 1), &key, at(id));
    }
    assert_eq!(granted(&mut s), [1]);
    s.handle_again(job(1, A, 1), &key, Left::Over, at(4));
    assert_eq!(granted(&mut s), [1], "its place in the line is its own");
    s.handle_again(job(1, A, 1), &[], Left::Unstarted, at(5));
    assert_eq!(granted(&mut s), [1], "it needs the key no more");
    assert_eq!(order(&mut s, vec![1], 6), [2, 3]);
}

#[test]
fn a_job_that_comes_back_twice_stands_once_among_those_that_wait() {
    let mut s = with_slots(2);
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(0));
    s.handle_queue(B, &fifo, at(0));
    s.handle_submit(job(1, B, 1), at(1));
    s.handle_submit(job(2, A, 1), at(2));
    assert_eq!(granted(&mut s), [1, 2]);
    let slots = |slots| Supply { host: HostId(1), slots, prefetch: 0 };
    s.handle_supply(SupplierId(1), slots(0), at(3));
    s.handle_submit(job(3, A, 1), at(4));
    for (id, queue) in [(1, B), (2, A)] {
        s.handle_again(job(id, queue, 1), &[], Left::Over, at(5));
    }
    // The first goes on waiting, the second is granted again, and nobody stands behind it when it comes back.
    s.handle_queue(B, &QueueConfig { paused: true, ..fifo }, at(6));
    s.handle_supply(SupplierId(1), slots(1), at(7));
    assert_eq!(granted(&mut s), [2]);
    s.handle_cancel(JobId(3), at(8));
    s.handle_supply(SupplierId(1), slots(0), at(9));
    s.handle_again(job(2, A, 1), &[], Left::Over, at(10));
    s.check_invariants();
    assert_eq!((s.waiting(), s.eldest()), (2, Some(JobId(1))));
}
