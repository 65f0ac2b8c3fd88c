//! What the operator's log has of schedules: lines of what they came to by themselves, however many there are.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ostler_job::durable::{Event, EventKind};
use ostler_job::units;
use serde::Deserialize;

/// So many lines of one kind are told in one [`PAUSE`].
const LINES: u64 = 10;
/// See [`LINES`].
const PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ScheduleNotices(Mutex<BTreeMap<String, Told>>);

/// What was told of one kind.
#[derive(Debug)]
struct Told {
    since: Instant,
    /// With those that were left out.
    count: u64,
}

/// What the driver says of a schedule.
#[derive(Debug, Deserialize)]
struct Detail {
    action: String,
    schedule: String,
    job: Option<u64>,
    why: Option<String>,
    /// Nanoseconds.
    expect_within: Option<u64>,
}

impl ScheduleNotices {
    /// The line to tell of an event, if it is one of schedules and not too many of its kind were told.
    pub(super) fn note(&self, event: &Event, now: Instant) -> Option<String> {
        if event.kind != EventKind::Schedule {
            return None;
        }
        let detail: Detail = serde_json::from_str(&event.detail).ok()?;
        let line = line(&detail)?;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.entry(detail.action).or_insert(Told { since: now, count: 0 });
        let mut left_out = 0;
        if now.duration_since(told.since) >= PAUSE {
            left_out = told.count.saturating_sub(LINES);
            *told = Told { since: now, count: 0 };
        }
        told.count += 1;
        match (told.count, left_out) {
            (1, 1..) => Some(format!("{line} ({left_out} more like it were left out)")),
            (..LINES, _) => Some(line),
            (LINES, _) => Some(format!(
                "{line} (more like it are left out for a minute: `ostler schedule list`)"
            )),
            _ => None,
        }
    }
}

/// In words.
fn line(detail: &Detail) -> Option<String> {
    let Detail { action, schedule, .. } = detail;
    Some(match action.as_str() {
        "overdue" => {
            let within = detail.expect_within.map_or_else(String::new, |it| {
                format!(" for {}", units::show(it / 1_000_000, &units::DURATION))
            });
            format!(
                "schedule {schedule} is overdue: nothing of it has succeeded{within}; `ostler schedule show {schedule}` tells \
                 what became of its firings"
            )
        }
        "recovered" => format!("schedule {schedule} is not overdue any more: a firing succeeded"),
        "too_long" => {
            let job = detail.job.map_or_else(String::new, |job| format!(", job {job},"));
            format!(
                "a firing of schedule {schedule}{job} runs longer than its max_run, and goes on"
            )
        }
        "unusable" => {
            let why = detail.why.as_deref().unwrap_or_default();
            format!(
                "schedule {schedule} paused itself: {why}; it fires again when that is mended and it is resumed: \
                 `ostler schedule resume {schedule}`"
            )
        }
        "usable" => format!("schedule {schedule} can be read again, and fires"),
        "clock_set_back" => format!(
            "schedule {schedule} stood far ahead, where a clock that was wrong had brought it, and goes on from now"
        ),
        // A later version may have more to say.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ostler_job::Wall;
    use serde_json::{Value, json};

    use super::*;

    fn event(detail: &Value) -> Event {
        let (at, kind) = (Wall(0), EventKind::Schedule);
        Event { seq: 1, at, kind, job: None, who: None, detail: detail.to_string() }
    }

    #[test]
    fn what_a_schedule_comes_to_by_itself_is_said_with_the_cure() {
        for (detail, expected) in [
            (
                json!({ "action": "overdue", "schedule": "nightly", "since": 5, "expect_within": 93_600_000_000_000_u64 }),
                "schedule nightly is overdue: nothing of it has succeeded for 26h; `ostler schedule show nightly` tells what became of \
                 its firings",
            ),
            (
                json!({ "action": "recovered", "schedule": "nightly", "job": 7 }),
                "schedule nightly is not overdue any more: a firing succeeded",
            ),
            (
                json!({ "action": "too_long", "schedule": "nightly", "job": 7 }),
                "a firing of schedule nightly, job 7, runs longer than its max_run, and goes on",
            ),
            (
                json!({ "action": "unusable", "schedule": "nightly", "why": "there is no zone Mars/Base" }),
                "schedule nightly paused itself: there is no zone Mars/Base; it fires again when that is mended and it is resumed: \
                 `ostler schedule resume nightly`",
            ),
            (
                json!({ "action": "usable", "schedule": "nightly" }),
                "schedule nightly can be read again, and fires",
            ),
            (
                json!({ "action": "clock_set_back", "schedule": "nightly", "cursor": 5 }),
                "schedule nightly stood far ahead, where a clock that was wrong had brought it, and goes on from now",
            ),
        ] {
            let told = ScheduleNotices::default().note(&event(&detail), Instant::now());
            assert_eq!(told.as_deref(), Some(expected));
        }
    }

    #[test]
    fn of_many_at_once_a_few_are_told_and_how_many_were_not() {
        let (notices, begin) = (ScheduleNotices::default(), Instant::now());
        let overdue = event(&json!({ "action": "overdue", "schedule": "s" }));
        let told: Vec<_> = (0..1_000).filter_map(|_| notices.note(&overdue, begin)).collect();
        assert_eq!(told.len() as u64, LINES);
        assert!(told.last().unwrap().ends_with("left out for a minute: `ostler schedule list`)"));
        let unusable = event(&json!({ "action": "unusable", "schedule": "s", "why": "w" }));
        assert!(notices.note(&unusable, begin).is_some(), "another kind has lines of its own");
        let next = notices.note(&overdue, begin + PAUSE).unwrap();
        assert!(next.ends_with(" (990 more like it were left out)"), "{next}");
        let further = notices.note(&overdue, begin + PAUSE).unwrap();
        assert!(!further.contains("left out"), "{further}");
    }

    #[test]
    fn what_is_not_of_schedules_or_not_known_is_not_told() {
        let notices = ScheduleNotices::default();
        let of_operator = json!({ "action": "overdue", "schedule": "s" });
        let of_operator = Event { kind: EventKind::Operator, ..event(&of_operator) };
        let unknown = event(&json!({ "action": "sings", "schedule": "s" }));
        let broken = Event { detail: "{".into(), ..event(&Value::Null) };
        for event in [of_operator, unknown, broken] {
            assert_eq!(notices.note(&event, Instant::now()), None, "{event:?}");
        }
    }
}
