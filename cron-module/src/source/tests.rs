//! What is a plan, and what is told of what is none.

use jiff::tz::TimeZone;
use ostler_job::durable::{FoldPolicy, GapPolicy, MissedPolicy, ScheduleName, ScheduleShape};
use ostler_job::{Span, Wall};
use ostler_module::{Plan, Source};

use super::Cron;

const HOUR: u64 = 3_600_000;

fn source() -> Cron {
    let names = ["Europe/Berlin", "Europe/Dublin", "America/Santiago"].map(str::to_owned).to_vec();
    Cron::new("boot 1", |name| TimeZone::get(name).ok()).with_names(names)
}

fn shape(cron: &str, zone: &str) -> ScheduleShape {
    let spec = serde_json::json!({"work": {"module": "noop"}, "identity": "a"});
    serde_json::from_value(serde_json::json!({"cron": cron, "zone": zone, "spec": spec}))
        .expect("a shape")
}

fn plan(shape: &ScheduleShape) -> Result<Box<dyn Plan>, String> {
    let name = ScheduleName::new("nightly").expect("a name");
    source().plan(&name, shape, Wall(0))
}

fn refused(shape: &ScheduleShape) -> String {
    plan(shape).map(|_| ()).expect_err("it is refused")
}

#[test]
fn an_expression_that_is_wrong_is_told_with_its_column() {
    assert_eq!(
        refused(&shape("0 61 * * *", "UTC")),
        "\"0 61 * * *\": column 3: there is no hour 61; write a number from 0 to 23"
    );
    let never = refused(&shape("0 0 30 2 *", "UTC"));
    assert!(never.contains("it never fires"), "{never}");
    let long = refused(&shape(&"x".repeat(900), "UTC"));
    assert!(long.len() < 2_000, "{long}");
}

#[test]
fn crontabs_are_read_by_the_word_of_vixie() {
    let mut it = shape("0 0 */2 * MON", "UTC");
    let days = |it: &ScheduleShape| plan(it).expect("a plan").coming(Wall(0), 3);
    assert_eq!(days(&it)[..2], [Wall(48 * HOUR), Wall(96 * HOUR)]);
    it.vixie = true;
    // The 5th of January 1970 is the first Monday that is odd.
    assert_eq!(days(&it)[0], Wall(4 * 24 * HOUR));
}

#[test]
fn a_zone_that_there_is_not_is_told_with_one_that_is_meant() {
    for (zone, said) in [
        ("Berlin", "there is no time zone \"Berlin\"; did you mean Europe/Berlin?"),
        ("Asia/Berlin", "there is no time zone \"Asia/Berlin\"; did you mean Europe/Berlin?"),
        (
            "america/new york",
            "there is no time zone \"america/new york\"; did you mean America/New_York?",
        ),
        ("Europe/Dubln", "there is no time zone \"Europe/Dubln\"; did you mean Europe/Dublin?"),
        (
            "Moon/Base",
            "there is no time zone \"Moon/Base\"; write one by its IANA name, such as Europe/Berlin or UTC",
        ),
        ("", "there is no time zone; write one by its IANA name, such as Europe/Berlin or UTC"),
        (
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "the time zone \"CET-1CEST,M3.5.0,M10.5.0/3\" is a rule of POSIX, which knows no past changes of clocks; write one by its IANA name, such as Europe/Berlin or UTC",
        ),
    ] {
        assert_eq!(refused(&shape("0 3 * * *", zone)), said);
    }
    for zone in ["<+03>-3", "JST-9", "../../etc/passwd", "/etc/localtime", "Etc/Unknown", "\0"] {
        assert!(plan(&shape("0 3 * * *", zone)).is_err(), "{zone}");
    }
}

#[test]
fn a_zone_has_its_iana_name_and_utc_is_there_without_data() {
    for zone in ["Europe/Berlin", "europe/berlin", "EST5EDT", "Etc/GMT+5", "UTC"] {
        assert!(plan(&shape("0 3 * * *", zone)).is_ok(), "{zone}");
    }
    let bare = Cron::new("", |_| None);
    assert_eq!(bare.zone("Etc/UTC"), Ok(TimeZone::UTC));
    assert!(bare.zone("Europe/Berlin").is_err());
}

#[test]
fn no_name_that_could_be_a_path_is_looked_up() {
    let source = Cron::new("", |name| panic!("{name} is looked up"));
    for name in ["/etc/localtime", "../UTC", ":UTC", "a b", "Europe/../../x", &"x".repeat(65)] {
        assert!(source.look(name).is_none(), "{name}");
    }
}

#[test]
fn newer_data_of_a_zone_take_the_place_of_older() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let newer = Arc::new(AtomicBool::new(false));
    let is_newer = Arc::clone(&newer);
    let source = Cron::new("", move |_| {
        TimeZone::get(if is_newer.load(Ordering::Relaxed) {
            "Europe/Dublin"
        } else {
            "Europe/Berlin"
        })
        .ok()
    });
    let one = source.zone("A/B");
    assert_eq!(one, source.zone("A/B"));
    newer.store(true, Ordering::Relaxed);
    assert_eq!(source.zone("A/B"), Ok(TimeZone::get("Europe/Dublin").expect("a zone")));
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    let good = shape("0 3 * * *", "UTC");
    let all = |limit, window| ScheduleShape {
        missed: MissedPolicy::All { limit, window },
        ..good.clone()
    };
    let day = Span::from_secs(86_400);
    assert!(refused(&all(0, day)).contains("a limit from 1 to 10000"));
    assert!(refused(&all(10_001, day)).contains("a limit from 1 to 10000"));
    assert!(refused(&all(1, Span::ZERO)).contains("a window such as 1d"));
    assert!(plan(&all(10_000, day)).is_ok());
    assert!(plan(&all(1, Span::from_millis(1))).is_ok());
    let jitter = |jitter| ScheduleShape { jitter, ..good.clone() };
    assert!(plan(&jitter(Span::from_secs(7 * 86_400))).is_ok());
    assert!(refused(&jitter(Span::from_secs(7 * 86_400 + 1))).contains("at most"));
    for none in [
        ScheduleShape { expect_within: Some(Span::ZERO), ..good.clone() },
        ScheduleShape { max_run: Some(Span::ZERO), ..good.clone() },
        ScheduleShape { expires_in: Some(Span::ZERO), ..good.clone() },
    ] {
        assert!(refused(&none).contains("is no time at all; write one"), "{none:?}");
    }
}

type Change = fn(&mut ScheduleShape);

#[test]
fn what_has_no_meaning_for_a_length_of_time_or_a_start_of_the_host_is_refused() {
    let with = |cron: &str, change: Change| {
        let mut it = shape(cron, "UTC");
        change(&mut it);
        it
    };
    let changes: [(Change, &str, bool); 6] = [
        (|it| it.gap = GapPolicy::Skip, "gap", true),
        (|it| it.fold = FoldPolicy::Both, "fold", true),
        (|it| it.jitter = Span::from_secs(1), "jitter", false),
        (|it| it.starts = Some(Wall(1)), "starts", false),
        (|it| it.ends = Some(Wall(HOUR)), "ends", false),
        (
            |it| it.missed = MissedPolicy::All { limit: 1, window: Span::from_secs(1) },
            "missed = all",
            false,
        ),
    ];
    for (change, setting, also_every) in changes {
        let said = refused(&with("@reboot", change));
        assert!(said.starts_with(&format!("{setting} has no meaning with @reboot")), "{said}");
        let every = with("@every 90s", change);
        if also_every {
            let said = refused(&every);
            assert!(said.starts_with(&format!("{setting} has no meaning with @every")), "{said}");
        } else {
            assert!(plan(&every).is_ok(), "{setting}");
        }
        assert!(plan(&with("0 0 * * *", change)).is_ok() || setting == "ends", "{setting}");
    }
    assert!(plan(&with("@reboot", |it| it.missed = MissedPolicy::Skip)).is_ok());
    assert!(refused(&shape("@every 3661d", "UTC")).contains("longer than ten years"));
    assert!(plan(&shape("@every 3660d", "UTC")).is_ok());
}

#[test]
fn something_is_left_between_starts_and_ends() {
    let mut it = shape("0 3 * * *", "Europe/Berlin");
    it.starts = Some(Wall(48 * HOUR));
    it.ends = Some(Wall(48 * HOUR - 1));
    assert_eq!(
        refused(&it),
        "ends (1970-01-03T00:59:59.999+01:00) is before starts (1970-01-03T01:00:00+01:00); write them the other way round"
    );
    it.ends = Some(Wall(50 * HOUR - 1));
    assert_eq!(
        refused(&it),
        "\"0 3 * * *\" never fires from starts (1970-01-03T01:00:00+01:00) to ends (1970-01-03T02:59:59.999+01:00); write a later end: the next one is 1970-01-03T03:00:00+01:00"
    );
    it.ends = Some(Wall(50 * HOUR));
    assert_eq!(plan(&it).expect("a plan").coming(Wall(0), 9), [Wall(50 * HOUR)]);
    it.starts = None;
    it.ends = Some(Wall(HOUR));
    assert!(refused(&it).contains("never fires until ends (1970-01-01T02:00:00+01:00)"));
    // What counts from when it was made was over before that: no contradiction.
    let mut every = shape("@every 1h", "UTC");
    every.ends = Some(Wall(HOUR));
    let name = ScheduleName::new("a").expect("a name");
    assert!(source().plan(&name, &every, Wall(2 * HOUR)).is_ok());
    every.ends = Some(Wall(HOUR - 1));
    assert!(source().plan(&name, &every, Wall(0)).is_err());
}

#[test]
fn a_moment_is_shown_by_the_clocks_of_its_zone() {
    let it = plan(&shape("0 3 * * *", "Europe/Berlin")).expect("a plan");
    assert_eq!(it.shown(Wall(1_774_746_000_000)), "2026-03-29T03:00:00+02:00");
    assert_eq!(it.shown(Wall(1_774_745_999_500)), "2026-03-29T01:59:59.5+01:00");
    assert!(it.shown(Wall(u64::MAX)).starts_with("9999-"));
    let it = plan(&shape("@reboot", "UTC")).expect("a plan");
    assert!(it.is_for_boots());
    assert_eq!((it.next(Wall(0)), it.coming(Wall(0), 5)), (None, vec![]));
    assert_eq!(source().boot(), "boot 1");
}

#[test]
fn jitter_is_the_same_for_the_same_name_and_spreads_those_of_many() {
    let jittered = ScheduleShape { jitter: Span::from_secs(60), ..shape("0 3 * * *", "UTC") };
    let source = source();
    let by = |name: String| {
        let name = ScheduleName::new(&name).expect("a name");
        let plan = source.plan(&name, &jittered, Wall(0)).expect("a plan");
        plan.next(Wall(0)).expect("it fires").0 - 3 * HOUR
    };
    let all: Vec<u64> = (0..600).map(|it| by(format!("job{it}"))).collect();
    assert_eq!(all, (0..600).map(|it| by(format!("job{it}"))).collect::<Vec<_>>());
    assert!(all.iter().all(|it| *it <= 60_000));
    for second in 0..60 {
        assert!(all.iter().any(|it| it / 1_000 == second), "none is {second} s late");
    }
}
