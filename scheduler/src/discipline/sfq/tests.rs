//! Buckets: who is in which, for how long, and what they are charged.

use std::collections::BTreeSet;

use ostler_job::{HostId, Mono, Span};

use super::{SET, SfqOrder};
use crate::backlog::Head;
use crate::discipline::tag::Tag;
use crate::discipline::{Child, Discipline, Share};
use crate::lane::Lane;

const USUAL: &[Lane] = &[Lane::USUAL];

fn head(seq: u64) -> Head {
    Head::new(false, Mono(0), seq)
}

fn at(millis: u64) -> Mono {
    Mono(Span::from_millis(millis).0)
}

fn pinned() -> Lane {
    Lane::of(Some(HostId(7)))
}

/// Two children of one bucket and one of another.
fn neighbours(order: &SfqOrder) -> [Child; 3] {
    let is_near = |&child: &u32| order.bucket(Child(child)) == order.bucket(Child(0));
    let near = (1..).find(is_near).expect("some child is");
    let far = (1..).find(|child| !is_near(child)).expect("some child is not");
    [Child(0), Child(near), Child(far)]
}

#[test]
fn a_hash_holds_for_ten_seconds_and_the_next_one_loses_nothing() {
    let mut order = SfqOrder::default();
    for child in 0..40 {
        let lane = if child % 4 == 0 { pinned() } else { Lane::USUAL };
        order.offer(Child(child), lane, Some(head(u64::from(child))));
    }
    let mut salts = Vec::new();
    for millis in [0, 9_999, 10_000, 15_000, 19_999, 20_000] {
        order.choose(USUAL, at(millis));
        salts.push(order.salt);
        order.check(&|child, _, offer| offer.map(|it| it.seq()) == Some(u64::from(child.0)));
    }
    let changes: Vec<bool> = salts.windows(2).map(|two| two[0] != two[1]).collect();
    assert_eq!(changes, [false, true, false, false, true]);
    let buckets = |salt| {
        let mut it = SfqOrder { salt, ..SfqOrder::default() };
        it.hashed = at(0);
        (0..40).map(|child| it.bucket(Child(child)).0).collect::<Vec<_>>()
    };
    assert_ne!(buckets(salts[0]), buckets(salts[2]), "neighbours are others from then on");
    assert!((!order.is_plain()) && order.other_lanes() == [pinned()]);
    let lanes = [Lane::USUAL, pinned()];
    let served = (0..40).map(|_| {
        let turn = order.choose(&lanes, at(20_000)).0.expect("forty offer something");
        order.serve(turn.child, turn.lane, Span::ZERO, None, at(20_000));
        turn.child.0
    });
    assert_eq!(served.collect::<BTreeSet<_>>().len(), 40);
    assert!(order.is_plain() && !order.is_runnable(Lane::USUAL));
}

#[test]
fn in_a_bucket_age_counts_and_what_one_uses_is_charged_to_all_of_it() {
    let mut order = SfqOrder::default();
    let [own, near, far] = neighbours(&order);
    for (child, seq) in [(near, 2), (own, 1), (far, 3)] {
        order.offer(child, Lane::USUAL, Some(head(seq)));
    }
    let mut next = |cost: u64| {
        let turn = order.choose(USUAL, at(0)).0.expect("something is offered");
        let next = Some(head(turn.head.seq() + 10));
        order.serve(turn.child, Lane::USUAL, Span::from_millis(cost), next, at(0));
        turn.child
    };
    assert_eq!([next(15), next(15), next(15)], [own, near, far]);
    assert_eq!(order.eldest(USUAL).map(|turn| turn.child), Some(own), "the eldest of all");
}

#[test]
fn what_goes_straight_to_a_slot_and_what_turns_out_to_be_longer_is_charged_to_the_bucket() {
    let charges: [fn(&mut SfqOrder, Child); 3] = [
        |order, child| order.pass(child, Span::from_millis(500), false, Mono(0)),
        |order, child| order.correct(child, Span::ZERO, Span::from_millis(500), false),
        |order, child| order.finish(child, Span::ZERO, Span::from_millis(500), false),
    ];
    for charge in charges {
        let mut order = SfqOrder::default();
        let [own, near, far] = neighbours(&order);
        charge(&mut order, own);
        for (child, seq) in [(near, 1), (far, 2)] {
            order.offer(child, Lane::USUAL, Some(head(seq)));
        }
        let turn = order.choose(USUAL, Mono(0)).0.expect("two offer something");
        assert_eq!(turn.child, far);
        // Nobody has a job: that is written off.
        (0..2).for_each(|it| order.offer([near, far][it], Lane::USUAL, None));
        order.retire(own);
        assert_eq!((order.owes(own), order.poll_forgotten()), (true, None));
        order.reset();
        assert_eq!((order.owes(own), order.poll_forgotten()), (false, Some(own)));
        for (child, seq) in [(near, 3), (far, 4)] {
            order.offer(child, Lane::USUAL, Some(head(seq)));
        }
        let turn = order.choose(USUAL, Mono(0)).0.expect("two offer something");
        assert_eq!(turn.child, near);
        order.serve(near, Lane::USUAL, Span::from_millis(1), None, Mono(0));
    }
}

#[test]
fn of_a_bucket_in_several_lanes_the_eldest_goes_first() {
    let mut order = SfqOrder::default();
    let [own, near, _] = neighbours(&order);
    order.offer(own, Lane::USUAL, Some(head(2)));
    order.offer(near, pinned(), Some(head(1)));
    let turn = order.choose(&[pinned(), Lane::USUAL], Mono(0)).0;
    assert_eq!(turn.map(|turn| (turn.child, turn.lane)), Some((near, pinned())));
    assert_eq!(order.best(Lane::USUAL).map(|it| it.seq()), Some(2));
}

#[test]
fn tenants_of_whom_there_are_no_more_than_a_set_has_buckets_share_none() {
    let mut order = SfqOrder::default();
    (0..SET).for_each(|child| order.open(Child(child), Share::of(1)));
    for turn in 0..1_000 {
        let buckets: BTreeSet<Child> = (0..SET).map(|child| order.bucket(Child(child))).collect();
        assert_eq!(buckets.len(), SET as usize, "after {turn} hashes");
        order.rehash(at(10_000 * (turn + 1)));
    }
    order.retire(Child(0));
    order.open(Child(SET), Share::of(1));
    order.check(&|_, _, _| true);
}

#[test]
fn what_somebody_was_charged_goes_to_the_next_bucket_with_it_and_is_not_lost_by_leaving() {
    for leaves in [false, true] {
        let mut order = SfqOrder::default();
        (0..2).for_each(|child| order.open(Child(child), Share::of(1)));
        order.pass(Child(0), Span::from_secs(5), false, Mono(0));
        if leaves {
            order.retire(Child(0));
        }
        let was = order.bucket(Child(0));
        order.rehash(at(10_000));
        let is = order.bucket(Child(0));
        let start = |bucket| order.turns.start(bucket);
        assert_eq!((start(is), start(was)), (Tag::of(Span::from_secs(5), 1), Tag::default()));
        order.open(Child(0), Share::of(1));
        assert_eq!((order.bucket(Child(0)), order.owes(Child(0))), (is, false));
        // What is paid back is so where it was charged.
        order.finish(Child(0), Span::from_secs(5), Span::ZERO, false);
        assert!(order.turns.start(is) < Tag::of(Span::from_millis(1), 1));
    }
}
