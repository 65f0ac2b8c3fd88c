//! Jobs that are pinned to a host: they run there only, and hold nobody up.

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Cancelled, Config, DisciplineKind, Estimate, Refusal, Scheduler, Submit, Supply,
};

fn at(ms: u64) -> Mono {
    Mono(ms * 1_000_000)
}

fn job(id: u64, host: Option<u32>) -> Submit {
    Submit {
        job: JobId(id),
        queue: QueueId::DEFAULT,
        tenant: TenantId(1),
        weight: 1,
        promise: Promise::Sometime,
        expires: None,
        host: host.map(HostId),
        estimate: Estimate { p50: Span::from_millis(10), p90: Span::from_millis(10) },
    }
}

/// A scheduler with a supplier of one slot on each of the hosts 1 and 2.
fn two_hosts(config: Config) -> Scheduler {
    let mut s = Scheduler::new(config);
    for host in [1, 2] {
        let supply = Supply { host: HostId(host), slots: 1, prefetch: 0 };
        s.handle_supply(SupplierId(host), supply, at(0));
    }
    s
}

/// What was granted: (job, supplier).
fn grants(s: &mut Scheduler) -> Vec<(u64, u32)> {
    s.check_invariants();
    let granted = |action| match action {
        Action::Grant { job, supplier, .. } => (job.0, supplier.0),
        other @ (Action::Refuse { .. } | Action::Expire { .. }) => panic!("{other:?}"),
    };
    std::iter::from_fn(|| s.poll_action()).map(granted).collect()
}

fn submit(s: &mut Scheduler, job: Submit, ms: u64) -> Vec<(u64, u32)> {
    s.handle_submit(job, at(ms));
    grants(s)
}

fn finish(s: &mut Scheduler, id: u64, ms: u64) -> Vec<(u64, u32)> {
    s.handle_finish(JobId(id), at(ms));
    grants(s)
}

#[test]
fn a_pinned_job_runs_on_its_host_only() {
    let mut s = two_hosts(Config::default());
    assert_eq!(submit(&mut s, job(1, Some(2)), 0), [(1, 2)]);
    assert_eq!(submit(&mut s, job(2, Some(2)), 0), [], "host 1 is free and not meant");
    assert_eq!(s.free(), 1);
    assert_eq!(finish(&mut s, 1, 5), [(2, 2)]);
}

#[test]
fn a_job_for_a_busy_or_an_absent_host_holds_nobody_up() {
    let mut s = two_hosts(Config::default());
    submit(&mut s, job(1, Some(1)), 0);
    assert_eq!(submit(&mut s, job(2, Some(1)), 1), [], "its host is busy");
    assert_eq!(submit(&mut s, job(3, Some(7)), 2), [], "its host is absent");
    assert_eq!(submit(&mut s, job(4, None), 3), [(4, 2)], "the other host is free for the rest");
    assert_eq!(submit(&mut s, job(5, None), 4), []);
    assert_eq!(finish(&mut s, 4, 5), [(5, 2)]);
    let supply = Supply { host: HostId(7), slots: 1, prefetch: 0 };
    s.handle_supply(SupplierId(7), supply, at(6));
    assert_eq!(grants(&mut s), [(3, 7)], "a host that comes finds its job");
}

#[test]
fn a_free_slot_takes_pinned_work_and_other_work_goes_to_other_slots() {
    let mut s = two_hosts(Config::default());
    for id in [1, 2] {
        submit(&mut s, job(id, None), 0);
    }
    submit(&mut s, job(3, None), 1);
    submit(&mut s, job(4, Some(1)), 2);
    let on_1 = if s.handle_cancel(JobId(1), at(3)) == Cancelled::Running { 1 } else { 2 };
    // Both hosts get a slot more at once: the pinned job takes its host's, the other one goes elsewhere.
    for host in [2, 1] {
        let supply = Supply { host: HostId(host), slots: 1, prefetch: 0 };
        s.handle_supply(SupplierId(host + 10), supply, at(3));
    }
    let mut granted = grants(&mut s);
    granted.sort_unstable();
    assert_eq!(granted, [(3, 12), (4, 11)], "with job {on_1} still there");
}

#[test]
fn pinned_and_other_jobs_share_a_host_by_what_their_tenants_weigh() {
    let mut s = Scheduler::new(Config::default());
    let supply = Supply { host: HostId(1), slots: 1, prefetch: 0 };
    s.handle_supply(SupplierId(1), supply, at(0));
    // Two tenants of the general class and one of the host's, each with more than can be done.
    for id in 0..900 {
        let tenant = TenantId(id as u32 % 3);
        s.handle_submit(Submit { tenant, ..job(id, (id % 3 == 0).then_some(1)) }, at(0));
    }
    let (mut running, mut pinned) = (grants(&mut s)[0].0, 0);
    for ms in 1..=300 {
        let next = finish(&mut s, running, ms * 10);
        assert_eq!(next.len(), 1, "the slot never idles");
        running = next[0].0;
        pinned += u32::from(running % 3 == 0);
    }
    assert!((90..=110).contains(&pinned), "{pinned} of 300 were pinned, one flow's share of three");
}

#[test]
fn where_promises_do_not_count_pinned_and_other_jobs_of_a_tenant_are_one_order() {
    use DisciplineKind::{Drr, Fifo, Htb, Sfq};
    for discipline in [Fifo, Sfq, Drr, Htb] {
        let mut s = Scheduler::new(Config { discipline, ..Config::default() });
        let supply = Supply { host: HostId(1), slots: 1, prefetch: 0 };
        s.handle_supply(SupplierId(1), supply, at(0));
        let pins = [None, None, Some(1), Some(1), None, Some(1), None, None];
        for (id, pin) in (1..).zip(pins) {
            let within = Promise::Within(Span::from_secs(900 - 100 * id));
            submit(&mut s, Submit { promise: within, ..job(id, pin) }, id);
        }
        for id in 1..8 {
            assert_eq!(finish(&mut s, id, 100 + id), [(id + 1, 1)], "{discipline:?}");
        }
    }
}

#[test]
fn bounds_on_waiting_jobs_and_slots_count_pinned_ones_too() {
    let config = Config { waiting_max: 2, tenant_slots_max: Some(1), ..Config::default() };
    let mut s = two_hosts(config);
    assert_eq!(submit(&mut s, job(1, Some(1)), 0), [(1, 1)]);
    assert_eq!(submit(&mut s, job(2, Some(2)), 1), [], "the tenant has the slot it may have");
    assert_eq!(submit(&mut s, job(3, None), 1), []);
    s.handle_submit(job(4, Some(2)), at(2));
    let refused = Action::Refuse { job: JobId(4), reason: Refusal::QueueFull };
    assert_eq!(s.poll_action(), Some(refused));
    let next = finish(&mut s, 1, 3);
    assert_eq!(next.len(), 1, "one at a time");
    assert_eq!(finish(&mut s, next[0].0, 4).len(), 1);
}

#[test]
fn a_pinned_job_that_comes_back_or_is_cancelled_leaves_nothing_behind() {
    let mut s = two_hosts(Config::default());
    assert_eq!(submit(&mut s, job(1, Some(1)), 0), [(1, 1)]);
    submit(&mut s, job(2, Some(1)), 0);
    s.handle_return(JobId(1), at(1));
    assert_eq!(grants(&mut s), [(1, 1)], "it keeps its place");
    assert_eq!(s.handle_cancel(JobId(2), at(2)), Cancelled::Waiting);
    assert_eq!(finish(&mut s, 1, 3), []);
    assert_eq!((s.waiting(), s.running(), s.tenants().count()), (0, 0, 0));
}

/// A pin neither speeds an urgent job up nor slows it down.
#[test]
fn an_urgent_pinned_job_starts_when_the_same_without_a_pin_would() {
    let urgent = |tenant, host| Submit {
        tenant: TenantId(tenant),
        promise: Promise::Within(Span::from_secs(2)),
        ..job(100, host)
    };
    let started = |host: Option<u32>, tenant, others: Option<u32>| {
        let mut s = Scheduler::new(Config::default());
        let supply = Supply { host: HostId(1), slots: 1, prefetch: 0 };
        s.handle_supply(SupplierId(1), supply, at(0));
        for id in 0..20 {
            submit(&mut s, Submit { tenant: TenantId(1 + (id % 2) as u32), ..job(id, others) }, 0);
        }
        let granted = submit(&mut s, urgent(tenant, host), 1);
        assert_eq!(granted, []);
        let mut running = 0;
        for turn in 1..=21 {
            let [(next, _)] = finish(&mut s, running, turn * 10)[..] else {
                panic!("a slot idles")
            };
            if next == 100 {
                return turn;
            }
            running = next;
        }
        panic!("it never starts")
    };
    for others in [None, Some(1)] {
        for tenant in [1, 2, 9] {
            let (pinned, free) = (started(Some(1), tenant, others), started(None, tenant, others));
            assert_eq!(pinned, free, "tenant {tenant} among {others:?}");
        }
        assert_eq!(started(Some(1), 9, others), 1, "who has idled is next");
    }
}
