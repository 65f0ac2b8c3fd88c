//! What went wrong elsewhere, by the public reports of other schedulers; each test names whose.

use super::*;

const DAY: Span = Span::from_secs(86_400);

/// One second after the other, so that nobody is asleep.
fn awake(bench: &mut Bench, span: Span) {
    let end = bench.now.mono + span;
    while bench.now.mono < end {
        bench.pass(Span::from_secs(1));
    }
}

/// The host is on for some minutes, and off for the rest of each hour.
fn hours_with(bench: &mut Bench, count: u64, minutes: u64) {
    for _ in 0..count {
        bench.restart();
        awake(bench, Span(MINUTE.0 * minutes));
        bench.skip(Span(MINUTE.0 * (60 - minutes)));
    }
}

/// sidekiq-cron 109: what a deployment put again within half a minute of its moment did not fire.
#[test]
fn one_that_is_put_again_about_its_moment_fires_all_the_same() {
    for (before, after) in [(1, 0), (30, 0), (0, 1), (0, 30)] {
        let mut bench = bench();
        bench.shape(shape("0 9 * * *"));
        bench.skip(Span(HOUR.0 - Span::from_secs(before).0 + Span::from_secs(after).0));
        bench.restart();
        bench.shape(ScheduleShape { max_run: Some(MINUTE), ..shape("0 9 * * *") });
        bench.restart();
        awake(&mut bench, MINUTE);
        assert_eq!(bench.fates(), [(Fate::Fired, 1)], "{before} s before, {after} s after");
    }
}

/// systemd 16732, Oban 1156: new times of which the last one is over fired at once.
#[test]
fn other_times_never_fire_for_what_they_would_have_been() {
    for missed in [MissedPolicy::One, MissedPolicy::All { limit: 9, window: DAY }] {
        let mut bench = bench();
        bench.shape(ScheduleShape { missed, ..shape("0 7 * * *") });
        awake(&mut bench, Span(MINUTE.0 * 90));
        bench.shape(ScheduleShape { missed, ..shape("0 9 * * *") });
        awake(&mut bench, Span(MINUTE.0));
        bench.restart();
        awake(&mut bench, Span(MINUTE.0));
        assert!(bench.firings().is_empty(), "it is half past nine");
        bench.pass(DAY);
        assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    }
}

/// sidekiq-cron 30, 73: an order counted as the moment, and what was monthly fired at each deployment.
#[test]
fn neither_an_order_nor_a_start_is_one_of_its_moments() {
    let mut bench = bench();
    bench.shape(shape("0 0 1 * *"));
    for _ in 0..5 {
        bench.restart();
        awake(&mut bench, Span::from_secs(90));
        bench.skip(HOUR);
    }
    assert!(bench.firings().is_empty());
    // The middle of January until the first of February.
    bench.skip(Span(
        DAY.0 * 16 + HOUR.0 * 16 - (HOUR.0 * 5 + MINUTE.0 * 7 + MINUTE.0 / 2) - MINUTE.0,
    ));
    bench.restart();
    bench.schedule(ScheduleVerb::Run).unwrap();
    awake(&mut bench, Span(MINUTE.0 * 2));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 2]);
    assert_eq!(bench.firings().iter().filter(|it| it.by.is_some()).count(), 1);
}

/// Kubernetes 45825: after more than a hundred missed moments nothing fired any more. Quartz 939: two did at once.
#[test]
fn forty_days_of_being_paused_are_two_rows_and_it_goes_on() {
    let mut bench = bench();
    bench.shape(shape("* * * * *"));
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.skip(Span(DAY.0 * 40));
    bench.schedule(ScheduleVerb::Resume).unwrap();
    awake(&mut bench, Span::from_secs(5));
    assert_eq!(bench.fates(), [(Fate::Missed, 40 * 1_440 - 1), (Fate::Fired, 1)]);
    awake(&mut bench, MINUTE);
    assert_eq!(bench.fates()[2..], [(Fate::Fired, 1)]);
}

/// kube-downscaler 100: a deadline that is shorter than the pauses between two looks kept everything from firing.
#[test]
fn the_shortest_window_keeps_nothing_from_firing_that_is_on_time() {
    let mut bench = bench();
    let missed = MissedPolicy::All { limit: 1, window: Span::from_millis(1) };
    bench.shape(ScheduleShape { missed, ..shape("* * * * *") });
    awake(&mut bench, Span(MINUTE.0 * 5));
    bench.skip(Span::from_secs(75));
    bench.restart();
    awake(&mut bench, MINUTE);
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 7]);
}

/// Quartz 239: with the policy that leaves out what was missed three fired after a stop of 42 s.
#[test]
fn of_what_a_short_stop_missed_one_is_on_time_and_not_several() {
    let mut bench = bench();
    bench.shape(ScheduleShape { missed: MissedPolicy::Skip, ..shape("*/15 * * * * *") });
    bench.skip(Span::from_secs(42));
    bench.restart();
    bench.pass(Span::from_millis(500));
    assert_eq!(bench.fates(), [(Fate::Missed, 1), (Fate::Fired, 1)]);
}

/// systemd 42337: after what was made up for, the next one with an offset was left out.
#[test]
fn what_was_made_up_for_leaves_the_next_one_where_it_is() {
    let mut bench = bench();
    bench.shape(ScheduleShape { jitter: HOUR, ..shape("0 * * * *") });
    let view = bench.view();
    let offset = view.next_at.unwrap().0 - view.next[0].0;
    assert!(offset > 120_000, "the name has one that shows");
    // Away over the first one, until a minute and a half after it, and into the hour in which the next is due.
    bench.skip(Span(HOUR.0 + Span::from_millis(offset).0 + MINUTE.0 * 3 / 2));
    bench.restart();
    awake(&mut bench, Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    awake(&mut bench, HOUR);
    let dues: Vec<u64> = bench.firings().iter().map(|it| (it.due.0 - EPOCH) / 3_600_000).collect();
    assert_eq!(dues, [1, 2]);
}

/// systemd 21166: with a delay of half a day that began anew at each start, hosts that are on for a short time never ran it.
#[test]
fn a_long_jitter_is_not_begun_anew_by_a_host_that_is_seldom_on() {
    for jitter in [Span::ZERO, Span(HOUR.0 * 12), Span(DAY.0 * 2)] {
        let mut bench = bench();
        bench.shape(ScheduleShape { jitter, ..shape("0 6,18 * * *") });
        hours_with(&mut bench, 6 * 24, 2);
        let fired = bench.jobs_of().len();
        assert!((8..=12).contains(&fired), "{fired} of 12, the last four of which may be to come");
        assert!(bench.fates().iter().all(|it| it.0 == Fate::Fired), "{:?}", bench.fates());
    }
}

/// Temporal 11530: one that waited for its turn and the next one were both kept.
#[test]
fn one_that_waits_over_a_restart_is_the_only_one_that_waits() {
    let mut bench = bench();
    bench.beat("a", 9, &[]);
    bench.shape(ScheduleShape { overlap: OverlapPolicy::QueueOne, ..shape("* * * * *") });
    bench.pass(Span(MINUTE.0 * 2));
    for _ in 0..3 {
        bench.restart();
        bench.pass(MINUTE);
    }
    let waiting = bench.fates().iter().filter(|it| it.0 == Fate::Waiting).count();
    assert_eq!((waiting, bench.jobs_of().len(), bench.firings().len()), (1, 1, 5));
}

/// Celery 6438, 9653, 10107, 1604: about a change of the clocks what was hourly left an hour out, and what was daily came an hour off or
/// twice; a driver that looks again and again must not, and neither one that restarts.
#[test]
fn nights_in_which_clocks_are_changed_fire_as_the_calendar_says_over_restarts() {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let zone = move |_: &str| Some(berlin.clone());
    for (begin, cron, dues) in [
        // 2027-03-28, from 00:00 on: an hour is left out.
        (1_806_188_400, "0 * * * *", vec![1, 2, 3, 4]),
        (1_806_188_400, "30 2 * * *", vec![2]),
        (1_806_188_400, "0 5 * * *", vec![4]),
        // 2027-10-31: one comes twice.
        (1_824_933_600, "0 * * * *", vec![1, 2, 3, 4]),
        (1_824_933_600, "30 2 * * *", vec![2]),
        (1_824_933_600, "0 3 * * *", vec![4]),
    ] {
        let source = Arc::new(Cron::new("one", zone.clone()));
        let mut bench = Bench::with(DriverConfig { source, ..DriverConfig::default() });
        bench.now.wall = Wall(begin * 1_000);
        bench.driver.handle_timeout(bench.now);
        bench.settle();
        bench.shape(ScheduleShape { zone: "Europe/Berlin".into(), ..shape(cron) });
        for _ in 0..17 {
            awake(&mut bench, Span(MINUTE.0 * 15));
            bench.restart();
        }
        let hours = |it: &Firing| (it.due.0 / 1_000 - begin) / 3_600;
        let found: Vec<u64> = bench.firings().iter().map(hours).collect();
        assert_eq!(found, dues, "{cron} from {begin} on");
        assert!(bench.fates().iter().all(|it| it.0 == Fate::Fired));
    }
}

/// pg_cron 105, systemd 6036: a clock that was eight hours ahead for a while silenced everything for eight hours.
#[test]
fn a_clock_that_was_hours_ahead_for_a_while_silences_nothing() {
    let mut bench = bench();
    bench.shape(shape("*/10 * * * *"));
    awake(&mut bench, Span(MINUTE.0 * 5));
    bench.now.wall = Wall(bench.now.wall.0 + 8 * 3_600_000);
    awake(&mut bench, Span(MINUTE.0 * 30));
    bench.now.wall = Wall(bench.now.wall.0 - 8 * 3_600_000);
    awake(&mut bench, Span(MINUTE.0 * 30));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 6]);
    // A gateway that began with it, and begins anew with a right one, goes on as well.
    bench.now.wall = Wall(bench.now.wall.0 + 8 * 3_600_000);
    bench.restart();
    awake(&mut bench, Span(MINUTE.0 * 30));
    bench.now.wall = Wall(bench.now.wall.0 - 8 * 3_600_000);
    let before = bench.jobs_of().len();
    bench.restart();
    awake(&mut bench, Span(MINUTE.0 * 30));
    assert_eq!(bench.jobs_of().len() - before, 3);
}
