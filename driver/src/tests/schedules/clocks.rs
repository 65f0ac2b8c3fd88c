//! Clocks that are set, and hosts that sleep.

use std::collections::BTreeSet;

use super::*;

/// The wall clock is set.
fn set(bench: &mut Bench, millis: i64) {
    bench.now.wall = Wall(bench.now.wall.0.saturating_add_signed(millis));
}

/// Passes seconds; whoever owns the driver looks at it twice in each.
fn seconds(bench: &mut Bench, count: u64) {
    for _ in 0..count * 2 {
        bench.pass(Span::from_millis(500));
        if bench.driver.clock_was_set(bench.now) {
            bench.driver.handle_timeout(bench.now);
            bench.settle();
        }
    }
}

#[test]
fn a_clock_set_forward_by_an_hour_makes_what_lay_in_it_missed_at_once() {
    let mut bench = bench();
    bench.shape(shape("*/10 * * * *"));
    seconds(&mut bench, 5);
    set(&mut bench, 3_600_000);
    seconds(&mut bench, 1);
    assert_eq!(bench.fates(), [(Fate::Missed, 5), (Fate::Fired, 1)]);
    seconds(&mut bench, 600);
    assert_eq!(bench.fates()[2..], [(Fate::Fired, 1)]);
}

#[test]
fn a_clock_set_back_by_an_hour_fires_nothing_twice_and_goes_on_after_it() {
    let mut bench = bench();
    bench.shape(shape("*/10 * * * *"));
    seconds(&mut bench, 610);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    set(&mut bench, -3_600_000);
    seconds(&mut bench, 3_600);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    seconds(&mut bench, 600);
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 2]);
}

/// systemd 16347: a host that started with a clock that was hours ahead, and was put right, had what is daily so much too early for ever.
#[test]
fn a_clock_that_was_hours_ahead_from_the_start_is_followed_when_it_has_been_right_for_an_hour() {
    const AHEAD: u64 = 8 * 3_600_000;
    let mut bench = bench();
    bench.shape(shape("0 * * * *"));
    seconds(&mut bench, 7_200);
    bench.now.wall = Wall(bench.now.wall.0 - AHEAD);
    let told = |bench: &mut Bench, seconds: u64| {
        let each = (0..seconds).map(|_| {
            bench.pass(Span::from_secs(1));
            bench.driver.handle_timeout(bench.now);
            bench.settle();
            bench.effects.iter().filter(|it| **it == Effect::SetBack).count()
        });
        each.sum::<usize>()
    };
    assert_eq!(told(&mut bench, 59 * 60), 0, "it may be a mistake");
    assert_eq!(told(&mut bench, 300), 1, "once");
    let before = bench.firings();
    seconds(&mut bench, 300);
    assert_eq!(bench.firings(), before, "it stands ahead");
    let fired = bench.store.fired_after(&name("s"), bench.now.wall, 99).unwrap();
    let version = bench.view().version;
    let order = |version| ScheduleVerb::SetBack { fired: fired.clone(), version };
    assert_eq!(bench.schedule(order(version - 1)).unwrap_err(), ScheduleRefusal::Changed);
    bench.schedule(order(version)).unwrap();
    let cursor = bench.view().schedule.stand.cursor;
    assert_eq!(cursor, bench.now.wall, "it goes on from now");
    seconds(&mut bench, 12 * 3_600);
    let firings = bench.firings();
    assert!(firings.iter().all(|it| it.fate == Fate::Fired), "{firings:?}");
    let dues: BTreeSet<Wall> = firings.iter().map(|it| it.due).collect();
    assert_eq!(dues.len(), firings.len(), "no moment has two");
    let late = |it: &Firing| it.at.0.abs_diff(it.due.0);
    let after: Vec<&Firing> = firings.iter().filter(|it| it.at > cursor).collect();
    let own = after.iter().filter(|it| !before.contains(it));
    assert!(own.clone().count() >= 8 && own.into_iter().all(|it| late(it) < 2_000), "{firings:?}");
}

#[test]
fn a_day_asleep_is_missed_and_made_up_for_once() {
    let mut bench = bench();
    bench.shape(shape("0 * * * *"));
    seconds(&mut bench, 5);
    // The clock for lengths of time goes on while the host sleeps.
    bench.skip(Span(HOUR.0 * 24));
    seconds(&mut bench, 1);
    // The last is 6 s late.
    assert_eq!(bench.fates(), [(Fate::Missed, 23), (Fate::Fired, 1)]);
    assert_eq!(bench.now.wall.0 - bench.firings()[1].due.0, 6_000);
}

#[test]
fn a_clock_that_is_wrong_by_years_for_a_while_fires_nothing() {
    let mut bench = bench();
    bench.shape(shape("*/10 * * * *"));
    seconds(&mut bench, 5);
    let years = 4 * 365 * 86_400_000;
    set(&mut bench, years);
    seconds(&mut bench, 300);
    assert!(bench.firings().is_empty());
    set(&mut bench, -years);
    seconds(&mut bench, 300);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
}

#[test]
fn a_cursor_that_a_wrong_clock_wrote_is_set_back_when_it_is_read_and_nothing_fires_twice() {
    for is_of_file in [false, true] {
        let mut bench = bench();
        bench.shape(shape("*/10 * * * *"));
        bench.pass(Span::from_secs(600));
        let due = bench.firings()[0].due;
        // The clock had been right a day ago only.
        bench.now.wall = Wall(bench.now.wall.0 - 86_400_000);
        if is_of_file {
            // It is the configuration's from now on, and fires at the same times.
            let it = ScheduleShape { max_run: Some(HOUR), ..shape("*/10 * * * *") };
            bench.config.schedules = vec![(name("s"), it)];
        }
        bench.restart();
        assert!(bench.events().contains(&EventKind::Schedule), "it is told");
        bench.pass(Span::from_secs(600));
        assert_eq!(bench.firings().len(), 2, "it goes on at once");
        bench.pass(Span(HOUR.0 * 24));
        let again = bench.firings().iter().filter(|it| it.due == due).count();
        assert_eq!(again, 1, "a moment that has a job has one");
        assert_eq!(
            bench.store.load(&mut |_| {}).unwrap().next_job.0,
            bench.jobs_of().len() as u64 + 1
        );
    }
}

#[test]
fn one_moved_back_tries_again_what_has_no_job_and_leaves_what_has_one() {
    let mut bench = bench();
    bench.shape(ScheduleShape { missed: MissedPolicy::Skip, ..shape("0 * * * *") });
    bench.pass(HOUR);
    bench.skip(Span(HOUR.0 * 3 + MINUTE.0 * 2));
    bench.restart();
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Missed, 3)]);
    let missed = MissedPolicy::All { limit: 9, window: Span(HOUR.0 * 24) };
    bench.shape(ScheduleShape { missed, ..shape("0 * * * *") });
    let fired = bench.store.fired_after(&name("s"), Wall(EPOCH), 9).unwrap();
    let version = bench.view().version;
    let order = |version| ScheduleVerb::Cursor { to: Wall(EPOCH), fired: fired.clone(), version };
    let stale = bench.schedule(order(version - 1)).unwrap_err();
    assert_eq!(stale, ScheduleRefusal::Changed, "something was decided since the store was read");
    bench.schedule(order(version)).unwrap();
    // Also when it is read anew in between.
    bench.restart();
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 4]);
}

#[test]
fn a_gateway_that_was_stopped_for_a_while_makes_up_for_one() {
    let mut bench = bench();
    bench.shape(shape("* * * * * *"));
    bench.pass(Span::from_secs(5));
    bench.skip(Span::from_secs(20));
    bench.driver.handle_timeout(bench.now);
    bench.settle();
    // What came due in the last three seconds is on time: so long a gateway may be busy.
    assert_eq!(
        bench.fates()[5..],
        [
            (Fate::Missed, 16),
            (Fate::Fired, 1),
            (Fate::Fired, 1),
            (Fate::Fired, 1),
            (Fate::Fired, 1)
        ]
    );
}

#[test]
fn a_machine_that_starts_in_1970_waits_for_the_time_and_misses_nothing_then() {
    let mut bench = bench();
    bench.shape(shape("0 * * * *"));
    bench.pass(HOUR);
    let away = bench.now.wall.0 + 2 * 3_600_000 + 600_000;
    bench.now.wall = Wall(40_000);
    bench.restart();
    seconds(&mut bench, 30);
    assert_eq!(
        (bench.fates(), bench.kept().stand.cursor),
        (vec![(Fate::Fired, 1)], Wall(EPOCH + 3_600_000))
    );
    // It has asked for the time.
    bench.now.wall = Wall(away);
    seconds(&mut bench, 1);
    assert_eq!(bench.fates()[1..], [(Fate::Missed, 1), (Fate::Fired, 1)]);
}

#[test]
fn a_clock_that_is_in_1970_for_hours_is_not_followed_and_nothing_is_late_when_it_is_right() {
    let mut bench = bench();
    bench.shape(shape("*/10 * * * *"));
    seconds(&mut bench, 5);
    let years = bench.now.wall.0 - 40_000;
    bench.now.wall = Wall(40_000);
    seconds(&mut bench, 7_200);
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 12], "it goes on by the time before it");
    bench.now.wall = Wall(bench.now.wall.0 + years);
    seconds(&mut bench, 1_200);
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 14]);
}

#[test]
fn orders_to_run_are_of_now_again_when_the_clock_that_was_ahead_was_set_back() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    bench.now.wall = Wall(EPOCH + 60_000);
    for _ in 0..3 {
        bench.schedule(ScheduleVerb::Run).unwrap();
    }
    let ahead: Vec<Wall> = bench.firings().iter().map(|it| it.due).collect();
    bench.now.wall = Wall(EPOCH);
    let fired = bench.store.fired_after(&name("s"), bench.now.wall, 99).unwrap();
    let version = bench.view().version;
    bench.schedule(ScheduleVerb::SetBack { fired, version }).unwrap();
    bench.schedule(ScheduleVerb::Run).unwrap();
    assert!(bench.firings()[0].due < ahead[0], "{:?}", bench.firings());
    bench.now.wall = Wall(EPOCH + 60_000);
    for _ in 0..2 {
        bench.schedule(ScheduleVerb::Run).unwrap();
    }
    assert_eq!(bench.jobs_of().len(), 6, "each has a moment of its own");
}

#[test]
fn a_cursor_an_hour_ahead_is_waited_for_and_one_that_is_further_is_not() {
    for (minutes, is_set_back) in [(60, false), (61, false), (62, true)] {
        let mut bench = bench();
        bench.shape(shape("*/10 * * * *"));
        let version = bench.view().version;
        let to = Wall(EPOCH + minutes * 60_000);
        bench.schedule(ScheduleVerb::Cursor { to, fired: Vec::new(), version }).unwrap();
        bench.restart();
        assert_eq!(bench.kept().stand.cursor < to, is_set_back, "{minutes}");
    }
}

#[test]
fn what_a_clock_that_was_ahead_wrote_is_of_now_when_it_is_set_back() {
    const DAY: u64 = 86_400_000;
    let mut bench = bench();
    bench.now.wall = Wall(EPOCH + DAY);
    bench.restart();
    bench.shape(ScheduleShape { expect_within: Some(HOUR), ..shape("* * * * *") });
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(MINUTE);
    bench.beat("a", 9, &[]);
    bench.end_run(Reason::Ok);
    let ahead = bench.kept().stand;
    let most = ahead.succeeded_at.unwrap().min(ahead.since).min(ahead.made).min(ahead.resumed_at);
    assert!(most.0 >= EPOCH + DAY, "{ahead:?}");
    bench.now.wall = Wall(EPOCH);
    bench.restart();
    let Stand { since, made, resumed_at, succeeded_at, cursor, .. } = bench.kept().stand;
    assert_eq!([since, made, resumed_at, succeeded_at.unwrap(), cursor], [Wall(EPOCH); 5]);
    bench.pass(Span(HOUR.0 + 2_000_000_000));
    assert!(bench.kept().stand.overdue_at.is_some(), "it is expected as of now");
}
