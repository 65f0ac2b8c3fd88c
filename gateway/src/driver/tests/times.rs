//! Moments that people named, and clocks that are set.

use super::*;

const HOUR: Span = Span::from_secs(3_600);

#[test]
fn a_delayed_job_waits_for_its_moment_by_the_wall_clock() {
    let mut bench = Bench::new();
    let job = bench.submit(Spec { not_before: Some(bench.now.wall.after(HOUR)), ..spec() });
    assert_eq!(bench.state(job), JobState::Scheduled);
    bench.pass(Span::from_secs(3_599));
    assert_eq!(bench.state(job), JobState::Scheduled);
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn a_clock_that_is_set_moves_delayed_jobs_within_a_second_and_runs_none_twice() {
    let mut bench = Bench::new();
    let job = bench.submit(Spec { not_before: Some(bench.now.wall.after(HOUR)), ..spec() });
    bench.now.wall = bench.now.wall.after(HOUR);
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.state(job), JobState::Pending);
    bench.now.wall = Wall(bench.now.wall.0 - 3_600_000);
    bench.pass(Span::from_secs(2));
    bench.beat("a", 2, &[]);
    assert_eq!(bench.run().job, job, "set back: it stays due, and there is one of it");
}

#[test]
fn a_job_that_is_due_while_the_gateway_is_away_is_due_when_it_is_back() {
    let mut bench = Bench::new();
    let job = bench.submit(Spec { not_before: Some(bench.now.wall.after(HOUR)), ..spec() });
    bench.skip(HOUR);
    bench.restart();
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn a_job_that_is_not_started_in_time_expires() {
    let mut bench = Bench::new();
    let expires = Some(bench.now.wall.after(Span::from_secs(5)));
    let waits = bench.submit(Spec { expires, ..spec() });
    let later = bench.now.wall.after(Span::from_secs(60));
    let scheduled = bench.submit(Spec { expires, not_before: Some(later), ..spec() });
    bench.pass(Span::from_secs(5));
    for job in [waits, scheduled] {
        let status = bench.status(job);
        assert_eq!((status.state, status.reason), (JobState::Expired, Some(Reason::Expired)));
    }
    let late = bench.submit(Spec { expires, ..spec() });
    assert_eq!(bench.state(late), JobState::Expired);
}

#[test]
fn a_job_that_was_started_in_time_does_not_expire() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let expires = Some(bench.now.wall.after(Span::from_secs(5)));
    let retry =
        Retry { attempts: 2, delay: Span::from_secs(9), constant: true, ..Retry::default() };
    let job = bench.submit(Spec { expires, retry, ..spec() });
    let key = bench.run();
    bench.finish("a", key, Reason::Signal);
    bench.pass(Span::from_secs(6));
    assert_eq!(bench.state(job), JobState::Retrying);
}
