//! What a failed attempt leads to.

use super::*;

fn run_and_fail(bench: &mut Bench, reason: Reason) -> AttemptKey {
    let key = bench.run();
    bench.finish("a", key, reason);
    key
}

fn failing(retry: Retry) -> (Bench, JobId) {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(Spec { retry, ..spec() });
    (bench, job)
}

/// Time passes, and the runner is heard all the while.
fn wait(bench: &mut Bench, span: Span) {
    bench.pass(span);
    let (effects, changes) =
        (std::mem::take(&mut bench.effects), std::mem::take(&mut bench.changes));
    bench.beat("a", 1, &[]);
    bench.effects.extend(effects);
    bench.changes.extend(changes);
}

#[test]
fn a_failed_job_is_retried_after_its_delay_until_its_attempts_are_used() {
    let retry =
        Retry { attempts: 3, constant: true, delay: Span::from_secs(2), ..Retry::default() };
    let (mut bench, job) = failing(retry);
    for failures in 1..3 {
        run_and_fail(&mut bench, Reason::ExitStatus);
        let status = bench.status(job);
        assert_eq!((status.state, status.failures), (JobState::Retrying, failures));
        assert_eq!(status.due, Some(bench.now.wall.after(Span::from_secs(2))));
        assert!(bench.events().contains(&EventKind::Retrying));
        wait(&mut bench, Span::from_millis(1_999));
        assert_eq!(bench.runs(), [], "not before its time");
        wait(&mut bench, Span::from_millis(1));
    }
    let last = run_and_fail(&mut bench, Reason::ExitStatus);
    let status = bench.status(job);
    assert_eq!(
        (last.attempt, status.state, status.reason),
        (3, JobState::Dead, Some(Reason::ExitStatus))
    );
    assert_eq!((status.exit_status, status.failures), (Some(75), 3));
}

#[test]
fn only_listed_exit_codes_are_worth_a_retry() {
    for (codes, reason, state) in [
        (vec![75], Reason::ExitStatus, JobState::Retrying),
        (vec![1], Reason::ExitStatus, JobState::Dead),
        (vec![75], Reason::Timeout, JobState::Dead),
        (vec![], Reason::Timeout, JobState::Retrying),
        (vec![], Reason::Signal, JobState::Retrying),
        (vec![], Reason::Unstartable, JobState::Retrying),
    ] {
        let (mut bench, job) =
            failing(Retry { attempts: 2, exit_codes: codes, ..Retry::default() });
        run_and_fail(&mut bench, reason);
        assert_eq!(bench.state(job), state, "{reason}");
    }
}

#[test]
fn by_the_policy_of_the_queue_what_could_not_be_started_is_not_tried_again() {
    for (reason, state) in [
        (Reason::Unstartable, JobState::Dead),
        (Reason::ExitStatus, JobState::Retrying),
        (Reason::Signal, JobState::Retrying),
    ] {
        let (mut bench, job) = failing(Retry::usual());
        run_and_fail(&mut bench, reason);
        assert_eq!(bench.state(job), state, "{reason}");
        bench.restart();
        assert_eq!(bench.state(job), state, "{reason}");
    }
}

#[test]
fn jobs_of_different_policies_do_not_share_one() {
    let named = Retry { only_started: false, ..Retry::usual() };
    let (mut bench, first) = failing(named);
    run_and_fail(&mut bench, Reason::Unstartable);
    let second = bench.submit(Spec { retry: Retry::usual(), ..spec() });
    run_and_fail(&mut bench, Reason::Unstartable);
    assert_eq!((bench.state(first), bench.state(second)), (JobState::Retrying, JobState::Dead));
}

#[test]
fn a_restart_keeps_a_retry_waiting_and_for_its_longest_delay_at_most() {
    let retry =
        Retry { attempts: 2, constant: true, delay: Span::from_secs(8), ..Retry::default() };
    let retry = Retry { delay_max: Span::from_secs(8), ..retry };
    let (mut bench, job) = failing(retry);
    run_and_fail(&mut bench, Reason::Signal);
    // Set back while the gateway was away: its moment is an hour ahead.
    bench.now.wall = Wall(bench.now.wall.0 - 3_600_000);
    bench.restart();
    assert_eq!(bench.state(job), JobState::Retrying);
    bench.pass(Span::from_secs(8));
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn a_job_that_may_start_once_is_not_retried() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let retry = Retry { attempts: 5, ..Retry::default() };
    let job = bench.submit(Spec { delivery: Delivery::AtMostOnce, retry, ..spec() });
    run_and_fail(&mut bench, Reason::Signal);
    assert_eq!(bench.state(job), JobState::Dead);
}
