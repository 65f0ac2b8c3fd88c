//! What is told of a waiting job's place.

use super::*;
use ostler_scheduler::{Claim, ResourceId};

/// A queue of one slot with this many jobs of a tenant behind the one that runs.
fn line(jobs: u64) -> Scheduler {
    let mut s = with_slots(1);
    for id in 0..=jobs {
        s.handle_submit(job(id + 1, QueueId::DEFAULT, 1), at(id));
    }
    granted(&mut s);
    s
}

#[test]
fn a_short_line_is_counted_and_of_a_long_one_some_stand_for_all() {
    let s = line(300);
    let place = |s: &Scheduler, id| s.place(JobId(id)).map(|it| (it.before, it.is_exact));
    assert_eq!(place(&s, 1), None, "it runs");
    assert_eq!([2, 3, 301].map(|id| place(&s, id)), [0, 1, 299].map(|n| Some((n, true))));
    let s = line(5_000);
    assert_eq!(place(&s, 2), Some((0, true)), "who is next is known for certain");
    for id in [3_u64, 1_000, 2_500, 5_000] {
        let (before, is_exact) = place(&s, id).unwrap();
        let off = u64::from(before).abs_diff(id - 2);
        assert!(!is_exact && before > 0 && off < 400, "{before} before {id}");
    }
}

#[test]
fn who_left_the_line_stands_before_nobody() {
    let mut s = line(20);
    for id in 3..=10 {
        s.handle_cancel(JobId(id), at(50));
    }
    assert_eq!(s.place(JobId(21)).unwrap().before, 11);
}

#[test]
fn the_way_up_is_told_with_what_each_queue_lets_through() {
    let mut s = with_slots(4);
    let rate = Some(Rate { jobs: 1, per: Span::from_secs(1), burst: 1 });
    let above = QueueConfig { concurrency: Some(1), weight: 3, ..QueueConfig::default() };
    s.handle_queue(A, &above, at(0));
    s.handle_queue(B, &QueueConfig { parent: Some(A), rate, ..QueueConfig::default() }, at(0));
    s.handle_submit(job(1, B, 1), at(0));
    s.handle_submit(job(2, B, 1), at(0));
    granted(&mut s);
    let levels: Vec<_> = s.levels(B, at(0)).collect();
    let told: Vec<_> = levels.iter().map(|it| (it.queue, it.is_full(), it.closed_until)).collect();
    assert_eq!(
        told,
        [(Some(B), false, Some(at(1_000))), (Some(A), true, None), (None, false, None)]
    );
    assert!(!levels[0].is_open() && !levels[1].is_open() && levels[2].is_open());
    assert_eq!(s.levels(QueueId(9), at(0)).count(), 0, "nobody knows that one");
}

#[test]
fn a_ceiling_and_a_guarantee_are_told_where_they_count() {
    let mut s = with_slots(1);
    let limited = QueueConfig { guarantee: 500, ceiling: Some(2_000), ..QueueConfig::default() };
    for (discipline, told) in
        [(DisciplineKind::Promise, (0, None)), (DisciplineKind::Htb, (500, Some(2_000)))]
    {
        s.handle_queue(A, &QueueConfig { discipline, ..QueueConfig::default() }, at(0));
        s.handle_queue(B, &QueueConfig { parent: Some(A), ..limited }, at(0));
        let level = s.levels(B, at(0)).next().unwrap();
        assert_eq!((level.guarantee, level.ceiling), told, "below {discipline:?}");
    }
}

#[test]
fn a_tenants_account_says_its_share_and_how_far_it_is_ahead_of_it() {
    let mut s = with_slots(1);
    s.handle_submit(job(1, QueueId::DEFAULT, 1), at(0));
    for id in 2..=5 {
        let mut more = job(id, QueueId::DEFAULT, 1 + id as u32 % 2);
        more.weight = 1 + id as u32 % 2 * 2;
        s.handle_submit(more, at(1));
    }
    granted(&mut s);
    // Tenant 1 has run one job, tenant 2 none.
    let (one, two) = (s.standing(JobId(2)).unwrap(), s.standing(JobId(3)).unwrap());
    assert_eq!((one.share, two.share), (Some((1, 4)), Some((3, 4))));
    assert!(one.lead > two.lead, "{one:?} {two:?}");
}

#[test]
fn who_stands_in_the_way_is_told_with_whether_it_has_it() {
    let mut s = with_slots(1);
    let claim = |exclusive| [Claim { resource: ResourceId(7), exclusive }];
    for (id, exclusive) in [(1, false), (2, true), (3, false)] {
        s.handle_submit_claiming(job(id, QueueId::DEFAULT, 1), &claim(exclusive), at(0));
    }
    granted(&mut s);
    assert_eq!(s.blocker(JobId(2)), Some((ResourceId(7), JobId(1))));
    assert_eq!(s.blocker(JobId(3)), Some((ResourceId(7), JobId(2))), "readers do not overtake");
    assert!(s.has_resources(JobId(1)) && !s.has_resources(JobId(2)));
    assert!(s.is_waiting(JobId(2)) && s.place(JobId(2)).is_none(), "it is in no line of a queue");
}
