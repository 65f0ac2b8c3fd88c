//! What people are told of schedules: that nothing has succeeded for too long, that one runs too long.

use serde_json::Value;

use super::*;

impl Bench {
    /// What was told of schedules in the last events.
    fn told_of_it(&self) -> Vec<String> {
        let told = self.changes.iter().filter_map(|change| {
            let Change::Event { kind: EventKind::Schedule, detail, .. } = change else {
                return None;
            };
            let detail: Value = serde_json::from_str(detail).unwrap();
            Some(detail["action"].as_str().unwrap().to_owned())
        });
        told.collect()
    }
}

#[test]
fn without_a_success_for_as_long_as_is_expected_it_is_overdue_until_there_is_one() {
    let mut bench = bench();
    bench.shape(ScheduleShape { expect_within: Some(Span(HOUR.0 * 2)), ..shape("0 * * * *") });
    bench.pass(Span(HOUR.0 * 2 - 1_000_000_000));
    assert_eq!(bench.told_of_it(), [""; 0]);
    bench.pass(Span::from_secs(2));
    assert_eq!(bench.told_of_it(), ["overdue"]);
    assert!(bench.view().schedule.stand.overdue_at.is_some());
    assert_eq!(bench.driver.figures(bench.now).schedules.overdue, 1);
    bench.restart();
    bench.pass(HOUR);
    assert_eq!(bench.told_of_it(), [""; 0], "it is told once");
    bench.beat("a", 1, &[]);
    bench.end_run(Reason::ExitStatus);
    assert_eq!(bench.told_of_it(), [""; 0], "a failure is none");
    bench.end_run(Reason::Ok);
    assert_eq!(bench.told_of_it(), ["recovered"]);
    assert_eq!(bench.kept().stand.succeeded_at, Some(bench.now.wall));
    bench.pass(Span(HOUR.0 * 2 + 1_000_000_000));
    assert_eq!(bench.told_of_it(), ["overdue"], "and again");
}

#[test]
fn nobody_expects_anything_of_one_that_is_paused() {
    let mut bench = bench();
    bench.shape(ScheduleShape { expect_within: Some(HOUR), ..shape("0 * * * *") });
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.pass(Span(HOUR.0 * 3));
    assert_eq!(bench.told_of_it(), [""; 0]);
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(Span(HOUR.0 - 1_000_000_000));
    assert_eq!(bench.told_of_it(), [""; 0], "it is given its time anew");
    bench.pass(Span::from_secs(2));
    assert_eq!(bench.told_of_it(), ["overdue"]);
}

#[test]
fn one_that_runs_longer_than_it_may_is_told_and_not_ended() {
    let mut bench = bench();
    bench.beat("a", 1, &[]);
    bench.shape(ScheduleShape { max_run: Some(Span::from_secs(8)), ..shape("0 9 * * *") });
    bench.pass(HOUR);
    let runs = bench.effects.clone();
    bench.beat("a", 1, &[]);
    bench.pass(Span::from_secs(9));
    assert_eq!(bench.told_of_it(), ["too_long"]);
    assert_eq!(bench.view().too_long, [JobId(1)]);
    assert!(bench.orders().is_empty());
    drop(runs);
}

#[test]
fn one_that_runs_too_long_is_told_on_time_though_nothing_else_happens() {
    let mut bench = bench();
    bench.shape(ScheduleShape { max_run: Some(HOUR), ..shape("0 23 * * *") });
    bench.schedule(ScheduleVerb::Run).unwrap();
    let (at, why) = bench.driver.poll_timeout().unwrap();
    assert_eq!((at - bench.now.mono, why), (HOUR, "a firing runs too long"));
    bench.pass(HOUR);
    assert_eq!(bench.told_of_it(), ["too_long"]);
}
