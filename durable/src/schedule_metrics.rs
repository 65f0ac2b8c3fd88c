//! Figures of schedules. Each has series of its own while there are few; of many, what is counted is counted together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use ostler_driver::{ScheduleCount, ScheduleFigures};
use ostler_job::durable::{Fate, ScheduleName};
use ostler_job::{Span, Wall};
use ostler_metrics::catalogue;
use prometheus::{Histogram, IntCounterVec, Registry};

/// What becomes of firings in the end.
const FATES: [Fate; 4] = [Fate::Fired, Fate::Overlapped, Fate::Missed, Fate::Refused];

/// How often each of them came.
type Counts = [u64; FATES.len()];

/// What is counted of schedules. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ScheduleMetrics {
    counted: Arc<Mutex<Counted>>,
    lateness: Histogram,
}

#[derive(Debug, Default)]
struct Counted {
    /// At most [`ScheduleFigures::EACH_MAX`].
    each: BTreeMap<ScheduleName, Counts>,
    /// What has no series of its own.
    others: Counts,
}

impl ScheduleMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let lateness = catalogue::SCHEDULE_LATENESS.histogram(registry);
        Self { counted: Arc::default(), lateness }
    }

    /// A schedule has fired, so late.
    pub(super) fn fired(&self, late: Span) {
        self.lateness.observe(late.as_secs_f64());
    }

    /// Counts what was committed.
    pub(super) fn add(&self, counts: &[ScheduleCount]) {
        if counts.is_empty() {
            return;
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().for_each(|it| counted.add(it));
    }

    /// What is read when somebody asks.
    pub(super) fn read(&self, registry: &Registry, figures: &ScheduleFigures) {
        let firings = catalogue::SCHEDULE_FIRINGS.counters(registry);
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).read(&firings, figures);
        let states = catalogue::SCHEDULES.gauges(registry);
        for (state, count) in ScheduleFigures::STATES.iter().zip(figures.states) {
            states.with_label_values(&[*state]).set(count as f64);
        }
        catalogue::SCHEDULES_OVERDUE.record(registry, figures.overdue as f64);
        catalogue::SCHEDULE_WAITING.record(registry, figures.waiting as f64);
        let too_long = catalogue::SCHEDULE_TOO_LONG.gauges(registry);
        if !has_each(figures) {
            too_long.with_label_values(&[""]).set(figures.too_long as f64);
        }
        let overdue = catalogue::SCHEDULE_OVERDUE.gauges(registry);
        let next = catalogue::SCHEDULE_NEXT.gauges(registry);
        let success = catalogue::SCHEDULE_SUCCESS.gauges(registry);
        for it in &figures.each {
            let name = [it.name.as_str()];
            too_long.with_label_values(&name).set(it.too_long as f64);
            overdue.with_label_values(&name).set(f64::from(u8::from(it.overdue)));
            if let Some(at) = it.next_due {
                next.with_label_values(&name).set(seconds(at));
            }
            if let Some(at) = it.succeeded_at {
                success.with_label_values(&name).set(seconds(at));
            }
        }
    }
}

impl Counted {
    fn add(&mut self, count: &ScheduleCount) {
        match count {
            ScheduleCount::Gone(name) => drop(self.each.remove(name)),
            ScheduleCount::Firings(name, fate, count) => {
                let Some(place) = FATES.iter().position(|it| it == fate) else { return };
                let has_room = self.each.len() < ScheduleFigures::EACH_MAX;
                let counts = match has_room || self.each.contains_key(name) {
                    true => self.each.entry(name.clone()).or_default(),
                    false => &mut self.others,
                };
                counts[place] += u64::from(*count);
            }
        }
    }

    /// Every schedule that there is has its series, with 0 before its first firing. Where they are too many, what was counted of
    /// each is counted with the others from here on.
    fn read(&mut self, firings: &IntCounterVec, figures: &ScheduleFigures) {
        if !has_each(figures) {
            for counts in std::mem::take(&mut self.each).into_values() {
                self.others.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
            }
        }
        let others = [("", self.others)];
        let counts = |name| self.each.get(name).copied().unwrap_or_default();
        let each = figures.each.iter().map(|it| (it.name.as_str(), counts(&it.name)));
        for (name, counts) in others.into_iter().chain(each) {
            for (fate, count) in FATES.iter().zip(counts) {
                firings.with_label_values(&[name, fate.code()]).inc_by(count);
            }
        }
    }
}

/// Whether each schedule has series of its own.
fn has_each(figures: &ScheduleFigures) -> bool {
    figures.all() <= ScheduleFigures::EACH_MAX as u64
}

/// As Prometheus has moments.
fn seconds(at: Wall) -> f64 {
    at.0 as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use ostler_driver::ScheduleFigure;
    use prometheus::TextEncoder;

    use super::*;

    fn name(text: &str) -> ScheduleName {
        ScheduleName::new(text).unwrap()
    }

    fn figure(text: &str) -> ScheduleFigure {
        let name = name(text);
        ScheduleFigure { name, overdue: false, next_due: None, succeeded_at: None, too_long: 0 }
    }

    /// What a scrape reads of the schedules of these names.
    fn read(metrics: &ScheduleMetrics, names: &[&str]) -> Vec<String> {
        let each = names.iter().map(|it| figure(it)).collect();
        let states = [names.len() as u64, 0, 0, 0];
        read_of(metrics, &ScheduleFigures { states, each, ..ScheduleFigures::default() })
    }

    fn read_of(metrics: &ScheduleMetrics, figures: &ScheduleFigures) -> Vec<String> {
        let registry = Registry::new();
        metrics.read(&registry, figures);
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect()
    }

    fn firings(schedule: &str, fate: &str, count: u64) -> String {
        let labels = format!("fate=\"{fate}\",schedule=\"{schedule}\"");
        format!("ostler_schedule_firings_total{{{labels}}} {count}")
    }

    fn fired(text: &str) -> ScheduleCount {
        ScheduleCount::Firings(name(text), Fate::Fired, 1)
    }

    #[test]
    fn every_schedule_has_its_series_before_it_has_fired_and_none_when_it_is_gone() {
        let metrics = ScheduleMetrics::new(&Registry::new());
        let lines = read(&metrics, &["a", "b"]);
        for it in ["", "a", "b"] {
            for fate in ["fired", "overlapped", "missed", "refused"] {
                assert!(lines.contains(&firings(it, fate, 0)), "{it} {fate}: {lines:#?}");
            }
        }
        assert!(lines.contains(&"ostler_schedule_overdue{schedule=\"a\"} 0".to_owned()));
        metrics.add(&[fired("a"), ScheduleCount::Firings(name("a"), Fate::Missed, 40), fired("a")]);
        let lines = read(&metrics, &["a", "b"]);
        assert!(lines.contains(&firings("a", "fired", 2)), "{lines:#?}");
        assert!(lines.contains(&firings("a", "missed", 40)), "{lines:#?}");
        assert!(lines.contains(&firings("b", "fired", 0)), "{lines:#?}");
        metrics.add(&[ScheduleCount::Gone(name("a"))]);
        let lines = read(&metrics, &["b"]);
        assert!(!lines.iter().any(|it| it.contains("\"a\"")), "{lines:#?}");
        assert!(lines.contains(&firings("", "fired", 0)), "what is gone is nobody's: {lines:#?}");
        metrics.add(&[fired("a")]);
        assert!(read(&metrics, &["a"]).contains(&firings("a", "fired", 1)), "the name begins anew");
    }

    #[test]
    fn where_there_are_too_many_schedules_they_are_counted_together_and_nothing_is_kept_of_each() {
        let metrics = ScheduleMetrics::new(&Registry::new());
        metrics.add(&[fired("a"), fired("b")]);
        let states = [ScheduleFigures::EACH_MAX as u64, 1, 0, 0];
        let many = ScheduleFigures { states, too_long: 3, overdue: 2, ..Default::default() };
        let lines = read_of(&metrics, &many);
        assert!(lines.contains(&firings("", "fired", 2)), "{lines:#?}");
        assert!(lines.contains(&"ostler_schedule_too_long{schedule=\"\"} 3".to_owned()));
        assert!(lines.contains(&"ostler_schedules_overdue 2".to_owned()), "{lines:#?}");
        let more = ScheduleFigures::EACH_MAX + 5;
        metrics.add(&(0..more).map(|it| fired(&format!("s{it}"))).collect::<Vec<_>>());
        let kept = metrics.counted.lock().unwrap().each.len();
        assert_eq!(kept, ScheduleFigures::EACH_MAX, "its memory has a bound");
        let total = 2 + more as u64;
        assert!(read_of(&metrics, &many).contains(&firings("", "fired", total)));
        assert_eq!(metrics.counted.lock().unwrap().each.len(), 0);
    }

    #[test]
    fn moments_and_states_are_told_as_they_are() {
        let metrics = ScheduleMetrics::new(&Registry::new());
        metrics.fired(Span::from_secs(2));
        assert_eq!(metrics.lateness.get_sample_count(), 1);
        let moments = ScheduleFigure {
            overdue: true,
            next_due: Some(Wall(1_500)),
            succeeded_at: Some(Wall(500)),
            ..figure("a")
        };
        let states = [1, 2, 3, 4];
        let figures =
            ScheduleFigures { states, waiting: 5, each: vec![moments], ..Default::default() };
        let lines = read_of(&metrics, &figures);
        for line in [
            "ostler_schedule_overdue{schedule=\"a\"} 1",
            "ostler_schedule_next_due_timestamp_seconds{schedule=\"a\"} 1.5",
            "ostler_schedule_last_success_timestamp_seconds{schedule=\"a\"} 0.5",
            "ostler_schedule_waiting 5",
            "ostler_schedules{state=\"active\"} 1",
            "ostler_schedules{state=\"paused\"} 2",
            "ostler_schedules{state=\"faulty\"} 3",
            "ostler_schedules{state=\"ended\"} 4",
        ] {
            assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
        }
    }
}
