//! What each tenant of a queue may have granted there at once.

use ostler_job::{HostId, JobId, QueueId, SupplierId, TenantId};
use ostler_scheduler::{QueueConfig, Supply};

use crate::{A, at, granted, job, with_slots};

#[test]
fn a_tenant_at_its_cap_waits_and_holds_nobody_up() {
    let mut s = with_slots(4);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_caps(A, Some(1), [(TenantId(2), 2)], at(0));
    for id in 1..=4 {
        s.handle_submit(job(id, A, 1), at(1));
    }
    assert_eq!(granted(&mut s), [1]);
    for id in 5..=8 {
        s.handle_submit(job(id, A, 2), at(2));
    }
    assert_eq!(granted(&mut s), [5, 6], "one that is named has its own");
    s.handle_submit(job(9, QueueId::DEFAULT, 1), at(3));
    assert_eq!(granted(&mut s), [9], "in another queue it has none");
    s.handle_submit(job(10, A, 3), at(4));
    assert_eq!((granted(&mut s), s.free()), (vec![], 0));
    s.handle_finish(JobId(1), at(5));
    assert_eq!(granted(&mut s).len(), 1);
    s.check_invariants();
}

#[test]
fn a_cap_holds_from_when_it_is_set_and_what_waited_for_it_starts_when_it_is_raised() {
    let mut s = with_slots(9);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    for id in 1..=3 {
        s.handle_submit(job(id, A, 1), at(1));
    }
    assert_eq!(granted(&mut s), [1, 2, 3]);
    s.handle_caps(A, Some(2), [], at(2));
    for id in 4..=6 {
        s.handle_submit(job(id, A, 1), at(3));
    }
    s.handle_finish(JobId(1), at(4));
    assert_eq!(granted(&mut s), [], "what was granted before counts, and goes on");
    s.handle_return(JobId(2), at(5));
    assert_eq!(granted(&mut s), [2]);
    s.handle_caps(A, Some(3), [], at(6));
    assert_eq!(granted(&mut s), [4]);
    s.handle_caps(A, Some(3), [(TenantId(1), 4)], at(7));
    assert_eq!(granted(&mut s), [5]);
    s.handle_caps(A, None, [], at(8));
    assert_eq!(granted(&mut s), [6]);
    s.check_invariants();
}

#[test]
fn a_cap_counts_jobs_that_are_pinned_adopted_and_prefetched() {
    let mut s = with_slots(2);
    let supply = Supply { host: HostId(2), slots: 3, prefetch: 0 };
    s.handle_supply(SupplierId(2), supply, at(0));
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_caps(A, Some(2), [], at(0));
    s.handle_adopt(job(1, A, 1), (SupplierId(2), HostId(2)), at(1), at(1));
    let mut pinned = job(2, A, 1);
    pinned.host = Some(HostId(2));
    s.handle_submit(pinned, at(2));
    assert_eq!(granted(&mut s), [2]);
    let mut other = job(3, A, 1);
    other.host = Some(HostId(2));
    s.handle_submit(other, at(3));
    s.handle_submit(job(4, A, 1), at(3));
    assert_eq!(granted(&mut s), []);
    s.handle_finish(JobId(1), at(4));
    assert_eq!(granted(&mut s).len(), 1, "whichever of them");
    s.handle_finish(JobId(2), at(5));
    assert_eq!(granted(&mut s).len(), 1);
    s.check_invariants();
}

#[test]
fn a_tenant_that_comes_back_to_a_queue_has_its_cap_there() {
    let mut s = with_slots(2);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_caps(A, None, [(TenantId(7), 1)], at(0));
    for round in 0..3 {
        let id = round * 10;
        s.handle_submit(job(id + 1, A, 7), at(round + 1));
        s.handle_submit(job(id + 2, A, 7), at(round + 1));
        assert_eq!(granted(&mut s), [id + 1]);
        s.handle_finish(JobId(id + 1), at(round + 1));
        assert_eq!(granted(&mut s), [id + 2]);
        s.handle_finish(JobId(id + 2), at(round + 1));
    }
}
