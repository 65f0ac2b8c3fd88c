//! Who holds an exclusive queue, as runners and the tree of queues change.

use super::*;

/// A shape below this queue.
fn below(parent: &str, shape: QueueShape) -> QueueShape {
    QueueShape { parent: Some(name(parent)), ..shape }
}

fn shape(selectors: &[&str]) -> QueueShape {
    QueueShape { exclusive: true, ..attached(selectors) }
}

fn holds(runner: &str) -> (Option<String>, Vec<String>) {
    (Some(runner.to_owned()), Vec::new())
}

fn nobody() -> (Option<String>, Vec<String>) {
    (None, Vec::new())
}

/// Two runners of these labels with two slots each.
fn two(one: &[&str], other: &[&str]) -> Bench {
    let mut bench = Bench::new();
    bench.join("r1", one, 2);
    bench.join("r2", other, 2);
    bench
}

#[test]
fn a_queue_goes_to_the_runner_that_holds_the_fewest_of_those_that_there_are() {
    let mut bench = two(&[], &[]);
    bench.order("mail", exclusive(&[])).expect("it is made");
    assert_eq!(bench.told("holds queue").len(), 1);
    bench.order("post", exclusive(&[])).expect("it is made");
    assert_eq!((bench.holder("mail"), bench.holder("post")), (holds("r1"), holds("r2")));
    // What is deleted, or all runners' again, is held by nobody.
    bench.order("mail", QueueVerb::Delete).expect("it is deleted");
    bench.order("news", exclusive(&[])).expect("it is made");
    assert_eq!(bench.holder("news"), holds("r1"));
    bench.order("post", attach(&[], Some(false))).expect("it is so");
    bench.order("last", exclusive(&[])).expect("it is made");
    assert_eq!(bench.holder("last"), holds("r2"));
    // Nothing is told while nothing changes.
    bench.slots("r2", 1);
    assert_eq!(bench.told("holds queue").len(), 0);
}

#[test]
fn a_queue_that_becomes_exclusive_goes_to_whoever_works_it_already() {
    let mut bench = two(&["zone=a"], &["zone=b"]);
    bench.order("mail", put(attached(&["zone=b"]))).expect("it is made");
    let ran = bench.attempts("mail", 1);
    bench.start("r2", ran[0].1);
    bench.order("mail", attach(&["zone=a"], Some(true))).expect("it is so");
    assert_eq!(bench.holder("mail"), holds("r2"));
    bench.order("mail", attach(&[], Some(false))).expect("it is so");
    assert_eq!(bench.holder("mail"), nobody());
}

#[test]
fn a_queue_that_is_exclusive_no_more_waits_for_nobody() {
    let mut bench = two(&["zone=a"], &["zone=a"]);
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    let ran = bench.attempts("mail", 1);
    bench.start("r1", ran[0].1);
    bench.slots("r1", 0);
    assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), vec!["r1".to_owned()]));
    bench.order("mail", attach(&[], Some(false))).expect("it is so");
    assert_eq!(bench.holder("mail"), nobody());
    // Nor does it count for whoever held it.
    bench.slots("r1", 2);
    bench.order("post", exclusive(&[])).expect("it is made");
    bench.order("news", exclusive(&[])).expect("it is made");
    assert_eq!((bench.holder("post"), bench.holder("news")), (holds("r1"), holds("r2")));
}

#[test]
fn a_holder_that_is_not_meant_any_more_gives_the_queue_up_there_or_away() {
    for is_away in [false, true] {
        let mut bench = two(&["zone=a"], &["zone=b"]);
        bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
        let ran = bench.attempts("mail", 1);
        bench.start("r1", ran[0].1);
        bench.order("mail", attach(&["zone=b"], None)).expect("it is attached");
        if is_away {
            bench.down("r1");
        }
        assert_eq!(bench.holder("mail"), holds("r1"));
        bench.order("mail", detach(&["zone=a"])).expect("it is detached");
        assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), vec!["r1".to_owned()]));
    }
}

#[test]
fn a_holder_keeps_the_queue_where_nobody_can_take_its_place_while_it_is_meant() {
    let change: [fn(&mut Bench); 2] = [|bench| bench.slots("r1", 0), |bench| bench.down("r1")];
    for change in change {
        let mut bench = two(&[], &[]);
        bench.order("mail", exclusive(&["runner:r1"])).expect("it is made");
        change(&mut bench);
        assert_eq!(bench.holder("mail"), holds("r1"));
        bench.order("mail", attach(&["runner:r9"], None)).expect("it is attached");
        bench.order("mail", detach(&["runner:r1"])).expect("it is detached");
        assert_eq!(bench.holder("mail"), nobody());
    }
    let mut bench = Bench::new();
    bench.is_broken = true;
    bench.join("r1", &[], 1);
    bench.order("mail", exclusive(&["runner:r1"])).expect("it is made");
    assert_eq!(bench.holder("mail"), holds("r1"), "to be tried");
    bench.order("mail", attach(&["runner:r9"], None)).expect("it is attached");
    bench.order("mail", detach(&["runner:r1"])).expect("it is detached");
    assert_eq!(bench.holder("mail"), nobody());
}

#[test]
fn of_broken_runners_one_is_tried_and_not_one_after_the_other() {
    let mut bench = Bench::new();
    bench.is_broken = true;
    bench.join("r1", &[], 1);
    bench.order("mail", exclusive(&[])).expect("it is made");
    for runner in ["r2", "r3"] {
        bench.join(runner, &[], 1);
        assert_eq!(bench.holder("mail"), holds("r1"));
    }
}

#[test]
fn a_broken_runner_is_tried_where_the_holder_is_drained_and_a_drained_one_is_not() {
    let mut bench = Bench::new();
    bench.join("r1", &[], 1);
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.is_broken = true;
    bench.join("r2", &[], 1);
    assert_eq!(bench.holder("mail"), holds("r1"));
    bench.slots("r1", 0);
    assert_eq!(bench.holder("mail"), holds("r2"));
}

#[test]
fn a_gateway_that_ends_leaves_every_queue_to_its_holder() {
    let mut bench = two(&[], &[]);
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.driver.handle_rest(bench.now);
    bench.settle();
    bench.down("r1");
    assert_eq!(bench.holder("mail"), holds("r1"));
}

#[test]
fn a_queue_below_goes_with_the_holder_of_the_one_above_whichever_was_made_first() {
    let mut bench = two(&[], &[]);
    bench.order("own", exclusive(&[])).expect("it is made");
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.order("own", put(below("mail", shape(&[])))).expect("it is put there");
    let both = |bench: &Bench| (bench.holder("mail"), bench.holder("own"));
    assert_eq!(both(&bench), (holds("r2"), holds("r2")));
    bench.slots("r2", 0);
    assert_eq!(both(&bench), (holds("r1"), holds("r1")));
    bench.submit(in_queue("own"));
    assert_eq!(bench.given(), ["r1"]);
}

#[test]
fn a_queue_below_has_another_holder_when_the_one_above_is_attached_to_nobody_in_particular() {
    let mut bench = two(&["zone=a"], &["zone=b"]);
    bench.order("mail", put(attached(&["zone=a"]))).expect("it is made");
    bench.order("own", put(below("mail", shape(&[])))).expect("it is made");
    bench.slots("r1", 0);
    assert_eq!(bench.holder("own"), holds("r1"), "nobody else may");
    bench.order("mail", QueueVerb::Detach(None)).expect("it is detached");
    assert_eq!(bench.holder("own"), holds("r2"));
    bench.submit(in_queue("own"));
    assert_eq!(bench.given(), ["r2"]);
}

#[test]
fn jobs_of_a_queue_that_is_put_below_are_waited_for_and_those_of_one_that_is_taken_out_are_not() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.order("sub", put(below("mail", QueueShape::default()))).expect("it is made");
    bench.order("news", put(attached(&["runner:r2"]))).expect("it is made");
    bench.join("r1", &[], 2);
    bench.join("r2", &[], 2);
    let ran = bench.attempts("news", 1);
    bench.start("r2", ran[0].1);
    for parent in ["mail", "sub"] {
        bench.order("news", put(below(parent, QueueShape::default()))).expect("it is put there");
        assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), vec!["r2".to_owned()]));
        let job = bench.submit(in_queue("mail"));
        assert_eq!(bench.state(job), JobState::Pending, "below {parent}");
        bench.order("news", put(QueueShape::default())).expect("it is taken out");
        assert_eq!((bench.holder("mail"), bench.given()), (holds("r1"), vec!["r1".to_owned()]));
    }
}

#[test]
fn what_the_holder_was_given_may_begin_there_while_the_queue_waits_for_others() {
    let mut bench = two(&[], &[]);
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    let ran = bench.attempts("mail", 2);
    let at = |runner: &str| ran.iter().find(|it| it.0 == runner).expect("it has one").1;
    bench.start("r2", at("r2"));
    bench.finish("r1", at("r1"), Reason::Ok);
    bench.holds = true;
    let sent = bench.attempts("mail", 1);
    assert_eq!(sent[0].0, "r1");
    bench.order("mail", attach(&[], Some(true))).expect("it is so");
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), vec!["r2".to_owned()]));
    assert_eq!(bench.state(sent[0].1.job), JobState::Leased);
}

#[test]
fn an_order_waits_for_nothing_of_queues_that_it_does_not_change() {
    let mut bench = two(&["zone=a"], &[]);
    for queue in ["mail", "post"] {
        bench.order(queue, put(attached(&["zone=a", "zone=b"]))).expect("it is made");
    }
    bench.attempts("mail", 1);
    bench.begin_order("mail", detach(&["zone=a"]));
    assert!(!bench.is_order_answered(), "it may begin");
    bench.begin_order("post", detach(&["zone=a"]));
    assert!(bench.is_order_answered());
}
