//! What of schedules is counted: what became of each firing, once, and how late it was.

use super::*;
use crate::{Batch, ScheduleCount};

impl Bench {
    /// What these changes come to when they are safe.
    fn counted(&self) -> Vec<ScheduleCount> {
        let mut batch = Batch::default();
        self.changes.iter().enumerate().for_each(|(place, change)| batch.note(place, change));
        batch.tally.schedules
    }

    /// How late each firing was.
    fn lateness(&self) -> Vec<Span> {
        let late = self.effects.iter().filter_map(|effect| {
            let Effect::Fired { late } = effect else { return None };
            Some(*late)
        });
        late.collect()
    }
}

fn counts(fate: Fate, count: u32) -> ScheduleCount {
    ScheduleCount::Firings(name("s"), fate, count)
}

#[test]
fn each_firing_is_counted_once_when_it_is_decided_and_not_while_it_waits() {
    let mut bench = bench();
    bench.beat("a", 1, &[]);
    bench.shape(ScheduleShape { overlap: OverlapPolicy::QueueOne, ..shape("* * * * *") });
    bench.pass(MINUTE);
    assert_eq!(bench.counted(), [counts(Fate::Fired, 1)]);
    bench.beat("a", 1, &[]);
    let key = bench.run();
    bench.pass(MINUTE);
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Waiting, 1)]);
    assert_eq!(bench.counted(), [], "it waits");
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.counted(), [counts(Fate::Fired, 1)], "it has waited");
    bench.schedule(ScheduleVerb::Delete).unwrap();
    assert_eq!(bench.counted(), [ScheduleCount::Gone(name("s"))]);
}

#[test]
fn those_that_were_missed_together_are_counted_as_many_as_they_are() {
    let mut bench = bench();
    bench.shape(ScheduleShape { missed: MissedPolicy::Skip, ..shape("* * * * *") });
    bench.skip(Span::from_secs(10 * 60 + 15));
    bench.restart();
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.counted(), [counts(Fate::Missed, 9), counts(Fate::Fired, 1)]);
}

#[test]
fn a_firing_is_late_by_the_time_since_it_was_due_with_its_jitter() {
    let mut bench = bench();
    bench.shape(ScheduleShape { jitter: HOUR, ..shape("0 */2 * * *") });
    let view = bench.view();
    assert!(view.next_at > view.next.first().copied(), "it has a jitter: {view:?}");
    bench.skip(Span((bench.driver.poll_timeout().unwrap().0 - bench.now.mono).0));
    bench.pass(Span::ZERO);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
    assert_eq!(bench.lateness(), [Span::ZERO], "what is meant to be later is not late");
    let away = Span(HOUR.0 * 2 + 7_000_000_000);
    bench.skip(away);
    bench.restart();
    bench.pass(Span::ZERO);
    assert_eq!(bench.lateness(), [Span::from_secs(7)]);
}

#[test]
fn one_that_somebody_orders_has_no_time_to_be_late_by() {
    let mut bench = bench();
    bench.shape(shape("@every 90s"));
    bench.schedule(ScheduleVerb::Run).unwrap();
    assert_eq!((bench.counted(), bench.lateness()), (vec![counts(Fate::Fired, 1)], vec![]));
    bench.pass(Span::from_secs(91));
    assert_eq!(bench.lateness().len(), 1, "one of its times has");
}
