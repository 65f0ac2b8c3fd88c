//! Where a job goes: hosts, suppliers, prefetch, and suppliers that change or vanish.

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, Estimate, Scheduler, Submit, Supply};

const MS: u64 = 1_000_000;

fn at(ms: u64) -> Mono {
    Mono(ms * MS)
}

fn supply(scheduler: &mut Scheduler, supplier: u32, host: u32, slots: u32, prefetch: u32) {
    let supply = Supply { host: HostId(host), slots, prefetch };
    scheduler.handle_supply(SupplierId(supplier), supply, at(0));
}

/// Submits the job and answers what was granted: (job, supplier, prefetched).
fn submit(scheduler: &mut Scheduler, id: u64, ms: u64) -> Vec<(u64, u32, bool)> {
    let submit = Submit {
        job: JobId(id),
        queue: QueueId::DEFAULT,
        tenant: TenantId(1),
        weight: 1,
        promise: Promise::Sometime,
        expires: None,
        host: None,
        estimate: Estimate { p50: Span::from_millis(10), p90: Span::from_millis(10) },
    };
    scheduler.handle_submit(submit, at(ms));
    grants(scheduler)
}

fn finish(scheduler: &mut Scheduler, id: u64, ms: u64) -> Vec<(u64, u32, bool)> {
    scheduler.handle_finish(JobId(id), at(ms));
    grants(scheduler)
}

fn grants(scheduler: &mut Scheduler) -> Vec<(u64, u32, bool)> {
    scheduler.check_invariants();
    let granted = |action| match action {
        Action::Grant { job, supplier, prefetched, .. } => (job.0, supplier.0, prefetched),
        other @ (Action::Refuse { .. } | Action::Expire { .. }) => panic!("{other:?}"),
    };
    std::iter::from_fn(|| scheduler.poll_action()).map(granted).collect()
}

#[test]
fn the_host_with_the_least_busy_fraction_is_taken() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 2, 0);
    supply(&mut s, 2, 2, 4, 0);
    let places: Vec<u32> = (1..=6).map(|id| submit(&mut s, id, 0)[0].1).collect();
    // Fractions before each: 0|0, 1/2|0, 1/2|1/4, 1/2|1/2, ...
    assert_eq!(places[..3], [1, 2, 2]);
    assert_eq!(places.iter().filter(|&&it| it == 2).count(), 4);
    assert_eq!(s.free(), 0);
}

#[test]
fn between_equally_busy_hosts_the_quicker_one_is_taken() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 1, 0);
    supply(&mut s, 2, 2, 1, 0);
    assert_eq!(submit(&mut s, 1, 0), [(1, 1, false)]);
    assert_eq!(submit(&mut s, 2, 0), [(2, 2, false)]);
    finish(&mut s, 2, 5);
    finish(&mut s, 1, 50);
    assert_eq!(submit(&mut s, 3, 60), [(3, 2, false)]);
}

#[test]
fn inside_a_host_the_supplier_freed_last_is_taken_and_one_that_sent_a_job_back_is_not() {
    let mut s = Scheduler::new(Config::default());
    for supplier in 1..=3 {
        supply(&mut s, supplier, 1, 1, 0);
    }
    for id in 1..=3 {
        assert_eq!(submit(&mut s, id, 0), [(id, id as u32, false)]);
    }
    finish(&mut s, 1, 10);
    finish(&mut s, 3, 11);
    finish(&mut s, 2, 12);
    assert_eq!(submit(&mut s, 4, 20), [(4, 2, false)]);
    assert_eq!(submit(&mut s, 5, 20), [(5, 3, false)]);
    s.handle_return(JobId(5), at(21));
    assert_eq!(grants(&mut s), [(5, 1, false)]);
}

#[test]
fn a_prefetched_job_goes_where_least_is_held_and_only_without_a_free_slot() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 1, 2);
    supply(&mut s, 2, 1, 1, 1);
    supply(&mut s, 3, 1, 1, 0);
    assert!((1..=3).all(|id| !submit(&mut s, id, 0)[0].2));
    assert_eq!(submit(&mut s, 4, 1), [(4, 1, true)]);
    assert_eq!(submit(&mut s, 5, 1), [(5, 2, true)]);
    assert_eq!(submit(&mut s, 6, 1), [(6, 1, true)]);
    assert_eq!(submit(&mut s, 7, 1), []);
    assert_eq!((s.running(), s.waiting(), s.free()), (6, 1, 0));
    assert_eq!(
        finish(&mut s, 2, 10),
        [(7, 2, true)],
        "5 holds the slot, 7 is prefetched behind it"
    );
    finish(&mut s, 5, 20);
    finish(&mut s, 7, 30);
    assert_eq!((s.running(), s.free()), (4, 1));
}

#[test]
fn a_returned_prefetched_job_leaves_the_running_one_alone() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 1, 1);
    submit(&mut s, 1, 0);
    assert_eq!(submit(&mut s, 2, 0), [(2, 1, true)]);
    supply(&mut s, 1, 1, 1, 0);
    s.handle_return(JobId(2), at(1));
    assert_eq!((grants(&mut s).len(), s.running(), s.waiting()), (0, 1, 1));
    assert_eq!(finish(&mut s, 1, 2), [(2, 1, false)]);
}

#[test]
fn a_supplier_that_shrinks_below_what_it_holds_gets_nothing_until_it_fits() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 3, 0);
    for id in 1..=4 {
        submit(&mut s, id, 0);
    }
    supply(&mut s, 1, 1, 1, 0);
    assert_eq!(finish(&mut s, 1, 1), []);
    assert_eq!(finish(&mut s, 2, 1), []);
    assert_eq!(finish(&mut s, 3, 1), [(4, 1, false)]);
    supply(&mut s, 1, 1, 2, 0);
    assert_eq!(s.free(), 1);
}

#[test]
fn a_lost_supplier_returns_its_jobs_once_and_may_come_back() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 2, 0);
    for id in 1..=3 {
        submit(&mut s, id, 0);
    }
    s.handle_supply_gone(SupplierId(1), at(1));
    assert_eq!((s.running(), s.waiting(), s.free()), (2, 1, 0));
    s.handle_return(JobId(1), at(2));
    s.handle_return(JobId(1), at(2));
    assert_eq!((grants(&mut s).len(), s.running(), s.waiting()), (0, 1, 2));
    // It is back while job 2 is still out: only one of its two slots is free.
    supply(&mut s, 1, 7, 2, 0);
    assert_eq!(grants(&mut s), [(1, 1, false)]);
    s.handle_supply_gone(SupplierId(1), at(3));
    finish(&mut s, 1, 4);
    finish(&mut s, 2, 4);
    s.handle_cancel(JobId(3), at(5));
    assert_eq!((s.running(), s.waiting(), s.free()), (0, 0, 0));
}

#[test]
fn what_a_supplier_has_already_holds_its_slots_and_is_charged() {
    let job = |id, tenant, host| Submit {
        job: JobId(id),
        queue: QueueId::DEFAULT,
        tenant: TenantId(tenant),
        weight: 1,
        promise: Promise::Sometime,
        expires: None,
        host,
        estimate: Estimate { p50: Span::from_millis(10), p90: Span::from_millis(10) },
    };
    for host in [None, Some(HostId(1))] {
        let config = Config { tenant_slots_max: Some(2), ..Config::default() };
        let mut s = Scheduler::new(config);
        for id in 1..=3 {
            s.handle_adopt(job(id, 1, host), (SupplierId(1), HostId(1)), at(0), at(0));
        }
        assert_eq!(grants(&mut s), [], "they are not granted again");
        for (id, tenant) in [(11, 1), (12, 1), (21, 2), (22, 2), (23, 2)] {
            s.handle_submit(job(id, tenant, None), at(0));
        }
        supply(&mut s, 1, 1, 3, 0);
        assert_eq!(grants(&mut s), [], "all slots are held");
        supply(&mut s, 1, 1, 4, 0);
        assert_eq!(grants(&mut s), [(21, 1, false)], "the other has had nothing");
        assert_eq!(finish(&mut s, 1, 50), [(22, 1, false)]);
        assert_eq!(finish(&mut s, 21, 50), [(23, 1, false)], "three are more than it may have");
        assert_eq!(finish(&mut s, 22, 50), [], "and two are all that it may");
        assert_eq!(finish(&mut s, 2, 60), [(11, 1, false)]);
        assert_eq!(s.running(), 3);
    }
}

#[test]
fn one_supplier_of_a_host_is_filled_before_the_next_and_the_one_freed_last_comes_first() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 2, 0);
    supply(&mut s, 2, 1, 3, 0);
    let places: Vec<u32> = (1..=4).map(|id| submit(&mut s, id, 0)[0].1).collect();
    assert_eq!(places, [1, 1, 2, 2], "the others may rest");
    finish(&mut s, 1, 1);
    assert_eq!(submit(&mut s, 5, 1), [(5, 1, false)]);
    finish(&mut s, 2, 2);
    // The other one has a slot free all the time.
    finish(&mut s, 3, 3);
    assert_eq!(submit(&mut s, 6, 3), [(6, 2, false)]);
}

#[test]
fn a_supplier_that_moves_to_another_host_or_comes_back_is_there_alone() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 1, 0);
    supply(&mut s, 1, 2, 1, 0);
    assert_eq!(submit(&mut s, 1, 0), [(1, 1, false)]);
    finish(&mut s, 1, 1);
    s.handle_supply_gone(SupplierId(1), at(1));
    supply(&mut s, 2, 1, 1, 0);
    supply(&mut s, 1, 1, 1, 0);
    assert_eq!((s.free(), s.free_at(HostId(1)), s.free_at(HostId(2))), (2, 2, 0));
    assert_eq!((submit(&mut s, 2, 2).len(), submit(&mut s, 3, 2).len()), (1, 1));
}

#[test]
fn nothing_is_prefetched_to_a_supplier_without_slots_and_with_more_of_them_what_was_begins() {
    let mut s = Scheduler::new(Config::default());
    supply(&mut s, 1, 1, 0, 2);
    assert_eq!(submit(&mut s, 1, 0), []);
    supply(&mut s, 1, 1, 1, 2);
    assert_eq!(grants(&mut s), [(1, 1, false)]);
    assert_eq!(submit(&mut s, 2, 0), [(2, 1, true)]);
    supply(&mut s, 1, 1, 2, 2);
    assert_eq!(grants(&mut s), []);
    assert_eq!(submit(&mut s, 3, 0), [(3, 1, true)], "both of its slots are held");
    assert_eq!(finish(&mut s, 2, 1), []);
    assert_eq!(submit(&mut s, 4, 1), [(4, 1, true)]);
}
