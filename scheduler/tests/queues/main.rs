//! Several queues: what their gates hold up, what their weights share, and that nothing is lost while they change.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod caps;
mod changes;
mod claims;
mod debts;
mod guarantees;
mod limits;
mod places;
mod rates;
mod spread;
mod whys;
mod world;

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Config, DisciplineKind, Estimate, QueueConfig, Rate, Scheduler, Submit, Supply,
};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

fn at(millis: u64) -> Mono {
    Mono(0) + Span::from_millis(millis)
}

fn job(id: u64, queue: QueueId, tenant: u32) -> Submit {
    let span = Span::from_millis(10);
    Submit {
        job: JobId(id),
        queue,
        tenant: TenantId(tenant),
        weight: 1,
        promise: Promise::Within(Span::from_secs(10)),
        expires: None,
        host: None,
        estimate: Estimate { p50: span, p90: span },
    }
}

fn with_slots(slots: u32) -> Scheduler {
    let mut s = Scheduler::new(Config::default());
    let supply = Supply { host: HostId(1), slots, prefetch: 0 };
    s.handle_supply(SupplierId(1), supply, at(0));
    s
}

fn granted(s: &mut Scheduler) -> Vec<u64> {
    let mut granted = Vec::new();
    while let Some(action) = s.poll_action() {
        match action {
            Action::Grant { job, .. } => granted.push(job.0),
            Action::Refuse { .. } | Action::Expire { .. } => panic!("{action:?}"),
        }
    }
    granted
}

#[test]
fn queues_share_slot_time_by_their_weights_whoever_submits_there() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig { weight: 3, ..QueueConfig::default() }, at(0));
    s.handle_queue(B, &QueueConfig::default(), at(0));
    // Three tenants in the light queue, one in the heavy one.
    for id in 0..4_000 {
        let (queue, tenant) = if id % 2 == 0 { (A, 9) } else { (B, (id / 2 % 3) as u32) };
        s.handle_submit(job(id + 1, queue, tenant), at(1));
    }
    let mut of_a = 0;
    let mut now = 1;
    for _ in 0..2_000 {
        let id = granted(&mut s)[0];
        of_a += u32::from(id % 2 == 1);
        now += 10;
        s.handle_finish(JobId(id), at(now));
    }
    assert!((1_480..=1_520).contains(&of_a), "{of_a} of 2000 for three of four parts");
}

#[test]
fn a_paused_queue_gives_nothing_and_holds_nobody_up_until_it_goes_on() {
    let mut s = with_slots(2);
    let paused = QueueConfig { paused: true, ..QueueConfig::default() };
    s.handle_queue(A, &paused, at(0));
    s.handle_submit(job(1, A, 1), at(1));
    s.handle_submit(job(2, QueueId::DEFAULT, 1), at(1));
    assert_eq!(granted(&mut s), [2]);
    assert_eq!(s.queue(A), Some((1, 0)));
    s.handle_queue(A, &QueueConfig::default(), at(2));
    assert_eq!(granted(&mut s), [1]);
    // Paused again, what runs goes on and what comes back waits.
    s.handle_queue(A, &paused, at(3));
    s.handle_return(JobId(1), at(4));
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.queue(A), Some((1, 0)));
    s.handle_queue(A, &QueueConfig::default(), at(5));
    assert_eq!(granted(&mut s), [1]);
}

#[test]
fn the_default_queue_can_be_paused_while_its_jobs_run() {
    let mut s = with_slots(2);
    for id in 1..=3 {
        s.handle_submit(job(id, QueueId::DEFAULT, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2]);
    let paused = QueueConfig { paused: true, ..QueueConfig::default() };
    s.handle_queue(QueueId::DEFAULT, &paused, at(1));
    s.handle_finish(JobId(1), at(2));
    s.handle_submit(job(4, QueueId::DEFAULT, 2), at(3));
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.queue(QueueId::DEFAULT), Some((2, 1)));
    s.handle_queue(QueueId::DEFAULT, &QueueConfig::default(), at(4));
    assert_eq!(granted(&mut s).len(), 1);
}

#[test]
fn a_rate_lets_a_burst_go_and_then_one_job_each_interval() {
    let mut s = with_slots(100);
    let rate = Rate { jobs: 10, per: Span::from_secs(1), burst: 3 };
    s.handle_queue(A, &QueueConfig { rate: Some(rate), ..QueueConfig::default() }, at(0));
    for id in 1..=8 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2, 3]);
    let mut starts = Vec::new();
    while s.waiting() > 0 {
        let (moment, _) = s.poll_timeout().unwrap();
        s.handle_timeout(moment);
        starts.extend(granted(&mut s).iter().map(|_| moment));
    }
    assert_eq!(starts, [100, 200, 300, 400, 500].map(at));
    // After a quiet time, a burst again.
    for id in 11..=18 {
        s.handle_submit(job(id, A, 1), at(10_000));
    }
    assert_eq!(granted(&mut s), [11, 12, 13]);
}

#[test]
fn a_rate_brings_no_more_than_its_jobs_in_its_time_where_that_is_not_a_whole_number() {
    let mut s = with_slots(100);
    let rate = Rate { jobs: 3, per: Span::from_secs(1), burst: 1 };
    s.handle_queue(A, &QueueConfig { rate: Some(rate), ..QueueConfig::default() }, at(0));
    for id in 1..=4 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    let mut last = at(0);
    while s.waiting() > 0 {
        (last, _) = s.poll_timeout().unwrap();
        s.handle_timeout(last);
    }
    assert!(last >= at(1_000), "the fourth at {last:?}");
}

#[test]
fn what_never_began_is_given_back_to_the_rate_at_once() {
    let mut s = with_slots(100);
    let rate = Rate { jobs: 1, per: Span::from_secs(60), burst: 2 };
    s.handle_queue(A, &QueueConfig { rate: Some(rate), ..QueueConfig::default() }, at(0));
    for id in 1..=3 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2]);
    s.handle_return(JobId(2), at(5));
    assert_eq!(granted(&mut s), [2], "as if it had not been there");
    s.handle_cancel(JobId(2), at(6));
    s.handle_return(JobId(2), at(6));
    assert_eq!(granted(&mut s), [3]);
    s.handle_submit(job(4, A, 1), at(7));
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.poll_timeout().map(|(moment, _)| moment), Some(at(60_000)));
}

#[test]
fn what_could_go_straight_to_a_slot_waits_while_the_queue_above_has_used_its_ceiling() {
    let mut s = with_slots(100);
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    s.handle_queue(A, &htb, at(0));
    let below = QueueConfig { parent: Some(A), ceiling: Some(1_000), ..QueueConfig::default() };
    s.handle_queue(B, &below, at(0));
    let mut long = job(1, B, 1);
    long.estimate = Estimate { p50: Span::from_secs(60), p90: Span::from_secs(60) };
    s.handle_submit(long, at(0));
    assert_eq!(granted(&mut s), [1]);
    s.handle_submit(job(2, B, 1), at(1));
    assert_eq!(granted(&mut s), []);
}

#[test]
fn a_ceiling_that_is_taken_away_lets_go_at_once_what_it_held() {
    let mut s = with_slots(100);
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    s.handle_queue(A, &htb, at(0));
    let below = QueueConfig { parent: Some(A), ceiling: Some(1_000), ..QueueConfig::default() };
    s.handle_queue(B, &below, at(0));
    for id in 1..=3 {
        let mut long = job(id, B, 1);
        long.estimate = Estimate { p50: Span::from_secs(60), p90: Span::from_secs(60) };
        s.handle_submit(long, at(0));
    }
    assert_eq!(granted(&mut s), [1]);
    s.handle_queue(B, &QueueConfig { ceiling: None, ..below }, at(1));
    assert_eq!(granted(&mut s), [2, 3]);
    s.handle_queue(B, &below, at(2));
    s.handle_submit(job(4, B, 1), at(2));
    assert_eq!(granted(&mut s), [], "and one that is set holds");
}

#[test]
fn another_order_loses_no_waiting_job() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    let mut urgent = job(3, A, 2);
    urgent.promise = Promise::Within(Span::from_millis(20));
    s.handle_submit(job(1, A, 1), at(0));
    s.handle_submit(job(2, A, 1), at(0));
    s.handle_submit(urgent, at(0));
    assert_eq!(granted(&mut s), [1]);
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(1));
    s.handle_finish(JobId(1), at(2));
    assert_eq!(granted(&mut s), [2], "by age now, not by promise");
    s.handle_submit(job(4, A, 1), at(2));
    s.handle_queue(A, &QueueConfig::default(), at(3));
    s.handle_finish(JobId(2), at(4));
    assert_eq!(granted(&mut s), [3]);
    s.handle_finish(JobId(3), at(5));
    assert_eq!(granted(&mut s), [4]);
}

#[test]
#[should_panic(expected = "only a queue without jobs is deleted")]
fn a_queue_with_jobs_is_not_deleted() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_submit(job(1, A, 1), at(0));
    s.handle_queue_gone(A, at(1));
}
