//! Rounds and quanta, by the word of the module's head.

use ostler_job::{HostId, Mono, Span};

use super::{DrrOrder, QUANTUM};
use crate::backlog::Head;
use crate::discipline::{Child, Discipline, Share};
use crate::lane::Lane;

const USUAL: &[Lane] = &[Lane::USUAL];

fn order(weights: &[u32]) -> DrrOrder {
    let mut order = DrrOrder::default();
    for (child, &weight) in weights.iter().enumerate() {
        order.open(Child(child as u32), Share::of(weight));
    }
    order
}

fn head(seq: u64) -> Option<Head> {
    Some(Head::new(false, Mono(0), seq))
}

/// So many hundredths of a quantum.
fn parts(n: u64) -> Span {
    Span(QUANTUM.0 / 100 * n)
}

/// The round that is served.
fn served(order: &DrrOrder) -> u64 {
    order.accounts.v.quanta(DrrOrder::quantum())
}

fn pinned() -> Lane {
    Lane::of(Some(HostId(7)))
}

/// Whose turns the next ones are, with jobs of so many hundredths of a quantum.
fn turns(order: &mut DrrOrder, cost: u64, turns: usize) -> Vec<u32> {
    let next = (0..turns).map(|_| {
        let turn = order.choose(USUAL, Mono(0)).0.expect("something is offered");
        order.serve(turn.child, turn.lane, parts(cost), Some(turn.head), Mono(0));
        turn.child.0
    });
    next.collect()
}

fn offer_all(order: &mut DrrOrder, children: u32) {
    (0..children).for_each(|it| order.offer(Child(it), Lane::USUAL, head(u64::from(it))));
}

#[test]
fn each_child_uses_up_the_quantum_of_its_round_and_what_it_took_beyond_is_taken_off_the_next() {
    let mut order = order(&[1, 1]);
    offer_all(&mut order, 2);
    assert_eq!(turns(&mut order, 40, 12), [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0]);
}

#[test]
fn a_quantum_is_as_long_as_the_weight_says() {
    let mut order = order(&[1, 2]);
    offer_all(&mut order, 2);
    assert_eq!(order.share(Child(1)), Some((2, 3)));
    assert_eq!(turns(&mut order, 100, 6), [0, 1, 1, 0, 1, 1]);
}

#[test]
fn who_offers_something_again_stands_at_the_end_of_the_round_and_who_offers_more_where_it_was() {
    let mut order = order(&[1, 1]);
    offer_all(&mut order, 2);
    order.offer(Child(0), pinned(), head(5));
    assert_eq!(turns(&mut order, 40, 1), [0], "one lane more");
    order.offer(Child(0), pinned(), None);
    order.offer(Child(0), Lane::USUAL, None);
    order.offer(Child(0), Lane::USUAL, head(6));
    assert_eq!(turns(&mut order, 40, 2), [1, 1], "it came back");
}

#[test]
fn the_round_does_not_go_back_for_a_lane_that_was_left_behind() {
    let mut order = order(&[1, 1, 1]);
    order.offer(Child(1), pinned(), head(1));
    order.offer(Child(0), Lane::USUAL, head(2));
    turns(&mut order, 1_000, 5);
    order.choose(USUAL, Mono(0));
    assert_eq!(served(&order), 50);
    let turn = order.choose(&[pinned(), Lane::USUAL], Mono(0)).0;
    assert_eq!((turn.map(|turn| turn.child), served(&order)), (Some(Child(1)), 50));
    // What it could not use is gone.
    order.serve(Child(1), pinned(), parts(200), None, Mono(0));
    assert_eq!(order.accounts.get(Child(1)).start.quanta(DrrOrder::quantum()), 52);
    order.offer(Child(2), Lane::USUAL, head(3));
    assert_eq!(turns(&mut order, 40, 6), [0, 0, 0, 2, 2, 2], "nor has a newcomer a claim");
}

#[test]
fn what_goes_straight_to_a_slot_is_charged_from_the_round_that_is_served() {
    let mut order = order(&[1, 1, 1]);
    let round =
        |order: &DrrOrder, it| order.accounts.get(Child(it)).start.quanta(DrrOrder::quantum());
    order.pass(Child(0), parts(500), false, Mono(0));
    assert_eq!((round(&order, 0), served(&order)), (5, 0), "others wait");
    order.pass(Child(0), parts(500), true, Mono(0));
    assert_eq!((round(&order, 0), served(&order)), (10, 5), "alone, it is in the round");
    order.pass(Child(1), parts(100), false, Mono(0));
    assert_eq!(round(&order, 1), 6, "idling earned it nothing");
}

#[test]
fn what_a_child_without_jobs_owes_is_remembered_until_the_round_is_there() {
    let mut order = order(&[1, 1]);
    offer_all(&mut order, 2);
    order.serve(Child(0), Lane::USUAL, parts(250), None, Mono(0));
    order.retire(Child(0));
    assert!(order.owes(Child(0)) && order.poll_forgotten().is_none());
    turns(&mut order, 100, 3);
    assert!(order.owes(Child(0)) && order.poll_forgotten().is_none());
    turns(&mut order, 100, 1);
    assert_eq!((order.owes(Child(0)), order.poll_forgotten()), (false, Some(Child(0))));
}

#[test]
fn where_nobody_has_a_job_all_debts_are_written_off_and_the_rounds_go_on_from_there() {
    let mut order = order(&[1, 1]);
    offer_all(&mut order, 1);
    order.serve(Child(0), Lane::USUAL, parts(50_050), None, Mono(0));
    order.retire(Child(0));
    order.reset();
    assert_eq!((order.owes(Child(0)), served(&order)), (false, 500));
    offer_all(&mut order, 2);
    assert_eq!(turns(&mut order, 60, 1), [0]);

    let mut order = self::order(&[1, 1]);
    offer_all(&mut order, 1);
    order.serve(Child(0), Lane::USUAL, parts(50_050), None, Mono(0));
    order.forgive();
    offer_all(&mut order, 2);
    assert_eq!(turns(&mut order, 60, 4), [0, 0, 1, 1], "each has all of its quantum");
}

#[test]
fn of_several_children_the_eldest_is_told_and_of_one_the_eldest_job_goes_whatever_its_lane() {
    let mut order = order(&[1, 1]);
    order.offer(Child(0), Lane::USUAL, head(4));
    order.offer(Child(1), Lane::USUAL, head(3));
    assert_eq!(order.eldest(USUAL).map(|turn| turn.child), Some(Child(1)));
    assert_eq!(order.best(Lane::USUAL), head(4), "what it would give");
    order.offer(Child(0), pinned(), head(2));
    let turn = order.choose(&[Lane::USUAL, pinned()], Mono(0)).0;
    assert_eq!(turn.map(|turn| (turn.child, turn.lane)), Some((Child(0), pinned())));
    order.offer(Child(0), pinned(), head(5));
    let turn = order.choose(&[pinned(), Lane::USUAL], Mono(0)).0;
    assert_eq!(turn.map(|turn| (turn.child, turn.lane)), Some((Child(0), Lane::USUAL)));
    assert_eq!((order.is_plain(), order.other_lanes()), (false, vec![pinned()]));
}

#[test]
fn a_charge_that_turns_out_to_be_another_moves_the_child_to_its_round() {
    let mut order = order(&[1, 1]);
    offer_all(&mut order, 2);
    assert_eq!(turns(&mut order, 10, 1), [0]);
    order.correct(Child(0), parts(10), parts(150), false);
    assert_eq!(turns(&mut order, 10, 1), [1]);
    order.finish(Child(0), parts(150), parts(20), false);
    order.finish(Child(1), parts(10), parts(500), false);
    assert_eq!(turns(&mut order, 10, 8), [0; 8], "eighty parts of its round are left");
}
