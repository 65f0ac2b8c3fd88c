//! What each event does, one behaviour a test.

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Cancelled, Config, DisciplineKind, Estimate, QueueConfig, Refusal, Scheduler, Submit,
    Supply,
};

const MS: u64 = 1_000_000;

fn at(ms: u64) -> Mono {
    Mono(ms * MS)
}

fn scheduler(slots: u32) -> Scheduler {
    with(Config::default(), slots)
}

fn with(config: Config, slots: u32) -> Scheduler {
    let mut scheduler = Scheduler::new(config);
    scheduler.handle_supply(SupplierId(1), supply(1, slots, 0), at(0));
    scheduler
}

fn supply(host: u32, slots: u32, prefetch: u32) -> Supply {
    Supply { host: HostId(host), slots, prefetch }
}

fn job(id: u64, tenant: u32) -> Submit {
    Submit {
        job: JobId(id),
        queue: QueueId::DEFAULT,
        tenant: TenantId(tenant),
        weight: 1,
        promise: Promise::Within(Span::from_secs(1)),
        expires: None,
        host: None,
        estimate: Estimate { p50: Span::from_millis(10), p90: Span::from_millis(20) },
    }
}

/// All actions since the last call, after checking the invariants.
fn drain(scheduler: &mut Scheduler) -> Vec<Action> {
    scheduler.check_invariants();
    std::iter::from_fn(|| scheduler.poll_action()).collect()
}

/// The jobs granted since the last call, and where; nothing else may have happened.
fn grants(scheduler: &mut Scheduler) -> Vec<(u64, u32)> {
    let granted = |action| match action {
        Action::Grant { job, supplier, .. } => (job.0, supplier.0),
        other @ (Action::Refuse { .. } | Action::Expire { .. }) => panic!("{other:?}"),
    };
    drain(scheduler).into_iter().map(granted).collect()
}

#[test]
fn a_job_is_granted_at_once_while_a_slot_is_free_and_waits_otherwise() {
    let mut s = scheduler(1);
    s.handle_submit(job(1, 1), at(0));
    s.handle_submit(job(2, 1), at(1));
    assert_eq!(grants(&mut s), [(1, 1)]);
    assert_eq!((s.waiting(), s.running(), s.free()), (1, 1, 0));
    assert_eq!(s.oldest_wait(at(5)), Some(Span::from_millis(4)));
    s.handle_finish(JobId(1), at(9));
    let expected = Action::Grant {
        job: JobId(2),
        supplier: SupplierId(1),
        prefetched: false,
        waited: Span::from_millis(8),
    };
    assert_eq!(drain(&mut s), [expected]);
    s.handle_finish(JobId(2), at(10));
    assert_eq!((s.waiting(), s.running(), s.free(), s.oldest_wait(at(11))), (0, 0, 1, None));
    assert_eq!(s.tenants().count(), 0, "nobody is remembered when nothing waits or runs");
}

#[test]
fn full_queues_refuse_with_their_reason() {
    let config = Config { waiting_max: 2, tenant_waiting_max: 1, ..Config::default() };
    let mut s = with(config, 0);
    for (id, tenant) in [(1, 1), (2, 1), (3, 2), (4, 3)] {
        s.handle_submit(job(id, tenant), at(0));
    }
    let refused = |job, reason| Action::Refuse { job: JobId(job), reason };
    assert_eq!(drain(&mut s), [refused(2, Refusal::TenantFull), refused(4, Refusal::QueueFull)]);
    assert_eq!(s.handle_cancel(JobId(4), at(1)), Cancelled::Unknown);
    assert_eq!(s.handle_cancel(JobId(1), at(1)), Cancelled::Waiting);
    s.handle_submit(job(5, 1), at(1));
    assert_eq!(drain(&mut s), [], "the cancelled job's place is free at once");
    assert_eq!(s.waiting(), 2);
}

#[test]
fn a_job_expires_at_its_queue_deadline_and_not_once_it_runs() {
    let mut s = scheduler(1);
    s.handle_submit(Submit { expires: Some(at(50)), ..job(1, 1) }, at(0));
    s.handle_submit(Submit { expires: Some(at(30)), ..job(2, 1) }, at(0));
    s.handle_submit(Submit { expires: Some(at(20)), ..job(3, 2) }, at(0));
    assert_eq!(grants(&mut s), [(1, 1)]);
    assert_eq!(s.poll_timeout().map(|(at, _)| at), Some(at(20)));
    s.handle_timeout(at(19));
    assert_eq!(drain(&mut s), []);
    s.handle_timeout(at(20));
    assert_eq!(drain(&mut s), [Action::Expire { job: JobId(3) }]);
    s.handle_finish(JobId(1), at(30));
    assert_eq!(drain(&mut s), [Action::Expire { job: JobId(2) }], "checked before dispatch");
    assert_eq!((s.poll_timeout(), s.waiting(), s.free()), (None, 0, 1));
    s.handle_submit(Submit { expires: Some(at(40)), ..job(4, 1) }, at(40));
    assert_eq!(drain(&mut s), [Action::Expire { job: JobId(4) }], "too late at submit");
}

#[test]
fn a_cancelled_running_job_keeps_its_slot_until_it_is_finished() {
    let mut s = scheduler(1);
    s.handle_submit(job(1, 1), at(0));
    s.handle_submit(job(2, 1), at(0));
    assert_eq!(grants(&mut s), [(1, 1)]);
    assert_eq!(s.handle_cancel(JobId(1), at(1)), Cancelled::Running);
    assert_eq!(grants(&mut s), []);
    s.handle_finish(JobId(1), at(2));
    assert_eq!(grants(&mut s), [(2, 1)]);
    assert_eq!(s.handle_cancel(JobId(2), at(3)), Cancelled::Running);
    s.handle_return(JobId(2), at(4));
    assert_eq!(
        (grants(&mut s).len(), s.waiting(), s.running()),
        (0, 0, 0),
        "it does not wait again"
    );
}

#[test]
fn a_returned_job_goes_before_those_that_came_after_it() {
    for discipline in [DisciplineKind::Promise, DisciplineKind::Fifo] {
        let mut s = with(Config { discipline, ..Config::default() }, 1);
        for id in 1..=3 {
            s.handle_submit(job(id, 1), at(id));
        }
        assert_eq!(grants(&mut s), [(1, 1)]);
        s.handle_supply(SupplierId(1), supply(1, 0, 0), at(4));
        s.handle_return(JobId(1), at(5));
        assert_eq!((s.waiting(), s.running()), (3, 0));
        assert_eq!(s.oldest_wait(at(11)), Some(Span::from_millis(10)));
        s.handle_supply(SupplierId(1), supply(1, 2, 0), at(6));
        assert_eq!(grants(&mut s), [(1, 1), (2, 1)]);
    }
}

#[test]
fn a_returned_job_costs_its_tenant_nothing() {
    let mut s = scheduler(1);
    let long = Estimate { p50: Span::from_secs(10), p90: Span::from_millis(20) };
    s.handle_submit(Submit { estimate: long, ..job(1, 1) }, at(0));
    s.handle_submit(job(2, 2), at(1));
    assert_eq!(grants(&mut s), [(1, 1)]);
    s.handle_return(JobId(1), at(2));
    assert_eq!(grants(&mut s), [(1, 1)], "its tenant owes nothing, and it came first");
}

#[test]
fn unknown_jobs_and_suppliers_are_ignored() {
    let mut s = scheduler(1);
    s.handle_finish(JobId(9), at(0));
    s.handle_return(JobId(9), at(0));
    s.handle_supply_gone(SupplierId(9), at(0));
    s.handle_submit(job(1, 1), at(0));
    s.handle_finish(JobId(1), at(1));
    s.handle_finish(JobId(1), at(1));
    assert_eq!((grants(&mut s).len(), s.free()), (1, 1));
}

#[test]
fn a_tenant_at_its_cap_waits_while_others_run_and_its_place_is_kept() {
    for discipline in [DisciplineKind::Promise, DisciplineKind::Fifo] {
        let mut s = with(Config { discipline, tenant_slots_max: Some(1), ..Config::default() }, 2);
        s.handle_submit(job(1, 1), at(0));
        s.handle_submit(job(2, 1), at(0));
        assert_eq!((grants(&mut s), s.free()), (vec![(1, 1)], 1));
        s.handle_submit(job(3, 2), at(1));
        assert_eq!(grants(&mut s), [(3, 1)]);
        s.handle_submit(job(4, 3), at(1));
        s.handle_finish(JobId(1), at(2));
        assert_eq!(grants(&mut s), [(2, 1)], "{discipline:?}");
        s.handle_finish(JobId(3), at(2));
        assert_eq!(grants(&mut s), [(4, 1)]);
    }
}

#[test]
fn equal_promises_run_as_they_came_and_urgent_ones_before() {
    let mut s = scheduler(1);
    s.handle_submit(job(1, 1), at(0));
    for id in 2..=4 {
        s.handle_submit(job(id, 1), at(0));
    }
    s.handle_submit(Submit { promise: Promise::Sometime, ..job(5, 1) }, at(0));
    s.handle_submit(
        Submit { promise: Promise::Within(Span::from_millis(500)), ..job(6, 1) },
        at(1),
    );
    assert_eq!(grants(&mut s), [(1, 1)]);
    let mut order = Vec::new();
    for _ in 0..5 {
        let running = order.last().copied().unwrap_or(1);
        s.handle_finish(JobId(running), at(10));
        order.extend(grants(&mut s).into_iter().map(|(job, _)| job));
    }
    assert_eq!(order, [6, 2, 3, 4, 5]);
}

#[test]
fn the_next_start_is_the_work_over_the_slots() {
    let mut s = scheduler(2);
    assert_eq!(s.next_start(at(0)), Span::ZERO);
    for id in 1..=6 {
        s.handle_submit(job(id, 1), at(0));
    }
    assert_eq!(s.next_start(at(4)), Span::from_millis(4 * 10 / 2 + 6));
}

#[test]
fn what_goes_before_a_job_is_its_tenants_and_as_often_as_the_others_have_their_parts() {
    let mut s = scheduler(1);
    s.handle_submit(job(100, 9), at(0));
    (1..=4).for_each(|id| s.handle_submit(job(id, 1), at(id)));
    let left = 10 - 4;
    let ahead = |s: &Scheduler, id| s.ahead_of(JobId(id), at(4));
    assert_eq!(ahead(&s, 4), Some(Span::from_millis(30 + left)), "nobody else waits");
    s.handle_submit(job(5, 2), at(4));
    assert_eq!(ahead(&s, 4), Some(Span::from_millis(2 * 30 + left)), "two share what runs");
    assert_eq!(ahead(&s, 5), Some(Span::from_millis(left)));
    s.handle_submit(Submit { weight: 2, ..job(6, 3) }, at(4));
    assert_eq!(ahead(&s, 4), Some(Span::from_millis(4 * 30 + left)), "one of four parts");
    s.handle_submit(Submit { weight: 2, ..job(7, 3) }, at(5));
    let its = s.ahead_of(JobId(7), at(5));
    assert_eq!(its, Some(Span::from_millis(2 * 10 + left - 1)), "two of four");
    assert_eq!(ahead(&s, 100), None, "it runs");
}

#[test]
fn jobs_that_came_at_once_go_before_those_of_them_that_were_named_later() {
    let mut s = scheduler(1);
    (1..=5).for_each(|id| s.handle_submit(job(id, 1), at(0)));
    let ahead = |id| s.ahead_of(JobId(id), at(4));
    assert_eq!([2, 3, 5].map(ahead), [0, 10, 30].map(|work| Some(Span::from_millis(work + 6))));
}

#[test]
fn what_goes_before_a_job_is_told_by_the_order_of_its_queue_and_as_often_as_there_are_queues() {
    let mut s = scheduler(1);
    let of = |discipline| QueueConfig { discipline, ..QueueConfig::default() };
    s.handle_queue(QueueId(1), &of(DisciplineKind::Htb), at(0));
    s.handle_queue(QueueId(2), &of(DisciplineKind::Fifo), at(0));
    let job = |id, queue| Submit { queue: QueueId(queue), ..job(id, 1) };
    (1..=4).for_each(|id| s.handle_submit(job(id, 1), at(0)));
    let ahead = |s: &Scheduler, id| s.ahead_of(JobId(id), at(4));
    assert_eq!(ahead(&s, 2), Some(Span::from_millis(6)), "by arrival it is the next");
    assert_eq!(ahead(&s, 3), Some(Span::from_millis(10 + 6)));
    (5..=6).for_each(|id| s.handle_submit(job(id, 2), at(4)));
    assert_eq!(ahead(&s, 3), Some(Span::from_millis(2 * 10 + 6)), "two queues share what runs");
    assert_eq!(ahead(&s, 6), None, "that order knows no shares");
}

#[test]
fn what_runs_already_is_charged_to_its_tenant() {
    let long = Estimate { p50: Span::from_secs(10), p90: Span::from_secs(10) };
    let mut s = scheduler(0);
    for id in [1, 2] {
        let known = Submit { estimate: long, ..job(id, 1) };
        s.handle_adopt(known, (SupplierId(1), HostId(1)), at(0), at(0));
    }
    s.handle_submit(job(3, 1), at(1));
    s.handle_submit(job(4, 2), at(1));
    assert_eq!(grants(&mut s), []);
    s.handle_supply(SupplierId(1), supply(1, 3, 0), at(2));
    assert_eq!(grants(&mut s), [(4, 1)], "the other has nothing yet");
}

#[test]
fn a_wild_estimate_goes_before_no_promise_that_is_nearer() {
    // Nobody is late yet: what is late is served in another order.
    for wild in [Span::from_secs(25 * 3600), Span(u64::MAX)] {
        let mut s = scheduler(0);
        let estimate = Estimate { p50: Span::from_secs(1), p90: wild };
        s.handle_submit(Submit { promise: Promise::Sometime, estimate, ..job(1, 1) }, at(0));
        s.handle_submit(job(2, 1), at(0));
        s.handle_supply(SupplierId(1), supply(1, 1, 0), at(0));
        assert_eq!(grants(&mut s), [(2, 1)], "{wild:?}");
    }
}

#[test]
fn a_wild_estimate_neither_ends_all_order_nor_costs_its_tenant_everything() {
    let wild = Estimate { p50: Span(u64::MAX / 2), p90: Span(u64::MAX / 2) };
    let second = Estimate { p50: Span::from_secs(1), p90: Span::from_secs(1) };
    let mut s = scheduler(0);
    let promise = Promise::Sometime;
    s.handle_submit(Submit { promise, estimate: wild, ..job(1, 1) }, at(0));
    s.handle_submit(job(2, 1), at(1));
    s.handle_supply(SupplierId(1), supply(1, 1, 0), at(2));
    assert_eq!(grants(&mut s), [(2, 1)], "its promise is the nearer one");
    s.handle_finish(JobId(2), at(3));
    assert_eq!(grants(&mut s), [(1, 1)]);
    s.handle_submit(Submit { promise, estimate: second, ..job(3, 1) }, at(4));
    for id in 10..110 {
        s.handle_submit(Submit { promise, estimate: second, ..job(id, 2) }, at(4));
    }
    s.handle_supply(SupplierId(1), supply(1, 2, 0), at(5));
    let mut before = 0;
    loop {
        let granted = grants(&mut s);
        let [(id, 1)] = granted[..] else { panic!("{granted:?}") };
        if id == 3 {
            break;
        }
        before += 1;
        s.handle_finish(JobId(id), at(5 + 1000 * before));
    }
    assert!((50..70).contains(&before), "one job counts for a minute at most: {before}");
}

#[test]
fn a_deadline_is_that_of_the_job_that_has_it_and_of_none_that_comes_after_it() {
    let mut s = scheduler(1);
    s.handle_submit(job(1, 1), at(0));
    for (id, expires) in [(2, 20), (3, 30), (4, 40)] {
        s.handle_submit(Submit { expires: Some(at(expires)), ..job(id, 1) }, at(0));
    }
    assert_eq!(grants(&mut s), [(1, 1)]);
    s.handle_cancel(JobId(3), at(1));
    // It has the place that the cancelled one had.
    s.handle_submit(Submit { expires: Some(at(90)), ..job(5, 1) }, at(1));
    s.handle_timeout(at(20));
    assert_eq!(drain(&mut s), [Action::Expire { job: JobId(2) }]);
    s.handle_timeout(at(30));
    assert_eq!(drain(&mut s), []);
    assert_eq!(s.poll_timeout().map(|(at, _)| at), Some(at(40)));
    s.handle_cancel(JobId(4), at(31));
    assert_eq!(s.poll_timeout().map(|(at, _)| at), Some(at(90)), "the first that is left");
    s.handle_finish(JobId(1), at(32));
    assert_eq!(grants(&mut s), [(5, 1)]);
    s.handle_timeout(at(90));
    assert_eq!(drain(&mut s), [], "it runs");
    s.check_invariants();
}

#[test]
fn deadlines_of_many_that_left_do_not_hide_one_that_waits() {
    let mut s = scheduler(1);
    s.handle_submit(job(1, 1), at(0));
    s.handle_submit(Submit { expires: Some(at(50)), ..job(2, 1) }, at(0));
    for id in 3..=203 {
        s.handle_submit(Submit { expires: Some(at(60 + id)), ..job(id, 1) }, at(0));
    }
    for id in 3..=203 {
        s.handle_cancel(JobId(id), at(1));
    }
    drain(&mut s);
    s.handle_timeout(at(50));
    assert_eq!(drain(&mut s), [Action::Expire { job: JobId(2) }]);
    assert_eq!(s.poll_timeout(), None);
}
