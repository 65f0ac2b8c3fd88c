//! What the longest wait for a host is owed.

use ostler_job::{HostId, Span};

use super::{AGED, AGED_LOOK, Marks};

const HOST: HostId = HostId(7);

fn millis(n: u64) -> Span {
    Span::from_millis(n)
}

#[test]
fn one_part_of_a_hosts_time_goes_to_who_has_waited_longest_and_is_used_up_by_that() {
    let mut marks = Marks::default();
    assert!(!marks.take_aged(HOST, millis(10)), "nothing ran there");
    (0..AGED).for_each(|_| marks.count(HOST, millis(10)));
    assert!(!marks.take_aged(HOST, millis(11)));
    assert!(marks.take_aged(HOST, millis(10)));
    assert!(!marks.take_aged(HOST, millis(1)), "that was all");
    (0..AGED).for_each(|_| marks.count(HOST, millis(10)));
    assert!(!marks.take_aged(HostId(8), millis(1)), "another host is another matter");
}

#[test]
fn a_job_that_costs_nothing_takes_a_millisecond_of_it() {
    let mut marks = Marks::default();
    (0..AGED).for_each(|_| marks.count(HOST, millis(2)));
    assert!(marks.take_aged(HOST, Span::ZERO) && marks.take_aged(HOST, Span::ZERO));
    assert!(!marks.take_aged(HOST, Span::ZERO));
    (0..AGED).for_each(|_| marks.count(HOST, millis(2)));
    (0..2).for_each(|_| marks.charge_aged(HOST, Span::ZERO));
    assert!(!marks.take_aged(HOST, Span::ZERO));
}

#[test]
fn in_sets_who_has_waited_longest_is_looked_for_once_in_so_many_jobs_and_where_it_is_owed_something()
 {
    let mut marks = Marks::default();
    assert!(!marks.owes_set(HOST));
    marks.count(HOST, Span(AGED));
    let looks = |marks: &mut Marks| (0..2 * AGED_LOOK).filter(|_| marks.owes_set(HOST)).count();
    assert_eq!(looks(&mut marks), 0, "too little");
    (0..AGED).for_each(|_| marks.count(HOST, millis(2)));
    assert_eq!(looks(&mut marks), 2);
    marks.charge_aged(HOST, millis(2));
    assert_eq!(looks(&mut marks), 0);
}

#[test]
fn a_host_is_marked_once_and_nothing_is_left_when_nobody_waits() {
    let mut marks = Marks::default();
    (0..2).for_each(|_| marks.mark(HOST));
    assert_eq!((marks.poll(), marks.poll()), (Some(HOST), None));
    marks.mark(HOST);
    assert!(!marks.is_clear());
    marks.clear();
    assert!(marks.is_clear() && marks.poll().is_none());
    marks.count(HOST, millis(640));
    assert!(!marks.is_clear());
    marks.clear();
    assert!(marks.is_clear() && !marks.take_aged(HOST, Span::ZERO));
}
