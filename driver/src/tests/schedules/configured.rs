//! What a start of the gateway makes of schedules: those of the configuration as that says, and the others as they were.

use super::*;

impl Bench {
    /// What was done and told of schedules in the last changes.
    fn actions(&self) -> Vec<String> {
        let actions = self.changes.iter().filter_map(|change| {
            let Change::Event { detail, .. } = change else { return None };
            let detail: serde_json::Value = serde_json::from_str(detail).unwrap();
            Some(detail["action"].as_str()?.to_owned())
        });
        actions.collect()
    }

    /// Starts with this one in the configuration, or with none.
    fn start_with(&mut self, it: impl IntoIterator<Item = ScheduleShape>) {
        self.config.schedules = it.into_iter().map(|it| (name("s"), it)).collect();
        self.restart();
    }
}

#[test]
fn one_of_the_configuration_is_as_that_says_and_each_change_is_written_once() {
    let mut bench = bench();
    bench.start_with([shape("* * * * *")]);
    assert_eq!(bench.actions(), ["schedule_put"]);
    bench.start_with([shape("* * * * *")]);
    assert!(bench.changes.is_empty(), "it is as it was: {:?}", bench.changes);
    bench.start_with([shape("0 9 * * *")]);
    assert_eq!(
        (bench.actions(), bench.kept().shape.cron),
        (vec!["schedule_put".into()], "0 9 * * *".into())
    );
    bench.start_with([]);
    assert_eq!(bench.actions(), ["schedule_end"]);
    bench.restart();
    assert_eq!(bench.actions(), [""; 0]);
    bench.start_with([shape("0 9 * * *")]);
    assert_eq!((bench.actions(), bench.kept().stand.ended_at), (vec!["schedule_put".into()], None));
}

#[test]
fn one_that_somebody_put_is_the_configurations_when_that_has_it_be_it_the_same() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    bench.start_with([shape("0 9 * * *")]);
    assert_eq!(bench.schedule(ScheduleVerb::Delete).unwrap_err(), ScheduleRefusal::OfFile);
    bench.start_with([]);
    assert!(bench.kept().stand.ended_at.is_some());
}

#[test]
fn one_of_the_configuration_that_cannot_be_used_is_there_and_says_why() {
    let mut bench = bench();
    DROPPED.lock().unwrap().push("Europe/Dropped");
    let it = ScheduleShape { zone: "Europe/Dropped".into(), ..shape("* * * * *") };
    bench.start_with([it.clone()]);
    assert_eq!(bench.actions(), ["schedule_put", "unusable"]);
    assert!(bench.kept().stand.fault.is_some_and(|why| why.contains("Europe/Dropped")));
    bench.pass(Span(MINUTE.0 * 3));
    DROPPED.lock().unwrap().clear();
    bench.start_with([it]);
    assert_eq!(bench.actions(), ["usable"]);
    assert_eq!(bench.kept().stand.fault, None);
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Missed, 2), (Fate::Fired, 1)], "it was missed");
}

#[test]
fn what_waited_when_a_cursor_was_set_back_fires_once() {
    let mut bench = bench();
    bench.shape(ScheduleShape { overlap: OverlapPolicy::QueueAll, ..shape("0 * * * *") });
    bench.pass(Span(HOUR.0 * 2));
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Waiting, 1)]);
    bench.now.wall = Wall(EPOCH - 1_800_000);
    bench.restart();
    assert!(bench.kept().stand.cursor < Wall(EPOCH));
    bench.steer(Verb::Cancel, JobId(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 2]);
    bench.pass(Span(HOUR.0 * 3));
    // The one at its own time is new: it was before the schedule was there.
    assert_eq!(bench.fates()[1..], [(Fate::Fired, 1), (Fate::Fired, 1)]);
}

#[test]
fn each_order_is_written_with_what_was_done() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    assert_eq!(bench.actions(), ["schedule_put"]);
    let version = bench.view().version;
    for (verb, action) in [
        (ScheduleVerb::Pause, "schedule_pause"),
        (ScheduleVerb::Resume, "schedule_resume"),
        (
            ScheduleVerb::Cursor { to: Wall(EPOCH - 1), fired: Vec::new(), version },
            "schedule_cursor",
        ),
        (ScheduleVerb::Run, "schedule_run"),
        (ScheduleVerb::Delete, "schedule_delete"),
    ] {
        bench.schedule(verb).unwrap();
        assert!(bench.actions().iter().any(|it| it == action), "{action}: {:?}", bench.actions());
    }
}
