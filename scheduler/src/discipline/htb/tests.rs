//! Guarantees, ceilings and what is borrowed, by the word of the module's head.

use ostler_job::{HostId, Mono, Span};

use super::{Buckets, HtbOrder};
use crate::backlog::Head;
use crate::discipline::tag::Tag;
use crate::discipline::{Child, Discipline, Share};
use crate::lane::Lane;

const USUAL: &[Lane] = &[Lane::USUAL];
/// No ceiling.
const NONE: Option<u32> = None;

/// A queue with so many levels below it.
fn queue(guarantee: u32, ceiling: Option<u32>, height: u8) -> Share {
    Share { weight: 1, guarantee, ceiling, height: Some(height) }
}

/// At a hundred seconds, all offer something.
fn order(shares: &[Share]) -> HtbOrder {
    let mut order = HtbOrder::default();
    for (child, &share) in shares.iter().enumerate() {
        order.open(Child(child as u32), share);
    }
    order.tick(at(100));
    (0..shares.len()).for_each(|child| order.offer(Child(child as u32), Lane::USUAL, head(1)));
    order
}

fn head(seq: u64) -> Option<Head> {
    Some(Head::new(false, Mono(0), seq))
}

fn at(second: u64) -> Mono {
    Mono(millis(second * 1_000).0)
}

fn millis(n: u64) -> Span {
    Span::from_millis(n)
}

fn pinned() -> Lane {
    Lane::of(Some(HostId(7)))
}

fn serve(order: &mut HtbOrder, child: u32, cost: u64) {
    order.serve(Child(child), Lane::USUAL, millis(cost), head(1), at(100));
}

fn chosen(order: &mut HtbOrder) -> Option<u32> {
    order.choose(USUAL, at(100)).0.map(|turn| turn.child.0)
}

/// What the child was charged: until when its guarantee and its ceiling are used, in seconds, and what it borrowed.
fn charged(order: &HtbOrder, child: u32) -> (f64, f64, Span) {
    let it = order.buckets[child as usize];
    let second = |moment: Mono| moment.0 as f64 / 1e9;
    (second(it.green), second(it.open), order.accounts.get(Child(child)).start.time(1))
}

#[test]
fn jobs_that_have_slots_are_within_a_guarantee_and_a_ceiling_up_to_just_so_many() {
    let it = |running, ceiling| Buckets {
        share: queue(2_000, ceiling, 0),
        green: Mono(0),
        open: Mono(5),
        running,
        borrowed: false,
    };
    let within = |running, more| it(running, NONE).is_within_guarantee(more);
    assert!(within(1, 1) && !within(2, 1) && within(2, 0) && !within(3, 0));
    let is_red = |running, now| it(running, Some(2_000)).is_red(Mono(now));
    assert!(is_red(2, 4) && !is_red(2, 5) && !is_red(1, 4));
    assert!(!it(2, NONE).is_red(Mono(4)), "what has no ceiling has used none");
}

#[test]
fn the_class_of_an_offer_is_how_far_up_its_tokens_are() {
    let mut order =
        order(&[queue(1_000, NONE, 0), queue(0, NONE, 0), queue(1_000, NONE, 1), Share::of(1)]);
    let class = |order: &HtbOrder, child, found| {
        order.class(Child(child), head(1).expect("it is one").of_class(found))
    };
    assert_eq!(order.height, 2);
    assert_eq!(class(&order, 0, 0), 1, "its own");
    assert_eq!(class(&order, 1, 0), 3, "it has none, and borrows further up");
    assert_eq!((class(&order, 2, 1), class(&order, 2, 2)), (1, 2), "those below it have, or it");
    assert_eq!(class(&order, 3, 0), 3, "a tenant has none");
    assert_eq!(order.best(Lane::USUAL).map(Head::class), Some(1), "it is told further up");
    // With as many jobs as its guarantee has slots, it goes by what those were charged.
    order.count(Child(0), 1);
    order.bucket(Child(0)).green = at(100);
    assert_eq!(class(&order, 0, 0), 1, "there are tokens from this moment on");
    serve(&mut order, 0, 10_000);
    assert_eq!(class(&order, 0, 0), 3);
    order.count(Child(0), 0);
    assert_eq!(class(&order, 0, 0), 1, "however much that was");
    order.count(Child(2), 1);
    serve(&mut order, 2, 10_000);
    assert_eq!((class(&order, 2, 1), class(&order, 2, 2)), (1, 3), "those below it have still");
}

#[test]
fn who_is_furthest_behind_its_guarantee_goes_first_and_then_who_borrowed_least_for_its_weight() {
    let mut order = order(&[queue(1_000, NONE, 0), queue(1_000, NONE, 0)]);
    serve(&mut order, 0, 300);
    assert_eq!(chosen(&mut order), Some(1));
    serve(&mut order, 1, 500);
    assert_eq!(chosen(&mut order), Some(0));
    let mut order = self::order(&[Share::of(1), Share::of(2), queue(1_000, NONE, 0)]);
    assert_eq!(chosen(&mut order), Some(2), "what is its own goes before what is borrowed");
    order.offer(Child(2), Lane::USUAL, None);
    serve(&mut order, 0, 1_000);
    serve(&mut order, 1, 1_000);
    assert_eq!(chosen(&mut order), Some(1));
}

#[test]
fn a_job_is_charged_to_the_guarantee_or_borrowed_and_to_the_ceiling_always() {
    let mut order = order(&[Share { weight: 2, ..queue(1_000, Some(2_000), 0) }]);
    serve(&mut order, 0, 4_000);
    // An idle second is there to be used.
    assert_eq!(charged(&order, 0), (103.0, 101.0, Span::ZERO));
    order.count(Child(0), 1);
    order.accounts.v = Tag::of(millis(10_000), 1);
    serve(&mut order, 0, 4_000);
    // From where the others are, but for as much as it may have been charged too much: a burst and the job.
    assert_eq!(charged(&order, 0), (103.0, 103.0, millis(9_500)));
    order.accounts.v = Tag::of(millis(90_000), 1);
    serve(&mut order, 0, 4_000);
    assert_eq!(charged(&order, 0), (103.0, 105.0, millis(11_500)), "it was in line all the time");
}

#[test]
fn what_goes_straight_to_a_slot_is_charged_as_what_waited() {
    let mut order = HtbOrder::default();
    order.open(Child(0), queue(1_000, Some(2_000), 0));
    order.pass(Child(0), millis(4_000), false, at(100));
    assert_eq!(charged(&order, 0), (103.0, 101.0, Span::ZERO));
    order.count(Child(0), 2);
    order.offer(Child(0), Lane::USUAL, head(1));
    assert!(!order.is_runnable(Lane::USUAL) && !order.may_pass(Child(0), at(100)));
    order.tick(at(101));
    assert!(order.is_runnable(Lane::USUAL) && order.may_pass(Child(0), at(101)));
    order.pass(Child(0), millis(4_000), false, at(101));
    assert_eq!(charged(&order, 0), (103.0, 103.0, millis(4_000)), "borrowed");
    assert!(!order.is_runnable(Lane::USUAL), "what else it offers has to wait");
}

#[test]
fn tokens_of_a_queue_below_are_no_debt_of_the_one_above() {
    let mut order = order(&[queue(1_000, NONE, 1), Share::of(1)]);
    order.offer(Child(0), Lane::USUAL, head(1).map(|it| it.of_class(2)));
    serve(&mut order, 0, 4_000);
    assert_eq!(charged(&order, 0).2, Span::ZERO, "its own are as far up as can be");
    order.count(Child(0), 1);
    order.offer(Child(0), Lane::USUAL, head(2).map(|it| it.of_class(1)));
    serve(&mut order, 0, 4_000);
    assert_eq!(charged(&order, 0).2, Span::ZERO);
    order.offer(Child(0), Lane::USUAL, head(3).map(|it| it.of_class(2)));
    serve(&mut order, 0, 4_000);
    assert_eq!(charged(&order, 0).2, millis(4_000), "what it has not it borrows");
}

#[test]
fn whoever_has_used_its_ceiling_offers_nothing_in_any_lane_until_time_has_passed() {
    let mut order = order(&[queue(0, Some(1_000), 0)]);
    order.offer(Child(0), pinned(), head(2));
    order.count(Child(0), 1);
    serve(&mut order, 0, 4_000);
    assert!(!order.is_runnable(Lane::USUAL) && !order.is_runnable(pinned()));
    assert_eq!(order.other_lanes(), [pinned()], "it is filed there all the same");
    assert_eq!(order.due(), Some(at(103)));
    assert!(!order.may_pass(Child(0), at(102)) && order.may_pass(Child(0), at(103)));
    order.tick(at(102));
    assert!(!order.is_runnable(Lane::USUAL));
    order.tick(at(103));
    assert!(order.is_runnable(Lane::USUAL) && order.is_runnable(pinned()));
    order.tick(at(50));
    assert!(order.is_runnable(Lane::USUAL) && order.may_pass(Child(0), at(50)), "it is later");
    assert_eq!((order.now, order.due()), (at(103), None));
    assert_eq!(order.choose(USUAL, at(50)).0.map(|turn| turn.child), Some(Child(0)));
    // By a job that is over it may go on at once.
    order.count(Child(0), 1);
    order.serve(Child(0), Lane::USUAL, millis(4_000), head(3), at(50));
    assert!(!order.is_runnable(Lane::USUAL));
    assert_eq!(order.due(), Some(at(107)), "as of the latest moment");
    order.count(Child(0), 0);
    assert!(order.is_runnable(Lane::USUAL));
    order.count(Child(0), 1);
    assert!(!order.is_runnable(Lane::USUAL));
    order.choose(USUAL, at(107));
    assert!(order.is_runnable(Lane::USUAL), "whoever chooses tells the time");
}

#[test]
fn a_ceiling_that_is_raised_or_taken_away_opens_what_it_shut() {
    for ceiling in [Some(2_000), NONE] {
        let mut order = order(&[queue(0, Some(1_000), 0)]);
        order.count(Child(0), 1);
        serve(&mut order, 0, 60_000);
        assert_eq!((chosen(&mut order), order.due()), (None, Some(at(159))));
        order.open(Child(0), queue(0, ceiling, 0));
        assert_eq!((chosen(&mut order), order.due()), (Some(0), None), "{ceiling:?}");
    }
}

#[test]
fn nothing_is_due_where_nothing_is_offered_or_never_comes() {
    let mut order = order(&[queue(1_000, NONE, 0), queue(0, Some(1), 0)]);
    order.count(Child(0), 1);
    assert_eq!(order.due(), None);
    serve(&mut order, 0, 2_000);
    assert_eq!(order.due(), Some(at(101)), "its guarantee is there again");
    order.tick(at(101));
    assert_eq!(order.due(), None);
    order.serve(Child(0), Lane::USUAL, millis(2_000), head(1), at(101));
    order.offer(Child(0), Lane::USUAL, None);
    assert_eq!(order.due(), None);
    order.count(Child(1), 1);
    order.serve(Child(1), Lane::USUAL, Span(u64::MAX), head(1), at(101));
    assert_eq!((chosen(&mut order), order.due()), (None, None));
}

#[test]
fn what_a_job_did_not_use_is_paid_back_where_it_was_taken_from() {
    // Its own tokens, while there are some.
    let mut order = order(&[queue(1_000, Some(2_000), 0), queue(0, NONE, 0)]);
    let borrows = |order: &HtbOrder, child| order.borrows(Child(child), Some(Lane::USUAL));
    assert!(!borrows(&order, 0) && borrows(&order, 1));
    order.count(Child(0), 1);
    serve(&mut order, 0, 4_000);
    assert!(borrows(&order, 0), "the next one");
    order.correct(Child(0), millis(4_000), millis(1_000), false);
    assert_eq!(charged(&order, 0), (100.0, 99.5, Span::ZERO));
    order.finish(Child(0), millis(1_000), millis(5_000), false);
    assert_eq!(charged(&order, 0), (104.0, 101.5, Span::ZERO));
    // What was borrowed, however many jobs it has by then.
    order.correct(Child(0), millis(5_000), millis(7_000), true);
    assert_eq!(charged(&order, 0), (104.0, 102.5, millis(2_000)));
    // A tenant has no tokens of its own.
    order.open(Child(2), Share::of(1));
    order.offer(Child(2), Lane::USUAL, head(1));
    assert!(borrows(&order, 2) && order.borrows(Child(2), None));
    // It is filed anew.
    let mut order = self::order(&[queue(0, Some(1_000), 0)]);
    order.count(Child(0), 1);
    serve(&mut order, 0, 60_000);
    assert_eq!(chosen(&mut order), None);
    order.correct(Child(0), millis(60_000), millis(0), true);
    assert_eq!((chosen(&mut order), order.due()), (Some(0), None));
}

#[test]
fn a_queue_with_more_levels_below_makes_the_classes_of_all_higher() {
    let mut order = order(&[queue(1_000, NONE, 0), Share::of(1)]);
    let filed = |order: &HtbOrder| order.ready.key(Lane::USUAL, 1).map(|it| it.0);
    assert_eq!((order.height, filed(&order)), (1, Some(2)));
    order.open(Child(2), queue(0, NONE, 1));
    assert_eq!((order.height, filed(&order)), (2, Some(3)));
}

#[test]
fn whoever_begins_to_borrow_stands_where_the_others_are() {
    let mut order = order(&[Share::of(1), queue(1_000, NONE, 0), Share::of(1)]);
    order.offer(Child(2), Lane::USUAL, None);
    serve(&mut order, 0, 3_000);
    order.accounts.get_mut(Child(1)).start = Tag::of(millis(50_000), 1);
    assert_eq!(chosen(&mut order), Some(1), "by its guarantee, which says nothing of borrowing");
    order.offer(Child(1), Lane::USUAL, None);
    assert_eq!(chosen(&mut order), Some(0));
    order.offer(Child(2), Lane::USUAL, head(1));
    assert_eq!(charged(&order, 2).2, millis(3_000));
}

#[test]
fn whoever_has_no_job_owes_what_it_borrowed_while_others_wait_and_its_number_is_as_new_then() {
    let mut order = order(&[queue(1_000, Some(1_000), 0), Share::of(1)]);
    order.count(Child(0), 2);
    serve(&mut order, 0, 3_000);
    serve(&mut order, 0, 3_000);
    assert!(charged(&order, 0).2 > Span::ZERO);
    order.offer(Child(0), Lane::USUAL, None);
    order.retire(Child(0));
    assert_eq!((order.owes(Child(0)), order.poll_forgotten()), (true, None));
    serve(&mut order, 1, 9_000);
    assert_eq!(chosen(&mut order), Some(1));
    assert_eq!((order.owes(Child(0)), order.poll_forgotten()), (false, Some(Child(0))));
    order.open(Child(0), queue(1_000, Some(1_000), 0));
    assert_eq!((charged(&order, 0).0, charged(&order, 0).1), (0.0, 0.0));
    assert!(order.may_pass(Child(0), at(100)));
}

#[test]
fn only_what_was_borrowed_moves_those_that_borrow() {
    let mut order = order(&[queue(1_000, NONE, 0), Share::of(1)]);
    order.finish(Child(0), millis(80), millis(80), false);
    assert_eq!(order.accounts.v, Tag::default());
    order.finish(Child(1), millis(80), millis(80), true);
    assert_eq!(order.accounts.v, Tag::of(millis(5), 1), "by an eighth of a share of two");
}

#[test]
fn the_eldest_is_told_and_of_one_child_the_eldest_job_goes_whatever_its_lane() {
    let mut order = order(&[Share::of(1), Share::of(1)]);
    order.offer(Child(0), Lane::USUAL, head(4));
    order.offer(Child(1), Lane::USUAL, head(3));
    assert_eq!(order.eldest(USUAL).map(|turn| turn.child), Some(Child(1)));
    for (seq, lane) in [(2, pinned()), (5, Lane::USUAL)] {
        order.offer(Child(0), pinned(), head(seq));
        let turn = order.choose(&[pinned(), Lane::USUAL], at(100)).0;
        assert_eq!(turn.map(|turn| (turn.child, turn.lane)), Some((Child(0), lane)));
    }
    assert_eq!((order.is_plain(), order.other_lanes()), (false, vec![pinned()]));
}
