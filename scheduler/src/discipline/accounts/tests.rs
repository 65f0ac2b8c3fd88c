//! Where a child stands after each kind of charge.

use ostler_job::{Mono, Span};

use super::Accounts;
use crate::backlog::Head;
use crate::discipline::tag::Tag;
use crate::discipline::{Child, Share};
use crate::lane::Lane;

const SECOND: i64 = 1_000_000_000;

fn seconds(n: u64) -> Span {
    Span::from_secs(n)
}

/// Two children of weight 1, while virtual time is at ten seconds.
fn accounts() -> Accounts {
    let mut it = Accounts { v: Tag::of(seconds(10), 1), ..Accounts::default() };
    (0..2).for_each(|child| it.open(Child(child), Share::of(1)));
    it
}

fn offer(it: &mut Accounts, child: u32) -> bool {
    it.put(Child(child), Lane::USUAL, Some(Head::new(false, Mono(0), 1)))
}

#[test]
fn a_new_child_stands_where_virtual_time_is() {
    let it = accounts();
    assert_eq!((it.lead(Child(0)), it.lead(Child(1))), (0, 0));
}

#[test]
fn what_comes_back_from_idling_keeps_its_debt_and_has_no_claim() {
    let mut it = accounts();
    it.get_mut(Child(0)).start = Tag::of(seconds(14), 1);
    it.get_mut(Child(1)).start = Tag::of(seconds(3), 1);
    assert!(offer(&mut it, 0) && offer(&mut it, 1));
    assert_eq!((it.lead(Child(0)), it.lead(Child(1))), (4 * SECOND, 0));
    assert!(!offer(&mut it, 0), "it came before");
}

#[test]
fn what_is_paid_back_to_one_that_idles_is_no_claim_and_takes_none_away() {
    let mut it = accounts();
    it.get_mut(Child(0)).start = Tag::of(seconds(14), 1);
    assert!(it.correct(Child(0), seconds(9), seconds(7)));
    assert_eq!(it.lead(Child(0)), 2 * SECOND);
    assert!(it.correct(Child(0), seconds(9), seconds(1)));
    assert_eq!(it.lead(Child(0)), 0, "and no further");
    // Who is behind already stays there.
    it.get_mut(Child(0)).start = Tag::of(seconds(3), 1);
    assert!(it.correct(Child(0), seconds(9), seconds(1)));
    assert_eq!(it.lead(Child(0)), -7 * SECOND);
    assert!(it.correct(Child(0), seconds(1), seconds(5)));
    assert_eq!(it.lead(Child(0)), -3 * SECOND);
    assert!(!it.correct(Child(0), seconds(5), seconds(5)), "nothing moved");
}

#[test]
fn what_is_paid_back_to_one_that_waits_it_has_missed_since_it_came_and_virtual_time_goes_back_by_the_average()
 {
    let mut it = accounts();
    it.open(Child(1), Share::of(3));
    offer(&mut it, 0);
    it.v = Tag::of(seconds(14), 1);
    offer(&mut it, 1);
    it.get_mut(Child(0)).start = Tag::of(seconds(16), 1);
    assert!(it.correct(Child(0), seconds(9), seconds(7)));
    assert_eq!((it.lead(Child(0)), it.v), (0, Tag::of(seconds(14), 1)), "nobody is behind");
    assert!(it.correct(Child(0), seconds(9), seconds(7)));
    assert_eq!(it.v, Tag::of(Span::from_millis(13_500), 1), "a quarter of two seconds");
    assert_eq!(it.lead(Child(0)), -3 * SECOND / 2);
    assert!(it.correct(Child(0), seconds(9), seconds(1)));
    assert_eq!(it.get(Child(0)).start, Tag::of(seconds(10), 1), "where it came, and no further");
    // The other one came later.
    it.get_mut(Child(1)).start = Tag::of(seconds(15), 1);
    assert!(it.correct(Child(1), seconds(90), seconds(0)));
    assert_eq!(it.get(Child(1)).start, Tag::of(seconds(14), 1));
}

#[test]
fn a_fluid_share_that_virtual_time_has_not_come_to_is_none_that_it_has_to_keep() {
    let mut it = accounts();
    (0..2).for_each(|child| assert!(offer(&mut it, child)));
    // Five seconds of virtual time, where a fluid share would be forty.
    (0..10).for_each(|_| it.creep(Child(0), seconds(8)));
    it.advance(Tag::of(seconds(20), 1));
    it.get_mut(Child(0)).start = it.v;
    assert!(it.correct(Child(0), seconds(9), seconds(5)));
    assert_eq!(it.v, Tag::of(seconds(18), 1), "back by the average");
}

#[test]
fn a_weight_that_changes_is_counted_while_the_child_offers_something() {
    let mut it = accounts();
    it.open(Child(0), Share::of(0));
    offer(&mut it, 0);
    assert_eq!(it.weights(Child(1)), (1, 1), "zero counts as one");
    it.open(Child(0), Share::of(5));
    assert_eq!((it.weights(Child(0)), it.weights(Child(1))), ((5, 5), (1, 5)));
    it.put(Child(0), Lane::USUAL, None);
    it.open(Child(1), Share::of(3));
    assert_eq!(it.weights(Child(1)), (3, 3), "itself among them");
}

#[test]
fn who_has_jobs_again_owes_nothing_that_could_be_forgotten() {
    let mut it = accounts();
    it.charge(Child(0), it.v, seconds(4));
    it.retire(Child(0));
    assert!(it.owes(Child(0)) && it.poll_forgotten().is_none());
    it.open(Child(0), Share::of(1));
    assert!(!it.owes(Child(0)));
    assert_eq!(it.lead(Child(0)), 4 * SECOND);
    it.reset();
    assert_eq!((it.poll_forgotten(), it.lead(Child(0))), (None, 0), "written off, and known still");
    it.charge(Child(0), it.v, seconds(4));
    it.retire(Child(0));
    it.reset();
    assert_eq!((it.poll_forgotten(), it.lead(Child(0))), (Some(Child(0)), 0));
    // At virtual time nothing is owed, and whoever is forgotten begins there anew.
    it.get_mut(Child(1)).start = Tag::of(seconds(3), 1);
    it.retire(Child(1));
    assert_eq!((it.owes(Child(1)), it.poll_forgotten()), (false, Some(Child(1))));
    assert_eq!(it.get(Child(1)).start, it.v);
    it.retire(Child(1));
    assert!(!it.owes(Child(1)));
}

#[test]
fn virtual_time_creeps_and_does_not_go_back_to_before_a_fluid_share() {
    let mut it = accounts();
    (0..2).for_each(|child| assert!(offer(&mut it, child)));
    it.charge(Child(0), it.v, seconds(60));
    it.fluid = it.v;
    it.creep(Child(1), seconds(8));
    assert_eq!(it.lead(Child(1)), -SECOND / 2, "an eighth of what each of two would have had");
    it.creep(Child(1), seconds(1_000));
    assert_eq!(it.lead(Child(1)), -SECOND * 9 / 8, "of a long job ten seconds count");
    // Back where it came from: on the average of both that would be half of it.
    assert!(it.correct(Child(0), seconds(60), Span::ZERO));
    assert_eq!(it.lead(Child(1)), -SECOND * 9 / 8);
}

#[test]
fn a_debt_is_forgotten_when_virtual_time_has_crept_past_it() {
    let mut it = accounts();
    it.get_mut(Child(0)).start = Tag::of(seconds(11), 1);
    it.retire(Child(0));
    assert!(offer(&mut it, 1));
    it.creep(Child(1), seconds(7));
    assert!(it.owes(Child(0)));
    it.creep(Child(1), seconds(1));
    assert!(!it.owes(Child(0)));
    assert_eq!(it.poll_forgotten(), Some(Child(0)));
}
