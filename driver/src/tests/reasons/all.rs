//! What holds a job up is all that does, and nothing else.

use ostler_job::Selector;

use super::*;

fn attached(selectors: &[&str]) -> QueueShape {
    let read = |it: &&str| Selector::read(it).expect("it is one");
    QueueShape { attach: selectors.iter().map(read).collect(), ..QueueShape::default() }
}

fn join(bench: &mut Bench, runner: &str, labels: &[&str], slots: u32) {
    bench.labels = Arc::new(Labels::read(labels.iter().copied()).expect("they are labels"));
    bench.beat(runner, slots, &[]);
}

#[test]
fn a_job_that_was_given_out_is_about_to_start_whatever_is_with_its_runner_then() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let job = bench.submit(spec());
    let run = bench.run();
    bench.beat("r", 0, &[run]);
    assert_eq!(bench.words(job), ["starting"]);
    bench.driver.handle_rest(bench.now);
    assert_eq!(bench.words(job), ["starting"], "that goes on");
    let next = bench.submit(spec());
    assert_eq!(bench.words(next), ["ending"], "no runner would help");
}

#[test]
fn a_paused_job_waits_for_no_slot() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    bench.submit(spec());
    let jobs = [None, Some("r".into())].map(|host| bench.submit(Spec { host, ..spec() }));
    for job in jobs {
        bench.steer(Verb::Pause, job);
        assert_eq!(bench.words(job), ["paused"]);
    }
}

#[test]
fn slots_are_not_taken_where_none_are_offered() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    assert_eq!(bench.words(job), ["no_runner"]);
    bench.beat("r", 0, &[]);
    assert_eq!(bench.words(job), ["runner_drained"]);
    let pinned = bench.submit(Spec { host: Some("r".into()), ..spec() });
    assert_eq!(bench.words(pinned), ["runner_drained"]);
}

#[test]
fn of_an_attached_queue_the_runners_are_full_and_nobody_says_when_one_is_free() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a"]))).expect("it is made");
    join(&mut bench, "r1", &["zone=a"], 1);
    bench.submit(in_queue("mail"));
    let (job, other) = (bench.submit(in_queue("mail")), bench.submit(spec()));
    assert_eq!((bench.words(job), bench.words(other)), (vec!["runner_full"], vec!["slots_busy"]));
    let start = |job| bench.driver.explain(job, bench.now).expect("it is explained").start;
    assert!(start(job).is_none() && start(other).is_some());
}

#[test]
fn a_ceiling_holds_a_job_up_only_once_it_is_used() {
    let mut bench = Bench::new();
    bench.beat("r", 2, &[]);
    let htb = QueueShape { discipline: QueueDiscipline::Htb, ..QueueShape::default() };
    bench.order("batch", put(htb)).expect("it is made");
    let ceiling = Slots::read("0.001");
    let below = QueueShape { parent: Some(name("batch")), ceiling, ..QueueShape::default() };
    bench.order("mail", put(below)).expect("it is made");
    bench.submit(spec());
    bench.submit(spec());
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.words(job), ["slots_busy"]);
    bench.beat("other", 2, &[]);
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.why(job), Why::Ceiling { queue: name("mail"), millislots: 1 });
}

#[test]
fn what_is_pinned_to_a_runner_that_is_away_is_told_so_though_its_queue_is_attached_elsewhere() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a"]))).expect("it is made");
    bench.beat("r2", 1, &[]);
    let job = bench.submit(Spec { host: Some("r2".into()), ..in_queue("mail") });
    let why = |absence| Why::NoRunner { wanted: Wanted::Host("r2".into()), absence };
    assert_eq!(bench.why(job), why(Absence::Elsewhere));
    bench.driver.handle_link_down(&"r2".into(), bench.now);
    bench.settle();
    assert_eq!(bench.why(job), why(Absence::Away));
}

#[test]
fn of_an_exclusive_queue_that_nobody_holds_the_runners_that_would_be_meant_are_looked_at() {
    for selectors in [&["zone=a"][..], &[]] {
        let mut bench = Bench::new();
        join(&mut bench, "r1", &["zone=a"], 0);
        let shape = QueueShape { exclusive: true, ..attached(selectors) };
        bench.order("mail", put(shape)).expect("it is made");
        let job = bench.submit(in_queue("mail"));
        assert_eq!(bench.words(job), ["runner_drained"]);
        // By those above as well.
        bench.order("above", put(attached(&["zone=b"]))).expect("it is made");
        let shape = QueueShape { exclusive: true, ..attached(selectors) };
        let shape = QueueShape { parent: Some(name("above")), ..shape };
        bench.order("mail", put(shape)).expect("it is put there");
        assert_eq!(bench.words(job), ["no_runner"]);
    }
}

#[test]
fn the_holder_of_a_queue_above_is_not_wanted_where_the_queue_is_attached_to_others() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape { exclusive: true, ..attached(&[]) })).expect("it is made");
    join(&mut bench, "r1", &["zone=a"], 1);
    join(&mut bench, "r2", &["zone=b"], 1);
    let below = QueueShape { parent: Some(name("mail")), ..attached(&["zone=b"]) };
    bench.order("news", put(below)).expect("it is made");
    let job = bench.submit(in_queue("news"));
    let Why::NoRunner { wanted, .. } = bench.why(job) else { panic!("{:?}", bench.why(job)) };
    assert!(matches!(wanted, Wanted::Attached { .. }), "{wanted:?}");
}

#[test]
fn a_job_that_is_on_its_way_is_not_said_to_wait_for_the_runner_before() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape { exclusive: true, ..attached(&[]) })).expect("it is made");
    join(&mut bench, "r1", &[], 1);
    join(&mut bench, "r2", &[], 1);
    let job = bench.submit(in_queue("mail"));
    let run = bench.run();
    bench.beat("r1", 0, &[run]);
    assert_eq!(bench.words(job), ["starting"]);
    let next = bench.submit(in_queue("mail"));
    assert_eq!(bench.words(next)[0], "exclusive");
}

#[test]
fn a_resource_is_told_apart_from_a_key() {
    let mut bench = Bench::new();
    bench.beat("r", 2, &[]);
    let resources = [("cache".to_owned(), ostler_job::durable::ResourceMode::Exclusive)].into();
    let needs = Resources { resources, ..Resources::default() };
    bench.submit(Spec { needs: needs.clone(), ..spec() });
    let job = bench.submit(Spec { needs, ..spec() });
    let Why::Resource { name, is_serial, .. } = bench.why(job) else { panic!() };
    assert_eq!((&*name, is_serial), ("cache", false));
}
