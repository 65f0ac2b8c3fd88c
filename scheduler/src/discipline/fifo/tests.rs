//! Age alone counts.

use ostler_job::{HostId, Mono};

use super::FifoOrder;
use crate::backlog::Head;
use crate::discipline::{Child, Discipline};
use crate::lane::Lane;

#[test]
fn what_was_submitted_first_goes_first_whatever_a_queue_below_orders_by() {
    let mut order = FifoOrder::default();
    order.offer(Child(0), Lane::USUAL, Some(Head::new(false, Mono(5), 2)));
    order.offer(Child(1), Lane::USUAL, Some(Head::new(true, Mono(9), 1)));
    let turn = order.choose(&[Lane::USUAL], Mono(0)).0.expect("two offer something");
    assert_eq!((turn.child, order.best(Lane::USUAL)), (Child(1), Some(turn.head)));
    assert_eq!(order.eldest(&[Lane::USUAL]), Some(turn));
}

#[test]
fn lanes_are_one_order() {
    let mut order = FifoOrder::default();
    let pinned = Lane::of(Some(HostId(7)));
    for (child, lane, seq) in [(0, Lane::USUAL, 4), (1, pinned, 3)] {
        order.offer(Child(child), lane, Some(Head::new(false, Mono(0), seq)));
    }
    let first = order.choose(&[Lane::USUAL, pinned], Mono(0)).0;
    assert_eq!(first.map(|turn| (turn.child, turn.lane)), Some((Child(1), pinned)));
    assert_eq!((order.other_lanes(), order.is_plain()), (vec![pinned], false));
}

#[test]
fn who_has_no_job_owes_nothing_and_is_forgotten_at_once() {
    let mut order = FifoOrder::default();
    order.retire(Child(3));
    assert_eq!((order.owes(Child(3)), order.poll_forgotten()), (false, Some(Child(3))));
}
