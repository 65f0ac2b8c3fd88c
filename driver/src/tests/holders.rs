//! Who works an exclusive queue after a restart of the gateway, and when runners come back with what they were given up with.

use ostler_job::durable::QueueShape;

use super::{
    attach::exclusive,
    queues::{in_queue, name, put},
    *,
};
use crate::QueueVerb;

/// The queue "mail" is for one runner alone, whichever.
fn exclusive_queue() -> Bench {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.order("mail", exclusive(&[])).expect("it is changed");
    bench
}

/// The same after r1 was lost with a job of it that may start once, while r2 was there: which job, and its attempt.
fn lost_with_its_runner() -> (Bench, JobId, AttemptKey) {
    let mut bench = exclusive_queue();
    bench.beat("r1", 1, &[]);
    let job = bench.submit(Spec { delivery: Delivery::AtMostOnce, ..in_queue("mail") });
    let key = bench.run();
    bench.start("r1", key);
    bench.pass(Span::from_secs(10));
    bench.beat("r2", 1, &[]);
    bench.pass(Span::from_secs(6));
    (bench, job, key)
}

#[test]
fn what_a_runner_brings_back_does_not_run_beside_the_next_one_of_an_exclusive_queue() {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        for restarts in [false, true] {
            let mut bench = exclusive_queue();
            bench.beat("r1", 1, &[]);
            // It waits for its runner, or is over, when that is lost.
            let host = Some("r1".into());
            let job = bench.submit(Spec { delivery, host, ..in_queue("mail") });
            let lost = bench.run();
            bench.start("r1", lost);
            let other = bench.submit(in_queue("mail"));
            bench.pass(Span::from_secs(10));
            bench.beat("r2", 1, &[]);
            bench.pass(Span::from_secs(6));
            let next = bench.status_key(other);
            bench.start("r2", next);
            if restarts {
                bench.restart();
            }
            bench.beat("r1", 1, &[lost]);
            assert_eq!(bench.settled(), [(lost, true)], "{delivery:?}: it is to let go");
            assert_eq!(bench.runs(), []);
            bench.submit(in_queue("mail"));
            assert_eq!(bench.runs(), [], "the other one has a job of it");
            bench.beat("r2", 1, &[next]);
            bench.finish("r2", next, Reason::Ok);
            assert_eq!(bench.given(), ["r2"]);
            let ended = delivery == Delivery::AtMostOnce;
            let expected = if ended { JobState::Dead } else { JobState::Pending };
            assert_eq!(bench.state(job), expected);
        }
    }
}

#[test]
fn what_a_runner_brings_back_goes_on_while_nobody_else_works_the_exclusive_queue() {
    let (mut bench, job, key) = lost_with_its_runner();
    assert_eq!((bench.state(job), bench.holder("mail").0), (JobState::Dead, Some("r2".into())));
    bench.beat("r1", 1, &[key]);
    assert_eq!(bench.state(job), JobState::Running);
    bench.beat("r2", 1, &[]);
    bench.submit(in_queue("mail"));
    assert_eq!(bench.runs(), [], "it waits for what came back");
    bench.finish("r1", key, Reason::Ok);
    assert_eq!((bench.state(job), bench.runs().len()), (JobState::Succeeded, 1));
}

#[test]
fn what_was_brought_back_of_an_exclusive_queue_counts_where_it_has_ended() {
    let (mut bench, job, key) = lost_with_its_runner();
    bench.submit(in_queue("mail"));
    let next = bench.run();
    bench.start("r2", next);
    bench.finish("r1", key, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded, "nobody ran beside another");
}

#[test]
fn after_a_restart_no_other_runner_works_an_exclusive_queue_before_the_jobs_of_its_holder_are_over()
{
    for lost in [false, true] {
        let mut bench = exclusive_queue();
        bench.beat("r2", 2, &[]);
        let once = Spec { delivery: Delivery::AtMostOnce, ..in_queue("mail") };
        let first = bench.submit(once);
        let key = bench.run();
        bench.start("r2", key);
        bench.restart();
        // The one that would be chosen by its name, or by how few it holds, comes first.
        bench.beat("r1", 2, &[]);
        bench.submit(in_queue("mail"));
        assert_eq!((bench.runs(), bench.holder("mail").0), (vec![], Some("r2".to_owned())));
        if lost {
            bench.pass(Span::from_secs(10));
            bench.beat("r1", 2, &[]);
            bench.pass(Span::from_secs(6));
            assert_eq!(
                (bench.state(first), bench.given()),
                (JobState::Dead, vec!["r1".to_owned()])
            );
            bench.beat("r2", 2, &[key]);
            assert_eq!(bench.settled(), [(key, true)], "the other one works it now");
        } else {
            bench.beat("r2", 2, &[key]);
            assert_eq!(bench.given(), ["r2"]);
        }
    }
}

#[test]
fn a_job_that_comes_back_when_its_queue_is_gone_is_let_go_of() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.beat("r1", 1, &[]);
    let job = bench.submit(Spec { delivery: Delivery::AtMostOnce, ..in_queue("mail") });
    let key = bench.run();
    bench.start("r1", key);
    bench.pass(Span::from_secs(20));
    assert_eq!(bench.state(job), JobState::Dead);
    bench.order("mail", QueueVerb::Delete).expect("it is empty");
    bench.beat("r1", 1, &[key]);
    assert_eq!((bench.settled(), bench.state(job)), (vec![(key, true)], JobState::Dead));
}

#[test]
fn the_late_end_of_a_job_whose_queue_is_gone_counts_and_its_record_names_that_queue() {
    for again in [false, true] {
        let mut bench = Bench::new();
        bench.order("mail", put(QueueShape::default())).expect("it is made");
        bench.beat("r1", 1, &[]);
        let job = bench.submit(Spec { delivery: Delivery::AtMostOnce, ..in_queue("mail") });
        let key = bench.run();
        bench.start("r1", key);
        bench.pass(Span::from_secs(20));
        bench.order("mail", QueueVerb::Delete).expect("it is empty");
        if again {
            bench.order("mail", put(QueueShape::default())).expect("it is another one");
        }
        bench.cannot_start("r1", key);
        assert_eq!(bench.settled(), [(key, true)], "it waits in no queue that is gone");
        assert_eq!(bench.state(job), JobState::Dead);
        bench.finish("r1", key, Reason::Ok);
        let Status { state, queue, .. } = bench.status(job);
        assert_eq!((state, queue), (JobState::Succeeded, Some(name("mail"))));
        assert_eq!(bench.settled(), [(key, false)]);
        assert_eq!(bench.places("default", None), (0, 0));
        bench.beat("r1", 1, &[]);
        let rest = bench.submit(spec());
        assert_eq!((bench.run().job, bench.status(rest).queue), (rest, None), "it has its slot");
    }
}

#[test]
fn an_exclusive_queue_of_any_runner_means_one_that_reports_before_it_beats() {
    let mut bench = exclusive_queue();
    // A process that goes on where another gateway was tells first what it has.
    let key = AttemptKey { job: JobId(99), attempt: 1, fence: Fence(1) };
    bench.start("r1", key);
    bench.beat("r1", 1, &[]);
    bench.submit(in_queue("mail"));
    assert_eq!((bench.given(), bench.holder("mail").0), (vec!["r1".into()], Some("r1".into())));
}
