//! The account of each child by the word of the module's head: where it stands, when it is eligible, when it is left behind.

use ostler_job::{HostId, Mono, Span};

use super::PromiseOrder;
use crate::backlog::Head;
use crate::config::Config;
use crate::discipline::{Child, Discipline, Share};
use crate::lane::Lane;

const USUAL: &[Lane] = &[Lane::USUAL];
/// A second, in the unit of leads.
const SECOND: i64 = 1_000_000_000;

/// Children of these weights, who may be ahead for a second.
fn order(weights: &[u32]) -> PromiseOrder {
    let config = Config { urgency_credit: seconds(1), ..Config::default() };
    let mut order = PromiseOrder::new(&config);
    for (child, &weight) in weights.iter().enumerate() {
        order.open(Child(child as u32), Share::of(weight));
    }
    order
}

fn seconds(n: u64) -> Span {
    Span::from_secs(n)
}

/// What is to start by that second at the latest.
fn head(second: u64, seq: u64) -> Head {
    Head::new(false, Mono(seconds(second).0), seq)
}

fn pinned(host: u32) -> Lane {
    Lane::of(Some(HostId(host)))
}

/// The child gives a job of so many seconds, and offers the like of it again.
fn serve(order: &mut PromiseOrder, child: u32, cost: u64) {
    let head = head(900, u64::from(child));
    order.offer(Child(child), Lane::USUAL, Some(head));
    order.serve(Child(child), Lane::USUAL, seconds(cost), Some(head), Mono(0));
}

fn chosen(order: &mut PromiseOrder, lanes: &[Lane]) -> Option<u32> {
    order.choose(lanes, Mono(0)).0.map(|turn| turn.child.0)
}

#[test]
fn virtual_time_does_not_go_back_for_a_lane_that_was_left_behind() {
    let mut order = order(&[1, 1]);
    order.offer(Child(1), pinned(7), Some(head(9, 1)));
    serve(&mut order, 0, 10);
    order.choose(USUAL, Mono(0));
    assert_eq!((order.lead(Child(0)), order.lead(Child(1))), (Some(0), Some(-10 * SECOND)));
    order.choose(&[pinned(7), Lane::USUAL], Mono(0));
    assert_eq!((order.lead(Child(0)), order.lead(Child(1))), (Some(0), Some(-10 * SECOND)));
}

#[test]
fn who_is_ahead_by_just_the_credit_goes_by_its_promise_and_who_is_ahead_by_more_waits() {
    let mut order = order(&[1, 1]);
    for (child, second) in [(0, 1), (1, 9)] {
        order.offer(Child(child), Lane::USUAL, Some(head(second, 1)));
    }
    order.serve(Child(0), Lane::USUAL, seconds(2), Some(head(1, 2)), Mono(0));
    assert_eq!(chosen(&mut order, USUAL), Some(1), "two seconds ahead");
    order.serve(Child(1), Lane::USUAL, seconds(1), Some(head(9, 2)), Mono(0));
    assert_eq!(chosen(&mut order, USUAL), Some(0), "and one");
}

#[test]
fn what_a_child_without_jobs_owes_is_remembered_until_the_others_had_as_much() {
    let mut order = order(&[1, 1, 1]);
    serve(&mut order, 0, 2);
    order.offer(Child(0), Lane::USUAL, None);
    order.retire(Child(0));
    assert!(order.owes(Child(0)) && order.poll_forgotten().is_none());
    serve(&mut order, 1, 1);
    order.choose(USUAL, Mono(0));
    assert!(order.owes(Child(0)) && order.poll_forgotten().is_none());
    serve(&mut order, 1, 1);
    order.choose(USUAL, Mono(0));
    assert_eq!((order.owes(Child(0)), order.poll_forgotten()), (false, Some(Child(0))));
    // One that owes nothing is forgotten at once.
    order.retire(Child(2));
    assert_eq!((order.owes(Child(2)), order.poll_forgotten()), (false, Some(Child(2))));
}

#[test]
fn what_a_child_owes_is_forgotten_too_where_nobody_ever_waits() {
    let mut order = order(&[1, 1]);
    order.pass(Child(0), seconds(2), true, Mono(0));
    order.retire(Child(0));
    order.pass(Child(1), seconds(2), true, Mono(0));
    assert!(order.owes(Child(0)));
    order.pass(Child(1), seconds(2), true, Mono(0));
    assert_eq!((order.owes(Child(0)), order.poll_forgotten()), (false, Some(Child(0))));
}

#[test]
fn of_those_that_were_left_behind_the_one_furthest_behind_is_named() {
    let mut order = order(&[1, 1, 1]);
    serve(&mut order, 2, 3);
    order.offer(Child(2), Lane::USUAL, None);
    order.offer(Child(2), pinned(8), Some(head(9, 2)));
    order.offer(Child(1), pinned(7), Some(head(9, 1)));
    serve(&mut order, 0, 10);
    order.choose(USUAL, Mono(0));
    for lanes in [[pinned(7), pinned(8)], [pinned(8), pinned(7)]] {
        assert_eq!(order.choose(&lanes, Mono(0)).1, Some((Child(1), pinned(7))));
    }
}

#[test]
fn left_behind_is_who_lacks_more_than_the_credit_and_its_jobs_cost_for_its_weight() {
    let mut order = order(&[1, 2, 2]);
    for (child, cost) in [(0, 10), (1, 16), (2, 15)] {
        serve(&mut order, child, cost);
    }
    (1..3).for_each(|child| order.offer(Child(child), Lane::USUAL, None));
    order.choose(USUAL, Mono(0));
    assert_eq!(order.lead(Child(1)), Some(-4 * SECOND), "two seconds for its weight");
    assert!(!order.is_left_behind(Child(1), seconds(2)), "just so much");
    assert!(order.is_left_behind(Child(2), seconds(2)));
    assert!(!order.is_left_behind(Child(2), seconds(4)), "it would use more at once");
}

#[test]
fn the_eldest_is_found_among_those_ahead_of_their_share_too() {
    let mut order = order(&[1, 1, 1]);
    for (child, seq) in [(0, 5), (1, 4), (2, 6)] {
        order.offer(Child(child), Lane::USUAL, Some(head(9, seq)));
    }
    assert_eq!(order.eldest(USUAL).map(|turn| turn.child), Some(Child(1)));
    order.serve(Child(2), Lane::USUAL, seconds(30), Some(head(9, 3)), Mono(0));
    assert_eq!(order.eldest(USUAL).map(|turn| turn.child), Some(Child(2)));
    order.offer(Child(1), pinned(7), Some(head(9, 2)));
    let turn = order.eldest(&[Lane::USUAL, pinned(7)]);
    assert_eq!(turn.map(|turn| (turn.child, turn.lane)), Some((Child(1), pinned(7))));
}

#[test]
fn a_node_offers_what_is_eligible_before_what_is_ahead_however_urgent() {
    let mut order = order(&[1, 1]);
    serve(&mut order, 0, 30);
    order.offer(Child(0), Lane::USUAL, Some(head(1, 1)));
    assert_eq!(order.best(Lane::USUAL), Some(head(1, 1)), "there is nothing else");
    order.offer(Child(1), Lane::USUAL, Some(head(9, 2)));
    assert_eq!(order.best(Lane::USUAL), Some(head(9, 2)));
}

#[test]
fn a_start_is_missed_after_its_moment_and_the_grace_and_not_at_it() {
    let config = Config { late_grace: seconds(2), ..Config::default() };
    let order = PromiseOrder::new(&config);
    let at = |second: u64, more| Mono(seconds(second).0 + more);
    assert!(!order.has_missed(head(5, 1), at(7, 0)));
    assert!(order.has_missed(head(5, 1), at(7, 1)));
    assert!(!order.has_missed(head(5, 1).as_late(), at(9, 0)), "it is known already");
}

#[test]
fn what_a_lane_could_not_use_counts_for_a_job_and_the_credit_at_most() {
    let mut order = order(&[1, 1]);
    order.offer(Child(1), pinned(7), Some(head(9, 1)));
    serve(&mut order, 0, 10);
    order.choose(USUAL, Mono(0));
    order.serve(Child(1), pinned(7), seconds(2), None, Mono(0));
    assert_eq!(order.lead(Child(1)), Some(-SECOND));
    // Wherever any slot will do it could have used what it was given.
    serve(&mut order, 0, 10);
    order.choose(USUAL, Mono(0));
    order.accounts.get_mut(Child(1)).start = Default::default();
    order.serve(Child(1), Lane::USUAL, seconds(2), None, Mono(0));
    assert_eq!(order.lead(Child(1)), Some(-18 * SECOND));
}

#[test]
fn what_goes_straight_to_a_slot_is_charged_from_where_virtual_time_is() {
    let mut order = order(&[1, 1]);
    order.pass(Child(0), seconds(5), false, Mono(0));
    assert_eq!(order.lead(Child(0)), Some(5 * SECOND));
    order.pass(Child(0), seconds(1), false, Mono(0));
    assert_eq!(order.lead(Child(0)), Some(6 * SECOND), "others wait");
    order.pass(Child(0), seconds(1), true, Mono(0));
    assert_eq!(order.lead(Child(0)), Some(SECOND), "alone, it holds virtual time");
    order.pass(Child(1), seconds(2), false, Mono(0));
    assert_eq!(order.lead(Child(1)), Some(2 * SECOND), "idling earned it nothing");
}

#[test]
fn a_job_that_ends_moves_virtual_time_by_an_eighth_of_a_fluid_share_of_ten_seconds_at_most() {
    let mut order = order(&[1, 3]);
    order.pass(Child(0), seconds(100), false, Mono(0));
    (0..2).for_each(|child| order.offer(Child(child), Lane::USUAL, Some(head(9, 1))));
    let before = order.lead(Child(0)).expect("it is kept");
    order.finish(Child(1), seconds(4), seconds(4), false);
    let by = before - order.lead(Child(0)).expect("it is kept");
    assert_eq!(by, SECOND / 8, "four seconds for the weights of both");
    order.finish(Child(1), seconds(400), seconds(400), false);
    let by = before - order.lead(Child(0)).expect("it is kept") - by;
    assert_eq!(by, 10 * SECOND / 32);
}
