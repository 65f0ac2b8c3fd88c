//! Whose schedules are: the configuration's, tenants', and those that cannot be read any more.

use super::*;

#[test]
fn the_configurations_is_changed_by_nobody_else_and_ends_with_it() {
    let mut bench = bench();
    bench.config.schedules = vec![(name("s"), shape("* * * * *"))];
    bench.restart();
    bench.pass(MINUTE);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    assert_eq!(bench.try_put(shape("0 9 * * *")).unwrap_err(), ScheduleRefusal::OfFile);
    assert_eq!(bench.schedule(ScheduleVerb::Delete).unwrap_err(), ScheduleRefusal::OfFile);
    // Whoever operates it may hold it back.
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.restart();
    assert!(bench.kept().stand.paused.is_some());
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.config.schedules.clear();
    bench.restart();
    bench.pass(HOUR);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)], "it fires no more, and its history is there");
    assert!(bench.view().schedule.stand.ended_at.is_some());
    assert_eq!(bench.schedule(ScheduleVerb::Run).unwrap_err(), ScheduleRefusal::Ended);
    bench.config.schedules = vec![(name("s"), shape("* * * * *"))];
    bench.restart();
    bench.pass(MINUTE);
    assert_eq!(
        bench.fates(),
        [(Fate::Fired, 1); 2],
        "it is back, and nothing in between was missed"
    );
    bench.config.schedules.clear();
    bench.restart();
    bench.schedule(ScheduleVerb::Delete).unwrap();
    assert!(bench.store.schedules(bench.now.wall).unwrap().is_empty());
    assert_eq!(bench.firings().len(), 2, "what it did stays");
}

#[test]
fn other_times_begin_now_and_the_same_times_go_on() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    bench.skip(Span(HOUR.0 * 2));
    let other = ScheduleShape { overlap: OverlapPolicy::Skip, ..shape("0 9 * * *") };
    bench.shape(other);
    assert_eq!(bench.kept().stand.cursor, Wall(EPOCH), "what is due and not decided stays so");
    bench.shape(shape("30 9 * * *"));
    assert_eq!(bench.kept().stand.cursor, bench.now.wall);
    bench.pass(HOUR);
    assert!(bench.firings().is_empty());
    assert!(!bench.shape(shape("30 9 * * *")).is_new);
    assert!(bench.changes.is_empty(), "put twice it is as good as done");
}

#[test]
fn a_name_that_is_to_be_new_and_is_not_is_refused_and_so_is_another_tenants() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    let put = |new_only| ScheduleVerb::Put {
        shape: Box::new(shape("0 8 * * *")),
        paused: false,
        new_only,
        others: true,
        fired: Vec::new(),
    };
    assert_eq!(bench.schedule(put(true)).unwrap_err(), ScheduleRefusal::Taken);
    for (verb, why) in [
        (put(false), ScheduleRefusal::Taken),
        (ScheduleVerb::Pause, ScheduleRefusal::Unknown),
        (ScheduleVerb::Run, ScheduleRefusal::Unknown),
        (ScheduleVerb::Delete, ScheduleRefusal::Unknown),
    ] {
        let (who, tenant) = ("other".into(), Some("other".to_owned()));
        let order = ScheduleOrder { ticket: Ticket(3), who, tenant, schedule: name("s"), verb };
        bench.driver.handle_schedule(order, bench.now);
        bench.settle();
        let refused = Answer::ScheduleRefused { schedule: name("s"), why };
        assert_eq!(bench.answers(), [refused]);
    }
    assert_eq!(bench.kept().shape.cron, "0 9 * * *");
}

#[test]
fn what_is_no_schedule_is_refused_and_changes_nothing() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    for wrong in ["0 0 30 2 *", "61 * * * *", "", "never"] {
        let why = bench.try_put(shape(wrong)).unwrap_err();
        assert!(matches!(why, ScheduleRefusal::Unusable(_)), "{wrong}");
        assert_eq!(bench.kept().shape.cron, "0 9 * * *");
    }
    bench.config.schedules_max = 1;
    bench.restart();
    let put = put(shape("0 8 * * *"));
    assert_eq!(bench.schedule_of("two", put).unwrap_err(), ScheduleRefusal::TooMany(1));
}

#[test]
fn one_whose_zone_was_dropped_pauses_itself_and_goes_on_when_that_is_back() {
    let mut bench = bench();
    bench.shape(ScheduleShape { zone: "Europe/Dropped".into(), ..shape("* * * * *") });
    DROPPED.lock().unwrap().push("Europe/Dropped");
    bench.restart();
    assert!(bench.events().contains(&EventKind::Schedule), "it is told");
    let Stand { fault, .. } = bench.view().schedule.stand.clone();
    assert!(fault.unwrap().contains("Europe/Dropped"));
    bench.pass(Span(MINUTE.0 * 3));
    assert!(bench.firings().is_empty());
    let why = bench.schedule(ScheduleVerb::Resume).unwrap_err();
    assert!(matches!(why, ScheduleRefusal::Unusable(why) if why.contains("Europe/Dropped")));
    let figures = bench.driver.figures(bench.now).schedules;
    assert_eq!(figures.states, [0, 0, 1, 0]);
    bench.restart();
    assert!(!bench.events().contains(&EventKind::Schedule), "it is told once");
    DROPPED.lock().unwrap().clear();
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Missed, 2), (Fate::Fired, 1)]);
}

#[test]
fn one_for_each_start_of_the_host_fires_once_for_each_and_not_for_each_of_the_gateway() {
    let mut bench = bench();
    bench.shape(shape("@reboot"));
    bench.pass(HOUR);
    bench.restart();
    assert!(bench.firings().is_empty(), "it is there since this start");
    bench.config = config_at("two");
    bench.restart();
    bench.restart();
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.config = config_at("three");
    bench.restart();
    assert_eq!(bench.fates(), [(Fate::Fired, 1)], "one that is paused does not");
}

#[test]
fn what_waits_does_not_outlive_its_schedule() {
    for ends in [false, true] {
        let mut bench = bench();
        let it = ScheduleShape { overlap: OverlapPolicy::QueueAll, ..shape("* * * * *") };
        if ends {
            bench.config.schedules = vec![(name("s"), it)];
            bench.restart();
        } else {
            bench.shape(it);
        }
        bench.pass(Span(MINUTE.0 * 3));
        assert_eq!(bench.fates()[1..], [(Fate::Waiting, 1); 2]);
        if ends {
            bench.config.schedules.clear();
            bench.restart();
        } else {
            bench.schedule(ScheduleVerb::Delete).unwrap();
        }
        bench.steer(Verb::Cancel, JobId(1));
        assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Missed, 1), (Fate::Missed, 1)]);
    }
}

#[test]
fn one_made_again_by_its_name_has_what_the_one_before_has_not_finished() {
    let mut bench = bench();
    let it = ScheduleShape { overlap: OverlapPolicy::Skip, ..shape("* * * * *") };
    bench.shape(it.clone());
    bench.pass(MINUTE);
    bench.schedule(ScheduleVerb::Delete).unwrap();
    assert_eq!(bench.shape(it).unfinished, [JobId(1)]);
    bench.pass(MINUTE);
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Overlapped, 1)]);
    bench.steer(Verb::Cancel, JobId(1));
    bench.pass(MINUTE);
    assert_eq!(bench.fates().pop(), Some((Fate::Fired, 1)));
}

#[test]
fn what_another_token_put_is_changed_by_whoever_may_change_what_others_put() {
    let mut bench = bench();
    let put = |bench: &mut Bench, who: &str, cron: &str, others| {
        let verb = ScheduleVerb::Put {
            shape: Box::new(shape(cron)),
            paused: false,
            new_only: false,
            others,
            fired: Vec::new(),
        };
        let (ticket, who) = (Ticket(3), who.to_owned());
        let order = ScheduleOrder { ticket, who, tenant: None, schedule: name("s"), verb };
        bench.driver.handle_schedule(order, bench.now);
        bench.settle();
        let answer = bench.answers().remove(0);
        if let Answer::ScheduleRefused { why, .. } = answer { Err(why) } else { Ok(answer) }
    };
    put(&mut bench, "ci", "0 9 * * *", false).unwrap();
    put(&mut bench, "ci", "0 8 * * *", false).unwrap();
    bench.restart();
    assert_eq!(put(&mut bench, "web", "0 7 * * *", false), Err(ScheduleRefusal::Others));
    put(&mut bench, "web", "0 8 * * *", false).expect("as it is already it is nobody's harm");
    assert_eq!(bench.kept().put_by.as_deref(), Some("ci"));
    put(&mut bench, "admin", "0 6 * * *", true).unwrap();
    assert_eq!(bench.kept().put_by.as_deref(), Some("admin"));
    assert_eq!(put(&mut bench, "ci", "0 9 * * *", false), Err(ScheduleRefusal::Others));
    // What the configuration had was nobody's.
    bench.config.schedules = vec![(name("s"), shape("* * * * *"))];
    bench.restart();
    bench.config.schedules.clear();
    bench.restart();
    assert_eq!(put(&mut bench, "admin", "* * * * *", false), Err(ScheduleRefusal::Others));
    put(&mut bench, "admin", "* * * * *", true).unwrap();
}

#[test]
fn whatever_of_its_times_is_another_they_begin_now() {
    use ostler_job::durable::{FoldPolicy, GapPolicy};
    let times: [fn(&mut ScheduleShape); 7] = [
        |it| it.vixie = true,
        |it| it.zone = "Europe/Berlin".into(),
        |it| it.gap = GapPolicy::Skip,
        |it| it.fold = FoldPolicy::Both,
        |it| it.jitter = MINUTE,
        |it| it.starts = Some(Wall(EPOCH)),
        |it| it.ends = Some(Wall(EPOCH * 2)),
    ];
    for (which, change) in times.into_iter().enumerate() {
        let mut bench = bench();
        bench.shape(shape("0 9 * * *"));
        bench.skip(Span(MINUTE.0 * 2));
        let mut other = shape("0 9 * * *");
        change(&mut other);
        bench.shape(other);
        assert_eq!(bench.kept().stand.cursor, bench.now.wall, "{which}");
    }
}

#[test]
fn one_that_is_put_paused_is_so_until_it_is_resumed() {
    let mut bench = bench();
    let verb = ScheduleVerb::Put {
        shape: Box::new(shape("* * * * *")),
        paused: true,
        new_only: false,
        others: true,
        fired: Vec::new(),
    };
    bench.schedule(verb).unwrap();
    assert_eq!(bench.kept().stand.paused.map(|it| it.who).as_deref(), Some("operator"));
    bench.pass(Span(MINUTE.0 * 2));
    assert!(bench.firings().is_empty());
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(MINUTE);
    assert_eq!(bench.fates().pop(), Some((Fate::Fired, 1)));
}
