//! Serial keys and resources: whose turn it is, whatever becomes of who had it.

use std::collections::BTreeMap;

use ostler_job::durable::{OnRetry, ResourceMode, Resources};

use super::*;

fn serial(key: &str) -> Spec {
    let needs = Resources { serial: Some(key.to_owned()), ..Resources::default() };
    Spec { needs, ..spec() }
}

fn needing(resources: &[(&str, ResourceMode)]) -> Spec {
    let resources: BTreeMap<_, _> =
        resources.iter().map(|&(name, mode)| (name.to_owned(), mode)).collect();
    Spec { needs: Resources { resources, ..Resources::default() }, ..spec() }
}

fn retrying(on_retry: OnRetry) -> Spec {
    let mut spec = serial("k");
    spec.needs.on_retry = on_retry;
    let delay = Span::from_secs(5);
    spec.retry = Retry { attempts: 3, constant: true, delay, ..Retry::default() };
    spec
}

/// What the last event started.
fn started(bench: &Bench) -> Vec<JobId> {
    bench.runs().into_iter().map(|(_, key)| key.job).collect()
}

#[test]
fn jobs_of_a_key_run_one_at_a_time_in_their_order_and_hold_up_nobody_else() {
    let mut bench = Bench::new();
    bench.beat("a", 4, &[]);
    bench.submit(serial("k"));
    let first = bench.run();
    let second = bench.submit(serial("k"));
    assert_eq!(started(&bench), []);
    let third = bench.submit(serial("k"));
    let other = bench.submit(serial("another"));
    assert_eq!(started(&bench), [other]);
    let plain = bench.submit(spec());
    assert_eq!(started(&bench), [plain]);
    bench.finish("a", first, Reason::Ok);
    assert_eq!(started(&bench), [second]);
    assert_eq!(bench.state(third), JobState::Pending);
}

#[test]
fn who_shares_goes_together_and_who_does_not_goes_alone() {
    let mut bench = Bench::new();
    bench.beat("a", 8, &[]);
    let shares = || needing(&[("cache", ResourceMode::Shared)]);
    bench.submit(shares());
    let one = bench.run();
    bench.submit(shares());
    let two = bench.run();
    let writer = bench.submit(needing(&[("cache", ResourceMode::Exclusive)]));
    let behind = bench.submit(shares());
    assert_eq!(started(&bench), []);
    bench.finish("a", one, Reason::Ok);
    assert_eq!(started(&bench), []);
    bench.finish("a", two, Reason::Ok);
    let key = bench.run();
    assert_eq!(key.job, writer);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(started(&bench), [behind]);
}

#[test]
fn a_job_that_will_be_tried_again_keeps_its_place_or_lets_others_pass() {
    for on_retry in [OnRetry::Hold, OnRetry::Pass] {
        let mut bench = Bench::new();
        bench.beat("a", 2, &[]);
        let first = bench.submit(retrying(on_retry));
        let key = bench.run();
        let second = bench.submit(serial("k"));
        bench.finish("a", key, Reason::ExitStatus);
        assert_eq!(bench.state(first), JobState::Retrying);
        match on_retry {
            OnRetry::Hold => {
                assert_eq!(started(&bench), []);
                bench.pass(Span::from_secs(5));
                let again = bench.run();
                assert_eq!(again.job, first);
                bench.finish("a", again, Reason::Ok);
                assert_eq!(started(&bench), [second]);
            }
            OnRetry::Pass => {
                let passed = bench.run();
                assert_eq!(passed.job, second);
                let third = bench.submit(serial("k"));
                bench.pass(Span::from_secs(5));
                assert_eq!(started(&bench), [], "whoever passed is not interrupted");
                bench.finish("a", passed, Reason::Ok);
                assert_eq!(started(&bench), [first], "in its place, before {third}");
            }
        }
    }
}

#[test]
fn what_a_job_kept_is_free_when_it_is_cancelled_or_dead() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    let first = bench.submit(retrying(OnRetry::Hold));
    let key = bench.run();
    let second = bench.submit(serial("k"));
    bench.finish("a", key, Reason::ExitStatus);
    bench.steer(Verb::Cancel, first);
    let key = bench.run();
    assert_eq!(key.job, second);
    let third = bench.submit(serial("k"));
    bench.finish("a", key, Reason::ExitStatus);
    assert_eq!(bench.state(second), JobState::Dead);
    assert_eq!(started(&bench), [third]);
}

#[test]
fn a_waiting_job_that_is_cancelled_or_paused_holds_up_nobody() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    bench.submit(serial("k"));
    let key = bench.run();
    let [gone, paused, last] = [0; 3].map(|_| bench.submit(serial("k")));
    bench.steer(Verb::Cancel, gone);
    bench.steer(Verb::Pause, paused);
    bench.finish("a", key, Reason::Ok);
    let key = bench.run();
    assert_eq!(key.job, last);
    bench.steer(Verb::Resume, paused);
    assert_eq!(started(&bench), []);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(started(&bench), [paused]);
}

#[test]
fn after_a_restart_whoever_had_it_has_it_whatever_was_submitted_before() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    // The second one runs while the first is paused, and resumed meanwhile.
    let first = bench
        .submit(Spec { not_before: Some(bench.now.wall.after(Span::from_secs(2))), ..serial("k") });
    let second = bench.submit(serial("k"));
    let key = bench.run();
    bench.start("a", key);
    bench.pass(Span::from_secs(3));
    assert_eq!(bench.state(first), JobState::Pending);
    bench.restart();
    bench.beat("a", 2, &[key]);
    assert_eq!(started(&bench), [], "{second} has the key");
    bench.finish("a", key, Reason::Ok);
    assert_eq!(started(&bench), [first]);
}

#[test]
fn after_a_restart_a_job_that_is_to_be_tried_again_still_keeps_what_it_had() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    let first = bench.submit(retrying(OnRetry::Hold));
    let key = bench.run();
    let second = bench.submit(serial("k"));
    bench.finish("a", key, Reason::ExitStatus);
    bench.restart();
    bench.beat("a", 2, &[]);
    assert_eq!(started(&bench), []);
    bench.pass(Span::from_secs(5));
    let again = bench.run();
    assert_eq!(again.job, first);
    bench.finish("a", again, Reason::Ok);
    assert_eq!(started(&bench), [second]);
}

#[test]
fn a_job_that_is_lost_with_its_runner_goes_on_in_its_place() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    let first = bench.submit(serial("k"));
    let key = bench.run();
    bench.start("a", key);
    let second = bench.submit(serial("k"));
    bench.pass(Span::from_secs(60));
    bench.beat("b", 2, &[]);
    let again = bench.run();
    assert_eq!(again.job, first);
    bench.finish("b", again, Reason::Ok);
    assert_eq!(started(&bench), [second]);
}

#[test]
fn after_a_restart_a_job_that_lets_others_pass_until_it_is_tried_again_holds_up_nobody() {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    bench.submit(retrying(OnRetry::Pass));
    let key = bench.run();
    bench.finish("a", key, Reason::ExitStatus);
    bench.restart();
    let second = bench.submit(serial("k"));
    bench.beat("a", 2, &[]);
    assert_eq!(started(&bench), [second]);
}

/// The first job of a key has failed for good and is retried by hand while the second one runs.
fn retried_by_hand() -> (Bench, [JobId; 2], AttemptKey) {
    let mut bench = Bench::new();
    bench.beat("a", 2, &[]);
    let first = bench.submit(serial("k"));
    let key = bench.run();
    bench.finish("a", key, Reason::ExitStatus);
    assert_eq!(bench.state(first), JobState::Dead);
    let second = bench.submit(serial("k"));
    let key = bench.run();
    bench.start("a", key);
    bench.steer(Verb::Retry, first);
    (bench, [first, second], key)
}

#[test]
fn after_a_restart_a_job_that_was_retried_by_hand_waits_for_whoever_has_its_key() {
    let (mut bench, [first, second], key) = retried_by_hand();
    assert_eq!(started(&bench), []);
    bench.restart();
    bench.beat("a", 2, &[key]);
    assert_eq!(started(&bench), [], "{second} has the key");
    bench.finish("a", key, Reason::Ok);
    assert_eq!(started(&bench), [first]);
}

#[test]
fn after_a_restart_a_paused_job_that_was_retried_by_hand_holds_up_nobody() {
    let (mut bench, [first, second], key) = retried_by_hand();
    bench.steer(Verb::Pause, first);
    bench.restart();
    bench.beat("a", 2, &[key]);
    bench.finish("a", key, Reason::Ok);
    let third = bench.submit(serial("k"));
    assert_eq!(started(&bench), [third], "{first} is paused, and {second} is over");
}

#[test]
fn a_job_that_was_paused_on_its_way_and_came_back_unstarted_holds_up_nobody() {
    for on_retry in [OnRetry::Hold, OnRetry::Pass] {
        let mut bench = Bench::new();
        bench.beat("a", 2, &[]);
        let first = bench.submit(retrying(on_retry));
        let key = bench.run();
        let second = bench.submit(serial("k"));
        bench.steer(Verb::Pause, first);
        bench.report("a", Report::NotStarted { key });
        assert_eq!((bench.state(first), started(&bench)), (JobState::Paused, vec![second]));
        let key = bench.runs()[0].1;
        bench.steer(Verb::Resume, first);
        assert_eq!(started(&bench), [], "{second} has the key");
        bench.finish("a", key, Reason::Ok);
        assert_eq!(started(&bench), [first]);
    }
}

#[test]
fn a_job_that_was_tried_and_keeps_what_it_had_keeps_it_while_it_is_paused() {
    for waits in [false, true] {
        let mut bench = Bench::new();
        bench.beat("a", 2, &[]);
        let first = bench.submit(retrying(OnRetry::Hold));
        let key = bench.run();
        let second = bench.submit(serial("k"));
        bench.finish("a", key, Reason::ExitStatus);
        if waits {
            // Its time has come, and no slot is free.
            bench.beat("a", 0, &[]);
            bench.pass(Span::from_secs(5));
            assert_eq!(bench.state(first), JobState::Pending);
        }
        bench.steer(Verb::Pause, first);
        bench.beat("a", 2, &[]);
        assert_eq!(started(&bench), [], "{waits}: {second} waits for it");
        bench.restart();
        bench.beat("a", 2, &[]);
        assert_eq!(started(&bench), [], "{waits}: {second} waits for it");
        bench.steer(Verb::Resume, first);
        if !waits {
            bench.pass(Span::from_secs(5));
        }
        let again = bench.run();
        assert_eq!(again.job, first);
        bench.finish("a", again, Reason::Ok);
        assert_eq!(started(&bench), [second]);
    }
}
