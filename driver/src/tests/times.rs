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

/// Steps of the wall clock: an hour and forty days, ahead and back.
const STEPS: [i64; 4] = [3_600_000, -3_600_000, 40 * 86_400_000, -40 * 86_400_000];

impl Bench {
    fn step(&mut self, millis: i64) {
        self.now.wall = Wall(self.now.wall.0.saturating_add_signed(millis));
    }

    fn delayed(&mut self, delay: Span, spec: Spec) -> JobId {
        let spec = Spec { not_before: Some(self.now.wall.after(delay)), ..spec };
        let new = NewJob { spec: Arc::new(spec), paused: false, delayed: true, done_before: None };
        match self.request(vec![new], None, true)[..] {
            [Answer::Done { job, .. }] => job,
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_step_of_the_clock_changes_the_length_of_a_delay() {
    for step in STEPS {
        for back in [false, true] {
            let mut bench = Bench::new();
            let job = bench.delayed(HOUR, spec());
            bench.pass(Span::from_secs(60));
            bench.step(step);
            bench.pass(Span::from_secs(60));
            if back {
                bench.step(-step);
            }
            bench.pass(Span::from_secs(3_479));
            assert_eq!(bench.state(job), JobState::Scheduled, "{step}");
            bench.pass(Span::from_secs(1));
            assert_eq!(bench.state(job), JobState::Pending, "{step}");
        }
    }
}

#[test]
fn a_delay_that_a_restart_interrupts_ends_at_its_date_and_is_never_longer() {
    for (step, left) in
        [(0, 1_800), (1_200_000, 600), (-3_600_000, 3_600), (-40 * 86_400_000, 3_600)]
    {
        let mut bench = Bench::new();
        let job = bench.delayed(HOUR, spec());
        bench.pass(Span::from_secs(1_800));
        bench.step(step);
        bench.restart();
        bench.pass(Span::from_secs(left - 1));
        assert_eq!(bench.state(job), JobState::Scheduled, "{step}");
        bench.pass(Span::from_secs(1));
        assert_eq!(bench.state(job), JobState::Pending, "{step}");
    }
}

#[test]
fn a_date_goes_with_the_clock_by_an_hour_at_once_and_by_more_when_it_lasts() {
    for (step, until) in [
        (3_600_000, 3_600),
        (-3_600_000, 10_800),
        (40 * 86_400_000, 3_600),
        (-40 * 86_400_000, 7_200),
    ] {
        let mut bench = Bench::new();
        let date = bench.now.wall.after(Span::from_secs(7_200));
        let job = bench.submit(Spec { not_before: Some(date), ..spec() });
        bench.pass(Span::from_secs(1));
        bench.step(step);
        bench.pass(Span::from_secs(until - 2));
        assert_eq!(bench.state(job), JobState::Scheduled, "{step}");
        bench.pass(Span::from_secs(3));
        assert_eq!(bench.state(job), JobState::Pending, "{step}");
    }
}

#[test]
fn a_leap_ahead_that_is_mended_in_time_starts_nothing_early() {
    let mut bench = Bench::new();
    let date = bench.now.wall.after(Span::from_secs(7_200));
    let job = bench.submit(Spec { not_before: Some(date), ..spec() });
    for _ in 0..3 {
        bench.step(40 * 86_400_000);
        bench.pass(Span::from_secs(1_800));
        bench.step(-40 * 86_400_000);
        bench.pass(Span::from_secs(500));
    }
    assert_eq!(bench.state(job), JobState::Scheduled);
    bench.pass(Span::from_secs(300));
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn no_step_of_the_clock_changes_how_long_a_job_may_wait() {
    for step in STEPS {
        let mut bench = Bench::new();
        let expires = Some(bench.now.wall.after(HOUR));
        let job = bench.submit(Spec { expires, ..spec() });
        bench.step(step);
        bench.pass(Span::from_secs(3_599));
        assert_eq!(bench.state(job), JobState::Pending, "{step}");
        bench.pass(Span::from_secs(1));
        assert_eq!(bench.status(job).state, JobState::Expired, "{step}");
    }
}

#[test]
fn no_step_of_the_clock_changes_how_long_jobs_have_waited_or_a_dedupe_stands() {
    for step in STEPS {
        let mut bench = Bench::new();
        let dedupe = |scope| Some(Dedupe { scope, window: Some(HOUR), then: Then::Reject });
        let with = |scope| Spec { dedupe: dedupe(scope), ..spec() };
        bench.submit(with(DedupeScope::Queued));
        let other = |scope| Spec { identity: "other".into(), ..with(scope) };
        bench.beat("a", 1, &[]);
        let key = bench.run();
        bench.start("a", key);
        bench.finish("a", key, Reason::Ok);
        bench.beat("a", 0, &[]);
        bench.submit(other(DedupeScope::Queued));
        bench.step(step);
        bench.pass(Span::from_secs(3_500));
        let since = bench.driver.figures(bench.now).oldest_runnable.expect("one waits");
        assert_eq!(since.passed(bench.now.mono), Span::from_secs(3_500), "{step}");
        for again in [other(DedupeScope::Queued), with(DedupeScope::Done)] {
            let answers = bench.submit_all(vec![again]);
            assert!(matches!(answers[..], [Answer::Duplicate { .. }]), "{step} {answers:?}");
        }
        bench.pass(Span::from_secs(101));
        for again in [other(DedupeScope::Queued), with(DedupeScope::Done)] {
            let answers = bench.submit_all(vec![again]);
            assert!(matches!(answers[..], [Answer::Done { .. }]), "{step} {answers:?}");
        }
        bench.beat("a", 1, &[]);
        let waited = bench.effects.iter().find_map(|effect| {
            if let Effect::Run { waited, .. } = effect { Some(*waited) } else { None }
        });
        assert!(waited <= Some(Span::from_secs(3_602)), "{step} {waited:?}");
    }
}

#[test]
fn no_step_of_the_clock_ends_a_lease_or_a_wait_between_attempts() {
    for step in STEPS {
        let mut bench = Bench::new();
        bench.beat("a", 2, &[]);
        let runs = bench.submit(spec());
        let held = bench.run();
        bench.start("a", held);
        let retry =
            Retry { attempts: 2, delay: Span::from_secs(9), constant: true, ..Retry::default() };
        let fails = bench.submit(Spec { retry, ..spec() });
        let key = bench.run();
        bench.start("a", key);
        bench.finish("a", key, Reason::Signal);
        bench.step(step);
        bench.pass(Span::from_secs(8));
        bench.beat("a", 0, &[held]);
        assert_eq!(
            (bench.state(runs), bench.state(fails)),
            (JobState::Running, JobState::Retrying)
        );
        bench.pass(Span::from_secs(2));
        assert_eq!((bench.state(runs), bench.state(fails)), (JobState::Running, JobState::Pending));
    }
}

#[test]
fn a_wait_between_attempts_that_a_restart_interrupts_is_no_longer_for_a_clock_that_was_set_back() {
    for (failures, whole) in [(1, 2), (2, 4), (3, 8)] {
        let mut bench = Bench::new();
        bench.beat("a", 1, &[]);
        let retry = Retry { attempts: 9, delay: Span::from_secs(2), ..Retry::default() };
        let job = bench.submit(Spec { retry, ..spec() });
        let mut key = bench.run();
        for failure in 1..=failures {
            bench.finish("a", key, Reason::ExitStatus);
            if failure < failures {
                bench.pass(Span::from_secs(1 << failure));
                key = bench.run();
            }
        }
        bench.now.wall = Wall(bench.now.wall.0 - HOUR.0 / 1_000_000);
        bench.restart();
        bench.beat("a", 1, &[]);
        assert_eq!(bench.state(job), JobState::Retrying);
        bench.pass(Span::from_secs(whole));
        assert_eq!(bench.run().job, job, "after {failures} failures");
    }
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

#[test]
fn a_job_that_comes_back_unstarted_after_its_time_expires() {
    for seconds in [9, 3] {
        let mut bench = Bench::new();
        bench.beat("a", 1, &[]);
        let expires = Some(bench.now.wall.after(Span::from_secs(8)));
        let job = bench.submit(Spec { expires, ..spec() });
        let key = bench.run();
        bench.pass(Span::from_secs(seconds));
        bench.beat("a", 0, &[]);
        bench.report("a", Report::NotStarted { key });
        bench.pass(Span::from_secs(9 - seconds));
        assert_eq!((bench.state(job), bench.runs()), (JobState::Expired, vec![]), "{seconds}");
    }
}

#[test]
fn a_job_that_nobody_starts_is_not_offered_for_ever_without_a_pause() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let mut offers = 0;
    for _ in 0..200 {
        if let [(_, key)] = bench.runs()[..] {
            offers += 1;
            bench.report("a", Report::NotStarted { key });
        } else {
            bench.pass(Span::from_millis(100));
            if bench.runs().is_empty() {
                bench.beat("a", 1, &[]);
            }
        }
    }
    assert!((6..=12).contains(&offers), "{offers} offers within 20 s");
    if let [(_, key)] = bench.runs()[..] {
        bench.report("a", Report::NotStarted { key });
    }
    assert_eq!(bench.status(job).attempts, 0);
    bench.pass(Span::from_secs(70));
    bench.restart();
    bench.pass(Span::from_secs(70));
    bench.beat("a", 1, &[]);
    let key = bench.run();
    bench.start("a", key);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded, "it runs as soon as somebody can");
}

/// The runner's clock is off by minutes either way, or the report is late: what a job ran is what its attempt ran.
#[test]
fn a_job_ran_as_long_as_its_attempt_whatever_the_clocks_say() {
    let minutes = 600_000;
    for (skew, told, late) in [
        (minutes, true, 0),
        (-minutes, true, 0),
        (minutes, false, 0),
        (-minutes, false, 0),
        (0, true, 23),
        (0, false, 23),
        (-2, true, 0),
    ] {
        let mut bench = Bench::new();
        bench.beat("a", 1, &[]);
        let job = bench.submit(spec());
        let (key, leased) = (bench.run(), bench.now.wall);
        bench.skip(Span::from_millis(5));
        let began = Wall(bench.now.wall.0.saturating_add_signed(skew));
        if told {
            bench.report("a", Report::Started { key, at: began });
            let status = bench.status(job);
            assert!(status.started_at >= Some(leased), "{skew} {status:?}");
            assert!(status.started_at <= Some(bench.now.wall), "{skew} {status:?}");
        }
        bench.skip(Span::from_secs(2));
        // The store was full meanwhile, or the link was cut.
        bench.skip(Span::from_secs(late));
        // It was stopped for a part of that.
        let [ran, stopped] = [Span::from_millis(1500), Span::from_millis(500)];
        let finish = Finish { started_at: Some(began), ran, stopped, ..finished(key, Reason::Ok) };
        bench.report("a", Report::Finished(Box::new(finish)));
        let ran = Span::from_secs(2);
        let status = bench.status(job);
        let (start, end) =
            (status.started_at.unwrap_or_default(), status.finished_at.unwrap_or_default());
        assert_eq!(end.since(start), ran, "{skew} {told} {late} {status:?}");
        assert!(
            end <= bench.now.wall && start.0 + 3 >= leased.0,
            "{skew} {told} {late} {status:?}"
        );
        if told && late > 0 {
            assert_eq!(
                end,
                leased.after(Span::from_millis(2_005)),
                "when it ended, not when that was told"
            );
        }
    }
}

#[test]
fn a_job_that_is_cancelled_while_it_waits_for_another_attempt_did_not_run_until_then() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let retry = Retry { attempts: 9, delay: Span::from_secs(900), ..Retry::default() };
    let job = bench.submit(Spec { retry, ..spec() });
    let key = bench.run();
    bench.start("a", key);
    bench.finish("a", key, Reason::Signal);
    bench.pass(Span::from_secs(100));
    bench.steer(Verb::Cancel, job);
    let status = bench.status(job);
    assert_eq!((status.started_at, status.finished_at), (None, Some(bench.now.wall)));
}

#[test]
fn a_job_that_comes_back_unstarted_expires_in_its_time_unless_it_ran_before() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let expires = Some(bench.now.wall.after(Span::from_secs(5)));
    let retry = Retry { attempts: 3, constant: true, delay: Span::ZERO, ..Retry::default() };
    let ran = bench.submit(Spec { expires, retry, ..spec() });
    let key = bench.run();
    bench.start("a", key);
    bench.finish("a", key, Reason::ExitStatus);
    bench.pass(Span::from_secs(1));
    let key = bench.status_key(ran);
    assert_eq!((bench.state(ran), key.attempt), (JobState::Leased, 2));
    bench.beat("a", 1, &[key]);
    bench.pass(Span::from_secs(5));
    bench.beat("a", 0, &[key]);
    bench.report("a", Report::NotStarted { key });
    assert_eq!(bench.state(ran), JobState::Pending, "it was in time once");
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(Spec { expires, ..spec() });
    let key = bench.run();
    bench.beat("a", 0, &[key]);
    bench.report("a", Report::NotStarted { key });
    assert_eq!(bench.state(job), JobState::Pending);
    bench.pass(Span::from_secs(5));
    assert_eq!(bench.state(job), JobState::Expired);
}
