//! Queues below queues: what is refused, what the configuration makes of the tree, and that it outlives a restart.

use ostler_job::durable::{QueueDiscipline, QueueName, QueueShape, ShapeOwner, Slots, TreeFault};

use super::queues::{in_queue, name, put};
use super::*;
use crate::{QueueRefusal, QueueVerb};

fn below(parent: &str) -> QueueShape {
    QueueShape { parent: Some(name(parent)), ..QueueShape::default() }
}

fn htb() -> QueueShape {
    QueueShape { discipline: QueueDiscipline::Htb, ..QueueShape::default() }
}

fn with_slots(parent: &str, guarantee: &str, ceiling: &str) -> QueueShape {
    QueueShape { guarantee: Slots::read(guarantee), ceiling: Slots::read(ceiling), ..below(parent) }
}

fn named(queues: Vec<(&str, QueueShape)>) -> Vec<(QueueName, QueueShape)> {
    queues.into_iter().map(|(text, shape)| (name(text), shape)).collect()
}

impl Bench {
    fn made(&mut self, queues: Vec<(&str, QueueShape)>) {
        for (queue, shape) in queues {
            self.order(queue, put(shape)).expect("it is made");
        }
    }

    fn above(&mut self, queue: &str) -> Vec<String> {
        let view = self.order(queue, QueueVerb::Resume).expect("it is there");
        view.above.iter().map(ToString::to_string).collect()
    }

    fn fault(&mut self, queue: &str, shape: QueueShape) -> TreeFault {
        let kept = self.store.queues().expect("the model reads");
        let refused = self.order(queue, put(shape));
        assert_eq!(self.store.queues(), Ok(kept), "nothing of it is kept");
        let Err(QueueRefusal::Misplaced(fault)) = refused else { panic!("{refused:?}") };
        fault
    }
}

#[test]
fn a_queue_is_not_put_where_the_tree_cannot_have_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.fault("a", below("no")), TreeFault::UnknownParent(name("no")));
    assert!(matches!(bench.fault("a", below("a")), TreeFault::Circle(_)));
    bench.made(vec![("a", htb()), ("b", below("a")), ("c", below("b"))]);
    let way = ["a", "c", "b", "a"].map(name).to_vec();
    assert_eq!(
        bench.fault("a", below("c")),
        TreeFault::Circle(way),
        "by two that are moved in turn"
    );
    bench.made(vec![("c", with_slots("a", "1", ""))]);
    let needs = TreeFault::BelowNeedHtb(vec![name("c")]);
    assert_eq!(bench.fault("a", QueueShape::default()), needs);
    assert!(matches!(
        bench.fault("d", with_slots("b", "1", "")),
        TreeFault::NeedsHtb("guarantee", Some(_))
    ));
    assert_eq!(bench.above("c"), ["a"]);
}

#[test]
fn a_concurrency_below_what_is_guaranteed_below_it_is_refused_by_its_field() {
    let mut bench = Bench::new();
    let at_once = |concurrency| QueueShape { concurrency, ..htb() };
    bench.made(vec![("a", at_once(Some(3))), ("b", with_slots("a", "2", ""))]);
    let fault = bench.fault("a", at_once(Some(1)));
    assert_eq!(fault.field(), "concurrency");
    assert!(fault.to_string().contains("guaranteed 2 slots together"), "{fault}");
    assert_eq!(bench.fault("c", with_slots("a", "1.5", "")).field(), "guarantee");
    bench.made(vec![("c", with_slots("a", "1", "")), ("a", at_once(None))]);
}

#[test]
fn a_queue_with_others_below_it_is_not_deleted_and_they_are_named() {
    let mut bench = Bench::new();
    bench.made(vec![("a", QueueShape::default()), ("c", below("a")), ("b", below("a"))]);
    bench.submit(in_queue("a"));
    let refused = Err(QueueRefusal::HasQueues(vec![name("b"), name("c")]));
    assert_eq!(bench.order("a", QueueVerb::Delete), refused, "before its jobs are asked for");
    bench.made(vec![("b", QueueShape::default())]);
    bench.order("c", QueueVerb::Delete).expect("nothing is below it");
    assert!(matches!(bench.order("a", QueueVerb::Delete), Err(QueueRefusal::HasJobs(_))));
}

#[test]
fn a_tree_is_restored_from_the_top_whatever_the_names_are() {
    let mut bench = Bench::new();
    bench.made(vec![
        ("z", htb()),
        ("m", QueueShape { concurrency: Some(1), ..with_slots("z", "1", "2") }),
    ]);
    bench.made(vec![("a", below("m")), ("default", below("m"))]);
    let jobs = [bench.submit(in_queue("a")), bench.submit(spec())];
    bench.restart();
    assert_eq!(
        (bench.above("a"), bench.above("default")),
        (vec!["z".into(), "m".into()], vec!["z".into(), "m".into()])
    );
    bench.beat("r", 4, &[]);
    let running =
        |bench: &Bench| jobs.iter().filter(|&&job| bench.state(job) == JobState::Leased).count();
    assert_eq!(running(&bench), 1, "what is above lets one of them run");
    bench.made(vec![("default", QueueShape::default())]);
    assert_eq!(running(&bench), 2, "moved out of it while it waits, and the other runs");
}

#[test]
fn the_configuration_changes_the_tree_in_any_order_and_what_the_api_made_stays() {
    let mut bench = Bench::new();
    bench.restart_with(named(vec![
        ("a", below("z")),
        ("z", htb()),
        ("b", with_slots("z", "2", "3")),
    ]));
    bench.made(vec![("own", with_slots("z", "1", ""))]);
    assert_eq!(
        (bench.above("a"), bench.above("own")),
        (vec!["z".to_owned()], vec!["z".to_owned()])
    );
    // What was above is below now, and no guarantees count there any more.
    bench.restart_with(named(vec![
        ("a", QueueShape::default()),
        ("z", below("a")),
        ("b", below("z")),
    ]));
    let path = |it: &[&str]| it.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(bench.above("b"), path(&["a", "z"]));
    assert_eq!(bench.above("own"), path(&["a", "z"]));
    assert!(bench.order("own", put(with_slots("z", "1", ""))).is_ok(), "it is as it was");
    assert!(matches!(bench.fault("own", with_slots("z", "2", "")), TreeFault::NeedsHtb(..)));
    bench.restart_with(Vec::new());
    let kept = bench.store.queues().expect("the model reads");
    assert!(kept.iter().all(|it| it.owner == ShapeOwner::Api));
    bench.made(vec![("z", QueueShape::default()), ("a", below("z"))]);
    assert_eq!(bench.above("a"), path(&["z"]));
}

#[test]
fn queues_that_a_damaged_store_has_below_each_other_or_below_nothing_lose_no_job() {
    let mut bench = Bench::new();
    bench.made(vec![("a", QueueShape::default()), ("b", below("a")), ("c", below("b"))]);
    let jobs = ["a", "b", "c"].map(|queue| bench.submit(in_queue(queue)));
    let damaged = |text: &str, parent: &str| {
        let queue = ostler_job::durable::Queue::new(name(text), below(parent), ShapeOwner::Api);
        Change::Queue(Box::new(queue))
    };
    bench
        .store
        .commit(bench.epoch, &[damaged("a", "b"), damaged("c", "lost")])
        .expect("it is written");
    bench.restart();
    assert_eq!(bench.above("a"), Vec::<String>::new());
    assert_eq!(bench.above("c"), ["lost"]);
    bench.beat("r", 3, &[]);
    assert!(jobs.iter().all(|&job| bench.state(job) == JobState::Leased));
    bench.made(vec![("a", QueueShape::default())]);
    assert_eq!(bench.above("b"), ["a"]);
}

#[test]
fn what_holds_a_queue_holds_those_below_it() {
    let mut bench = Bench::new();
    bench.made(vec![("a", QueueShape::default()), ("b", below("a"))]);
    let job = bench.submit(in_queue("b"));
    bench.order("a", QueueVerb::Pause).expect("it is there");
    bench.order("a", QueueVerb::Drain).expect("it is there");
    bench.beat("r", 1, &[]);
    assert_eq!(bench.state(job), JobState::Pending);
    let answer = bench.submit_all(vec![in_queue("b")]).remove(0);
    let Answer::QueueRefused { queue, why: QueueRefusal::Drained(_) } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(queue, name("a"), "the one that is drained is named");
    bench.order("a", QueueVerb::Resume).expect("it is there");
    assert_eq!(bench.state(job), JobState::Leased);
}
