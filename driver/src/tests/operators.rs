//! What operators do.

use super::*;

fn running() -> (Bench, JobId, AttemptKey) {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let retry = Retry { attempts: 9, ..Retry::default() };
    let job = bench.submit(Spec { retry, ..spec() });
    let key = bench.run();
    bench.start("a", key);
    (bench, job, key)
}

#[test]
fn a_waiting_job_is_cancelled_at_once() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    assert!(matches!(bench.steer(Verb::Cancel, job), Answer::Done { .. }));
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Cancelled, Some(Reason::Cancelled)));
    assert!(bench.events().contains(&EventKind::Operator));
    bench.beat("a", 1, &[]);
    assert_eq!(bench.runs(), []);
}

#[test]
fn a_running_job_is_killed_until_it_is_over_and_never_retried() {
    for (verb, order) in [(Verb::Cancel, Order::Kill), (Verb::Kill, Order::KillNow)] {
        let (mut bench, job, key) = running();
        bench.steer(verb, job);
        assert_eq!((bench.orders(), bench.status(job).kill), (vec![order], true));
        bench.driver.handle_link_down(&"a".into(), bench.now);
        bench.settle();
        bench.beat("a", 1, &[key]);
        assert_eq!(bench.orders(), [order], "again when its runner is back");
        bench.finish("a", key, Reason::Killed);
        let status = bench.status(job);
        assert_eq!((status.state, status.reason), (JobState::Cancelled, Some(Reason::Killed)));
    }
}

#[test]
fn a_kill_that_no_store_has_kept_is_one_all_the_same() {
    let (mut bench, job, key) = running();
    // It was ordered while the disk was full, and the gateway has started anew since.
    bench.restart();
    bench.finish("a", key, Reason::Killed);
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Cancelled, Some(Reason::Killed)));
}

#[test]
fn a_killed_job_that_comes_back_unstarted_is_over() {
    for verb in [Verb::Cancel, Verb::Kill] {
        let mut bench = Bench::new();
        bench.beat("a", 1, &[]);
        let job = bench.submit(spec());
        let key = bench.run();
        bench.steer(verb, job);
        bench.report("a", Report::NotStarted { key });
        let status = bench.status(job);
        assert_eq!((status.state, status.reason), (JobState::Cancelled, Some(Reason::Cancelled)));
        bench.beat("a", 1, &[]);
        assert_eq!(bench.runs(), []);
    }
}

#[test]
fn a_kill_that_the_gateway_did_not_survive_is_ordered_again() {
    let (mut bench, job, key) = running();
    bench.steer(Verb::Cancel, job);
    bench.restart();
    bench.beat("a", 1, &[key]);
    assert_eq!(bench.orders(), [Order::Kill]);
}

#[test]
fn a_paused_job_does_not_start_until_it_is_resumed() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    bench.steer(Verb::Pause, job);
    assert_eq!(bench.state(job), JobState::Paused);
    bench.restart();
    bench.beat("a", 1, &[]);
    assert_eq!(bench.runs(), []);
    bench.steer(Verb::Resume, job);
    assert_eq!(bench.run().job, job);
}

#[test]
fn a_delayed_job_that_was_paused_goes_on_waiting_for_its_moment() {
    let mut bench = Bench::new();
    let due = bench.now.wall.after(Span::from_secs(60));
    let job = bench.submit(Spec { not_before: Some(due), ..spec() });
    bench.steer(Verb::Pause, job);
    bench.steer(Verb::Resume, job);
    assert_eq!(bench.state(job), JobState::Scheduled);
    bench.steer(Verb::Retry, job);
    assert_eq!(bench.state(job), JobState::Pending, "or is due now, if somebody wants it");
}

#[test]
fn a_running_job_is_stopped_and_goes_on() {
    let (mut bench, job, key) = running();
    bench.steer(Verb::Pause, job);
    assert_eq!(bench.orders(), [Order::Stop]);
    bench.report("a", Report::Paused { key, stopped: true });
    assert_eq!(bench.state(job), JobState::Stopped);
    bench.steer(Verb::Resume, job);
    assert_eq!(bench.orders(), [Order::Continue]);
    bench.report("a", Report::Paused { key, stopped: false });
    assert_eq!(bench.state(job), JobState::Running);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

/// Ways in which an attempt ends so that its job runs again.
const ENDS: [fn(&mut Bench, AttemptKey); 5] = [
    |bench, key| bench.finish("a", key, Reason::Lost),
    |bench, key| bench.finish("a", key, Reason::ExitStatus),
    |bench, key| bench.report("a", Report::NotStarted { key }),
    |bench, _| bench.beat_as("a", "2", 1, &[]),
    |bench, _| bench.pass(Span::from_secs(20)),
];

#[test]
fn a_pause_of_a_running_job_stays_when_its_attempt_is_over() {
    for (way, end) in ENDS.iter().enumerate() {
        for (is_stopped, restarts) in [(false, false), (true, false), (true, true)] {
            let mut bench = Bench::new();
            bench.beat("a", 1, &[]);
            let retry = Retry { attempts: 3, ..Retry::default() };
            let job = bench.submit(Spec { retry, ..spec() });
            let key = bench.run();
            bench.start("a", key);
            bench.steer(Verb::Pause, job);
            if is_stopped {
                bench.report("a", Report::Paused { key, stopped: true });
            }
            if restarts {
                bench.restart();
            }
            end(&mut bench, key);
            assert_eq!(bench.state(job), JobState::Paused, "{way} {is_stopped} {restarts}");
            bench.restart();
            bench.beat_as("a", "3", 1, &[]);
            bench.beats_for(60, "a", &[]);
            assert_eq!((bench.state(job), bench.runs()), (JobState::Paused, vec![]), "{way}");
            bench.steer(Verb::Resume, job);
            bench.beat("a", 1, &[]);
            assert_ne!(bench.state(job), JobState::Paused, "{way}");
        }
    }
}

#[test]
fn a_paused_job_is_not_what_kills_its_runner() {
    let (mut bench, job, _) = running();
    for incarnation in ["2", "3", "4", "5"] {
        bench.steer(Verb::Pause, job);
        bench.beat_as("a", incarnation, 1, &[]);
        assert_eq!(bench.state(job), JobState::Paused, "{incarnation}");
        bench.steer(Verb::Resume, job);
        assert_eq!(bench.state(job), JobState::Leased);
    }
}

#[test]
fn a_finished_job_is_retried_by_hand_with_its_count_of_attempts_going_on() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    bench.finish("a", key, Reason::Signal);
    assert_eq!(bench.state(job), JobState::Dead);
    bench.steer(Verb::Retry, job);
    let again = bench.run();
    assert_eq!((again.attempt, bench.status(job).failures), (2, 0));
    assert_eq!(bench.status(job).finished_at, None);
    bench.finish("a", again, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

#[test]
fn an_expired_job_that_is_retried_by_hand_does_not_expire_again() {
    let mut bench = Bench::new();
    let expires = Some(bench.now.wall.after(Span::from_secs(5)));
    let job = bench.submit(Spec { expires, ..spec() });
    bench.pass(Span::from_secs(6));
    bench.steer(Verb::Retry, job);
    assert_eq!(bench.state(job), JobState::Pending);
    bench.restart();
    bench.pass(Span::from_secs(6));
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn a_record_that_is_older_than_what_happened_since_is_not_acted_on() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    bench.finish("a", key, Reason::Signal);
    let old = bench.store.job(job).expect("reads").map(Box::new);
    bench.steer(Verb::Retry, job);
    let key = bench.run();
    let stale = || SteerJob { id: job, finished: old.clone() };
    assert!(matches!(bench.steer_with(Verb::Delete, stale()), Answer::NotNow { .. }));
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.steer_with(Verb::Retry, stale()), Answer::Unknown, "it is to be read again");
    bench.steer(Verb::Delete, job);
    assert_eq!(bench.steer_with(Verb::Retry, stale()), Answer::Unknown);
}

#[test]
fn a_job_is_moved_while_it_waits_and_not_while_it_runs() {
    let (mut bench, running, _) = running();
    let job = bench.submit(spec());
    let to =
        |host: &str| Verb::Move { host: Some(Some(host.to_owned())), queue: None, relocate: false };
    assert!(matches!(bench.steer(to("b"), running), Answer::NotNow { .. }));
    bench.steer(to("b"), job);
    assert_eq!(bench.status(job).host.as_deref(), Some("b"));
    bench.beat("b", 1, &[]);
    assert_eq!(bench.runs()[0].0, "b");
    let free = bench.submit(Spec { host: Some("c".into()), ..spec() });
    bench.steer(Verb::Move { host: Some(None), queue: None, relocate: false }, free);
    assert_eq!(bench.status(free).host, None);
}

#[test]
fn only_a_finished_job_is_deleted() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    assert!(matches!(bench.steer(Verb::Delete, job), Answer::NotNow { .. }));
    bench.steer(Verb::Cancel, job);
    bench.steer(Verb::Delete, job);
    assert!(bench.effects.contains(&Effect::Deleted { job }));
    assert!(bench.store.job(job).expect("reads").is_none());
    assert_eq!(bench.steer(Verb::Delete, job), Answer::Unknown);
}

#[test]
fn a_job_that_had_succeeded_before_the_kill_came_is_a_success() {
    let (mut bench, job, key) = running();
    bench.steer(Verb::Cancel, job);
    bench.finish("a", key, Reason::Ok);
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Succeeded, Some(Reason::Ok)));
    let dedupe = dedupe(DedupeScope::Done, Then::Reject);
    assert_eq!(bench.submit_all(vec![Spec { dedupe, ..spec() }]), [Answer::Duplicate { job }]);
}

#[test]
fn an_order_that_crosses_a_report_of_the_opposite_is_given_again() {
    let (mut bench, job, key) = leases::leased(spec());
    bench.start("a", key);
    for (verb, stopped, again) in
        [(Verb::Resume, true, Order::Continue), (Verb::Pause, false, Order::Stop)]
    {
        bench.steer(verb, job);
        bench.report("a", Report::Paused { key, stopped });
        assert_eq!(bench.orders(), [again]);
        bench.report("a", Report::Paused { key, stopped: !stopped });
        assert_eq!(bench.orders(), [], "it is as it was ordered");
    }
}
