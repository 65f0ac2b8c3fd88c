//! What was missed, and what is still running.

use super::*;

/// Fires each minute; the gateway is away for ten of them, and half a minute.
fn away(missed: MissedPolicy) -> Bench {
    let mut bench = bench();
    bench.shape(ScheduleShape { missed, ..shape("* * * * *") });
    bench.pass(MINUTE);
    bench.skip(Span::from_secs(9 * 60 + 75));
    bench.restart();
    bench.pass(Span::from_secs(1));
    bench
}

#[test]
fn of_ten_that_were_missed_the_policy_says_which_fire() {
    let last = (Fate::Fired, 1);
    // The last one is 15 s late, and on time.
    assert_eq!(away(MissedPolicy::Skip).fates(), [last, (Fate::Missed, 9), last]);
    assert_eq!(away(MissedPolicy::One).fates(), [last, (Fate::Missed, 9), last]);
    let all = MissedPolicy::All { limit: 4, window: HOUR };
    assert_eq!(away(all).fates(), [&[last, (Fate::Missed, 5)][..], &[last; 5]].concat());
    let window = Span::from_secs(3 * 60);
    let recent = MissedPolicy::All { limit: 4, window };
    assert_eq!(away(recent).fates(), [&[last, (Fate::Missed, 7)][..], &[last; 3]].concat());
}

#[test]
fn one_that_is_more_than_a_minute_late_is_missed_and_made_up_for_unless_it_is_to_be_skipped() {
    for (missed, fate) in [(MissedPolicy::Skip, Fate::Missed), (MissedPolicy::One, Fate::Fired)] {
        let mut bench = bench();
        bench.shape(ScheduleShape { missed, ..shape("0 9 * * *") });
        bench.skip(Span::from_secs(3_661));
        bench.restart();
        bench.pass(Span::from_secs(1));
        assert_eq!(bench.fates(), [(fate, 1)]);
        let late = bench.now.wall.0 - 1_000 - bench.firings()[0].due.0;
        assert_eq!(late, 61_000);
    }
}

fn overlapping(overlap: OverlapPolicy) -> Bench {
    let mut bench = bench();
    bench.beat("a", 9, &[]);
    bench.shape(ScheduleShape { overlap, ..shape("* * * * *") });
    bench
}

/// Passes minutes; the runner has these.
fn minutes(bench: &mut Bench, count: u64, held: &[AttemptKey]) {
    let mut effects = Vec::new();
    for _ in 0..count * 12 {
        bench.pass(Span::from_secs(5));
        effects.append(&mut bench.effects);
        bench.beat("a", 9, held);
        effects.append(&mut bench.effects);
    }
    bench.effects = effects;
}

#[test]
fn what_comes_due_while_the_one_before_it_runs_is_skipped_waits_or_runs_beside_it() {
    use Fate::{Fired, Overlapped, Waiting};
    for (overlap, fates) in [
        (OverlapPolicy::Skip, [Fired, Overlapped, Overlapped]),
        (OverlapPolicy::QueueOne, [Fired, Waiting, Overlapped]),
        (OverlapPolicy::QueueAll, [Fired, Waiting, Waiting]),
        (OverlapPolicy::Allow, [Fired, Fired, Fired]),
    ] {
        let mut bench = overlapping(overlap);
        bench.shape(ScheduleShape { overlap, ..shape("* * * * *") });
        for _ in 0..3 {
            bench.pass(MINUTE);
        }
        let found: Vec<_> = bench.firings().iter().map(|it| it.fate).collect();
        assert_eq!(found, fates, "{overlap:?}");
    }
}

#[test]
fn a_firing_goes_on_until_its_job_is_finished_with_its_retries() {
    let mut bench = overlapping(OverlapPolicy::Skip);
    let retry = Retry { attempts: 2, delay: HOUR, ..Retry::default() };
    let mut it = shape("* * * * *");
    (it.overlap, it.spec.retry) = (OverlapPolicy::Skip, retry);
    bench.shape(it);
    minutes(&mut bench, 1, &[]);
    bench.end_run(Reason::ExitStatus);
    assert_eq!(bench.state(JobId(1)), JobState::Retrying);
    minutes(&mut bench, 1, &[]);
    assert_eq!(bench.fates()[1], (Fate::Overlapped, 1));
    bench.steer(Verb::Cancel, JobId(1));
    minutes(&mut bench, 1, &[]);
    assert_eq!(bench.fates()[2], (Fate::Fired, 1));
    // One that is tried again by hand is unfinished again.
    bench.end_run(Reason::Ok);
    bench.steer(Verb::Retry, JobId(2));
    bench.pass(MINUTE);
    assert_eq!(bench.fates()[3], (Fate::Overlapped, 1));
}

#[test]
fn what_waits_is_a_job_when_the_one_before_it_has_finished_be_it_after_a_restart() {
    for restarts in [false, true] {
        let mut bench = overlapping(OverlapPolicy::QueueAll);
        minutes(&mut bench, 1, &[]);
        let first = bench.run();
        minutes(&mut bench, 2, &[first]);
        assert_eq!(bench.view().waiting.len(), 2);
        if restarts {
            bench.restart();
            bench.beat("a", 9, &[first]);
            assert_eq!(bench.view().waiting.len(), 2);
        }
        for waiting in [1, 0] {
            let key = if waiting == 1 { first } else { bench.run() };
            bench.finish("a", key, Reason::Ok);
            assert_eq!(bench.runs().len(), 1);
            let run = bench.effects.clone();
            assert_eq!(bench.view().waiting.len(), waiting);
            bench.effects = run;
        }
        assert_eq!(bench.fates(), [(Fate::Fired, 1); 3]);
        let dues: Vec<_> = bench.firings().iter().map(|it| it.due.0 - EPOCH).collect();
        assert_eq!(dues, [60_000, 120_000, 180_000], "each is the one that was due");
    }
}

#[test]
fn a_job_that_ended_while_nobody_was_there_lets_the_next_go_on() {
    let mut bench = overlapping(OverlapPolicy::QueueOne);
    minutes(&mut bench, 1, &[]);
    let first = bench.run();
    minutes(&mut bench, 1, &[first]);
    assert_eq!(bench.fates()[1], (Fate::Waiting, 1));
    // Its end is written, and what follows from it is not.
    let mut status = Box::new(bench.status(JobId(1)));
    (status.state, status.finished_at) = (JobState::Succeeded, Some(bench.now.wall));
    let update = Change::Update { job: JobId(1), expect: status.fence, status };
    bench.store.commit(bench.epoch, &[update]).unwrap();
    bench.restart();
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 2]);
}

#[test]
fn the_one_before_it_is_ended_for_one_that_replaces_it() {
    let mut bench = overlapping(OverlapPolicy::Replace);
    minutes(&mut bench, 1, &[]);
    let first = bench.run();
    minutes(&mut bench, 1, &[first]);
    assert_eq!((bench.orders(), bench.fates()[1]), (vec![Order::Kill], (Fate::Waiting, 1)));
    // Another comes before it has ended: that one runs, and the one that waited does not.
    minutes(&mut bench, 1, &[first]);
    assert_eq!(bench.fates()[1..], [(Fate::Overlapped, 1), (Fate::Waiting, 1)]);
    bench.finish("a", first, Reason::Killed);
    assert_eq!(bench.state(JobId(1)), JobState::Cancelled);
    assert_eq!(bench.fates()[2], (Fate::Fired, 1));
    assert_eq!(bench.run().job, JobId(2));
}

#[test]
fn one_that_waits_for_a_slot_is_cancelled_at_once_for_one_that_replaces_it() {
    let mut bench = bench();
    bench.shape(ScheduleShape { overlap: OverlapPolicy::Replace, ..shape("* * * * *") });
    bench.pass(Span(MINUTE.0 * 3));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 3]);
    let states = [1, 2, 3].map(|it| bench.state(JobId(it)));
    assert_eq!(states, [JobState::Cancelled, JobState::Cancelled, JobState::Pending]);
}

#[test]
fn what_comes_due_while_it_is_paused_was_missed() {
    for (missed, fates) in [
        (MissedPolicy::Skip, vec![(Fate::Missed, 3)]),
        (MissedPolicy::One, vec![(Fate::Missed, 2), (Fate::Fired, 1)]),
        (MissedPolicy::All { limit: 9, window: HOUR }, vec![(Fate::Fired, 1); 3]),
    ] {
        let mut bench = bench();
        bench.shape(ScheduleShape { missed, ..shape("* * * * *") });
        let cursor = bench.kept().stand.cursor;
        bench.schedule(ScheduleVerb::Pause).unwrap();
        bench.pass(Span(MINUTE.0 * 3));
        assert!(bench.firings().is_empty() && bench.kept().stand.cursor == cursor);
        assert!(bench.view().next.is_empty(), "it does not fire");
        bench.restart();
        bench.schedule(ScheduleVerb::Resume).unwrap();
        bench.pass(Span::from_secs(1));
        assert_eq!(bench.fates(), fates, "{missed:?}");
    }
}

#[test]
fn what_waits_while_it_is_paused_goes_on_when_it_is_resumed() {
    let mut bench = overlapping(OverlapPolicy::QueueOne);
    minutes(&mut bench, 1, &[]);
    let first = bench.run();
    minutes(&mut bench, 1, &[first]);
    bench.schedule(ScheduleVerb::Pause).unwrap();
    bench.finish("a", first, Reason::Ok);
    assert_eq!(bench.fates()[1], (Fate::Waiting, 1));
    bench.schedule(ScheduleVerb::Resume).unwrap();
    assert_eq!(bench.fates()[1], (Fate::Fired, 1));
}

#[test]
fn one_that_is_ordered_runs_beside_its_times_also_while_it_is_paused() {
    let mut bench = bench();
    bench.shape(shape("0 9 * * *"));
    bench.schedule(ScheduleVerb::Pause).unwrap();
    let (one, two) =
        (bench.schedule(ScheduleVerb::Run).unwrap(), bench.schedule(ScheduleVerb::Run).unwrap());
    assert_eq!((one.ran, two.ran), (Some(JobId(1)), Some(JobId(2))));
    let firings = bench.firings();
    assert!(firings[0].due < firings[1].due, "each has a moment of its own");
    assert!(firings.iter().all(|it| it.by.as_deref() == Some("operator")));
    bench.schedule(ScheduleVerb::Resume).unwrap();
    bench.pass(HOUR);
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 3]);
}

#[test]
fn one_that_is_ordered_never_has_the_moment_of_another() {
    let mut bench = bench();
    bench.skip(Span::from_millis(123));
    bench.shape(shape("@every 60s"));
    bench.skip(MINUTE);
    // Ordered in the same millisecond in which it would be due, were it counted from when it was put.
    bench.schedule(ScheduleVerb::Run).unwrap();
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 2]);
    assert_eq!(bench.firings()[0].due, Wall(EPOCH + 60_000), "it counts whole seconds");
}

#[test]
fn each_that_waits_and_is_refused_lets_the_next_have_its_turn() {
    let mut bench = bench();
    let mut it = ScheduleShape { overlap: OverlapPolicy::QueueAll, ..shape("* * * * *") };
    bench.shape(it.clone());
    bench.pass(Span(MINUTE.0 * 3));
    assert_eq!(bench.view().waiting.len(), 2);
    it.spec.queue = QueueName::new("gone");
    bench.shape(it);
    bench.steer(Verb::Cancel, JobId(1));
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Refused, 1), (Fate::Refused, 1)]);
    assert!(bench.view().waiting.is_empty());
}
