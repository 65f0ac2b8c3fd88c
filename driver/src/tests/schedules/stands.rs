//! What is remembered of a schedule, over restarts and orders that come twice.

use super::*;

#[test]
fn what_ran_too_long_and_is_over_does_not_any_more_and_its_time_counts_over_a_restart() {
    let mut bench = bench();
    bench.beat("a", 2, &[]);
    bench.shape(ScheduleShape { max_run: Some(HOUR), ..shape("0 7 * * *") });
    bench.schedule(ScheduleVerb::Run).unwrap();
    let run = bench.run();
    bench.beats_for(1_800, "a", &[run]);
    bench.restart();
    bench.beats_for(1_700, "a", &[run]);
    assert_eq!(bench.view().too_long, []);
    bench.beats_for(200, "a", &[run]);
    assert_eq!(bench.view().too_long, [JobId(1)], "an hour has passed since it was taken");
    bench.finish("a", run, Reason::Ok);
    assert_eq!(bench.view().too_long, []);
    bench.schedule(ScheduleVerb::Run).unwrap();
    bench.steer(Verb::Cancel, JobId(2));
    bench.pass(Span(HOUR.0 * 2));
    assert_eq!(bench.view().too_long, [], "one that is over in time is none");
}

#[test]
fn an_order_has_no_moment_of_an_expression_and_each_decision_is_another_version() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    let mut versions = vec![bench.view().version];
    for _ in 0..3 {
        bench.now.wall = Wall(EPOCH);
        bench.schedule(ScheduleVerb::Run).unwrap();
        versions.push(bench.view().version);
    }
    assert!(bench.firings().iter().all(|it| !it.due.0.is_multiple_of(1_000)));
    assert!(versions.windows(2).all(|it| it[0] < it[1]), "{versions:?}");
}

#[test]
fn the_time_that_a_firing_has_begins_when_it_fires_and_not_when_it_was_due() {
    let mut bench = bench();
    bench.shape(ScheduleShape { expires_in: Some(MINUTE), ..shape("0 * * * *") });
    bench.skip(Span(HOUR.0 + 1_800_000_000_000));
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    assert_eq!(bench.state(JobId(1)), JobState::Pending);
}

#[test]
fn what_is_replaced_twice_is_ended_once_and_missed_ones_are_counted_each() {
    let mut bench = bench();
    bench.beat("a", 1, &[]);
    bench.shape(ScheduleShape { overlap: OverlapPolicy::Replace, ..shape("* * * * *") });
    bench.schedule(ScheduleVerb::Run).unwrap();
    let run = bench.run();
    let mut ends = 0;
    for _ in 0..3 {
        bench.schedule(ScheduleVerb::Run).unwrap();
        let is_end = |it: &&Change| matches!(it, Change::Event { detail, .. } if detail.contains("replaced"));
        ends += bench.changes.iter().filter(is_end).count();
    }
    assert_eq!(ends, 1);
    bench.finish("a", run, Reason::Cancelled);
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.skip(Span(HOUR.0));
    let before = bench.driver.figures(bench.now).schedules.firings[Fate::Missed as usize];
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(Span::from_secs(1));
    let after = bench.driver.figures(bench.now).schedules.firings[Fate::Missed as usize];
    assert!(after - before >= 58, "{before} and {after}");
}

#[test]
fn orders_that_come_twice_change_nothing_and_are_told_once() {
    let mut bench = bench();
    bench.shape(shape("* * * * *"));
    bench.schedule(ScheduleVerb::Resume).unwrap();
    assert_eq!(bench.kept().stand.resumed_at, Wall(0), "it was not paused");
    assert!(bench.changes.is_empty());
    bench.schedule(ScheduleVerb::Pause).unwrap();
    let first = bench.kept().stand.paused;
    bench.pass(MINUTE);
    bench.schedule(ScheduleVerb::Pause).unwrap();
    assert_eq!(bench.kept().stand.paused, first, "since when it is stays");
    assert!(bench.changes.is_empty());
}

#[test]
fn nobody_expects_anything_of_one_that_is_paused_put_anew_or_ended() {
    let overdue = |bench: &Bench| bench.kept().stand.overdue_at.is_some();
    let it = || ScheduleShape { expect_within: Some(HOUR), ..shape("0 9 * * *") };
    let mut bench = bench();
    bench.shape(it());
    bench.pass(Span(HOUR.0 + 1_000_000_000));
    assert!(overdue(&bench));
    bench.schedule(ScheduleVerb::Pause).unwrap();
    assert!(!overdue(&bench));
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(Span(HOUR.0 + 1_000_000_000));
    assert!(overdue(&bench));
    bench.shape(ScheduleShape { max_run: Some(HOUR), ..it() });
    assert!(!overdue(&bench));
    bench.config.schedules = vec![(name("s"), it())];
    bench.restart();
    bench.pass(Span(HOUR.0 + 1_000_000_000));
    assert!(overdue(&bench));
    bench.config.schedules.clear();
    bench.restart();
    assert!(!overdue(&bench));
    let ended = bench.kept().stand.ended_at;
    bench.pass(Span(HOUR.0 * 3));
    assert!(!overdue(&bench));
    bench.restart();
    assert_eq!(bench.kept().stand.ended_at, ended, "it ended once");
}

#[test]
fn one_that_has_succeeded_is_expected_to_again() {
    let mut bench = bench();
    bench.shape(ScheduleShape { expect_within: Some(HOUR), ..shape("0 7 * * *") });
    bench.pass(Span(HOUR.0 + 1_000_000_000));
    bench.beat("a", 2, &[]);
    bench.schedule(ScheduleVerb::Run).unwrap();
    let first = bench.run();
    bench.schedule(ScheduleVerb::Run).unwrap();
    let second = bench.run();
    bench.finish("a", first, Reason::Ok);
    assert!(bench.events().contains(&EventKind::Schedule), "it is over");
    bench.finish("a", second, Reason::Ok);
    assert!(!bench.events().contains(&EventKind::Schedule), "it was not overdue");
    bench.pass(Span(HOUR.0 + 1_000_000_000));
    assert!(bench.kept().stand.overdue_at.is_some());
}

#[test]
fn a_page_begins_after_a_name_and_has_those_of_one_tenant() {
    let mut bench = bench();
    for (at, it) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let mut shape = shape("0 9 * * *");
        shape.spec.tenant = format!("t{}", at % 2);
        let verb = put(shape);
        bench.schedule_of(it, verb).unwrap();
    }
    let mut page = |tenant: Option<&str>, after: Option<&str>, one: Option<&str>| {
        let (tenant, after) = (tenant.map(str::to_owned), after.map(name));
        let look =
            ScheduleLook { ticket: Ticket(4), schedule: one.map(name), tenant, after, max: 9 };
        bench.driver.handle_schedule_look(look, bench.now);
        bench.settle();
        let answers = bench.answers().into_iter().filter_map(|it| {
            if let Answer::Schedule(view) = it {
                Some(view.schedule.name.to_string())
            } else {
                None
            }
        });
        answers.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(page(None, None, None), "a b c d");
    assert_eq!(page(None, Some("b"), None), "c d");
    assert_eq!(page(Some("t0"), Some("a"), None), "c");
    assert_eq!(
        (page(Some("t0"), None, Some("b")), page(Some("t1"), None, Some("b"))),
        ("".into(), "b".into())
    );
}

#[test]
fn a_start_of_the_host_is_fired_for_once_whenever_the_gateway_starts_again() {
    let mut bench = bench();
    bench.shape(shape("@reboot"));
    bench.config = config_at("two");
    for _ in 0..3 {
        bench.restart();
        bench.pass(MINUTE);
    }
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    // One that fires at times of its own does so at these alone.
    bench.schedule(ScheduleVerb::Delete).unwrap();
    bench.shape(shape("0 9 * * *"));
    bench.config = config_at("three");
    bench.restart();
    assert_eq!(bench.fates().len(), 1);
}

#[test]
fn a_firing_that_nobody_starts_in_its_time_expires() {
    let mut bench = bench();
    bench.shape(ScheduleShape { expires_in: Some(MINUTE), ..shape("0 * * * *") });
    bench.pass(Span(HOUR.0 + MINUTE.0 - 1_000_000_000));
    assert_eq!(bench.state(JobId(1)), JobState::Pending);
    bench.pass(Span::from_secs(2));
    assert_eq!(bench.state(JobId(1)), JobState::Expired);
}
