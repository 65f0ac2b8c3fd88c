//! What runs is counted once, where it runs, whatever becomes of runners, gateways and limits meanwhile.

use ostler_job::durable::{QueueShape, Resources};

use super::{
    queues::{in_queue, name, put},
    *,
};
use crate::{QueueVerb, Why};

fn limited(concurrency: u32) -> QueueVerb {
    put(QueueShape { concurrency: Some(concurrency), ..QueueShape::default() })
}

fn serial(queue: &str) -> Spec {
    let needs = Resources { serial: Some("k".into()), ..Resources::default() };
    Spec { needs, ..in_queue(queue) }
}

fn given(bench: &Bench) -> Vec<JobId> {
    bench.runs().into_iter().map(|(_, key)| key.job).collect()
}

#[test]
fn a_lost_attempt_that_comes_back_beside_its_successor_gives_its_place_back_once() {
    let mut bench = Bench::new();
    bench.order("mail", limited(1)).expect("it is made");
    bench.beat("a", 1, &[]);
    bench.submit(in_queue("mail"));
    let old = bench.run();
    bench.start("a", old);
    bench.pass(Span::from_secs(1));
    let second = bench.submit(in_queue("mail"));
    bench.pass(Span::from_secs(60));
    // The first is lost with its runner, and goes on elsewhere, before what came after it.
    bench.beat("b", 3, &[]);
    let new = bench.run();
    assert_eq!(new.job, old.job);
    bench.start("b", new);
    // The runner was alive after all: what it has is over for everybody, and frees nothing.
    bench.beat("a", 1, &[old]);
    bench.finish("a", old, Reason::Ok);
    assert_eq!((given(&bench), bench.places("mail", None)), (vec![], (1, 1)));
    bench.beat("a", 1, &[]);
    assert_eq!((given(&bench), bench.places("mail", None)), (vec![], (1, 1)));
    bench.finish("b", new, Reason::Ok);
    assert_eq!(given(&bench), [second]);
}

#[test]
fn one_that_comes_back_while_another_has_its_place_is_counted_and_nothing_follows_too_early() {
    let mut bench = Bench::new();
    bench.order("mail", limited(1)).expect("it is made");
    bench.beat("a", 1, &[]);
    bench.submit(in_queue("mail"));
    let old = bench.run();
    bench.start("a", old);
    bench.pass(Span::from_secs(40));
    // Lost and paused, so that another one has its place.
    bench.steer(Verb::Pause, old.job);
    bench.beat("b", 3, &[]);
    let second = bench.submit(in_queue("mail"));
    let other = bench.run();
    assert_eq!(other.job, second);
    let third = bench.submit(in_queue("mail"));
    bench.beat("a", 1, &[old]);
    assert_eq!(bench.places("mail", None), (1, 2), "both run, as a matter of fact");
    bench.finish("b", other, Reason::Ok);
    assert_eq!(given(&bench), [], "one of them still does");
    bench.finish("a", old, Reason::Ok);
    assert_eq!(given(&bench), [third]);
}

#[test]
fn what_a_gateway_takes_up_and_its_runner_never_tells_of_gives_everything_back() {
    let mut bench = Bench::new();
    let shape = QueueShape {
        concurrency: Some(2),
        tenant_concurrency: Some(1),
        exclusive: true,
        ..QueueShape::default()
    };
    bench.order("mail", put(shape)).expect("it is made");
    bench.beat("a", 4, &[]);
    let mut first = Vec::new();
    for tenant in ["x", "y"] {
        bench.submit(Spec { tenant: tenant.into(), ..serial("mail") });
        first.extend(bench.runs().into_iter().map(|(_, key)| key));
    }
    assert_eq!(first.len(), 1, "the other waits for the key");
    bench.start("a", first[0]);
    for _ in 0..2 {
        bench.restart();
    }
    assert_eq!(bench.places("mail", None), (1, 1));
    bench.beat("b", 4, &[]);
    assert_eq!(given(&bench), []);
    bench.pass(Span::from_secs(14));
    bench.beat("b", 4, &[]);
    assert_eq!(given(&bench), [], "it may still be heard");
    bench.pass(Span::from_secs(10));
    assert_eq!(given(&bench), [first[0].job], "in its place");
    let again = bench.status_key(first[0].job);
    bench.finish("b", again, Reason::Ok);
    assert_eq!(given(&bench).len(), 1);
    let last = bench.run();
    bench.finish("b", last, Reason::Ok);
    assert_eq!(bench.places("mail", None), (0, 0));
    for tenant in ["x", "y"] {
        bench.submit(Spec { tenant: tenant.into(), ..in_queue("mail") });
        assert_eq!(given(&bench).len(), 1, "{tenant}");
    }
}

#[test]
fn a_limit_that_is_lowered_below_what_runs_holds_that_queue_alone_and_until_it_fits() {
    let mut bench = Bench::new();
    bench.order("mail", limited(4)).expect("it is made");
    bench.beat("r", 9, &[]);
    let mut running: Vec<JobId> = (0..4).map(|_| bench.submit(in_queue("mail"))).collect();
    let waiting: Vec<JobId> = (0..6).map(|_| bench.submit(in_queue("mail"))).collect();
    bench.order("mail", limited(1)).expect("it is there");
    let other = bench.submit(spec());
    assert_eq!(given(&bench), [other], "others are not held up");
    for left in (1..4).rev() {
        let key = bench.status_key(running.pop().expect("one more"));
        bench.finish("r", key, Reason::Ok);
        assert_eq!((given(&bench), bench.places("mail", None)), (vec![], (6, left)));
    }
    // Also after a restart in between.
    bench.restart();
    let held: Vec<AttemptKey> =
        [running[0], other].map(|job| bench.status_key(job)).into_iter().collect();
    bench.beat("r", 9, &held);
    assert_eq!(bench.places("mail", None), (6, 1));
    bench.order("mail", limited(3)).expect("it is there");
    assert_eq!((given(&bench), bench.places("mail", None)), (waiting[..2].to_vec(), (4, 3)));
}

#[test]
fn nothing_of_a_held_queue_starts_while_a_gateway_comes_back() {
    let mut bench = Bench::new();
    let below = QueueShape { parent: Some(name("mail")), ..QueueShape::default() };
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.order("night", put(below)).expect("it is made");
    bench.order("mail", QueueVerb::Pause).expect("it is there");
    let due =
        Spec { not_before: Some(bench.now.wall.after(Span::from_secs(5))), ..serial("night") };
    let jobs = [bench.submit(in_queue("mail")), bench.submit(serial("night")), bench.submit(due)];
    bench.restart();
    bench.beat("r", 9, &[]);
    bench.pass(Span::from_secs(9));
    assert_eq!(given(&bench), []);
    assert!(jobs.iter().all(|&job| bench.state(job) == JobState::Pending));
    bench.beat("r", 9, &[]);
    bench.order("mail", QueueVerb::Resume).expect("it is there");
    assert_eq!(given(&bench), jobs[..2], "the third one waits for the key");
    let why = bench.driver.why(jobs[2], bench.now);
    assert!(matches!(why, Some(Why::Resource { .. })), "{why:?}");
}

#[test]
fn a_thousand_jobs_that_wait_for_one_key_hide_nobody_behind_them() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.beat("r", 2, &[]);
    bench.submit_all((0..1_000).map(|_| serial("mail")).collect());
    assert_eq!(given(&bench).len(), 1);
    let other = bench.submit(in_queue("mail"));
    assert_eq!(given(&bench), [other]);
    // Those in the way are cancelled, from behind and from before: the line goes on.
    let first = bench.status_key(JobId(1));
    for job in (3..=1_000).rev() {
        bench.steer(Verb::Cancel, JobId(job));
    }
    assert_eq!(bench.places("mail", None), (1, 2));
    bench.steer(Verb::Cancel, JobId(1));
    assert_eq!(given(&bench), [], "it is not over yet");
    bench.finish("r", first, Reason::Cancelled);
    assert_eq!(given(&bench), [JobId(2)]);
}
