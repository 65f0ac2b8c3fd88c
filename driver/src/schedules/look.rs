//! What is told of schedules.

use std::ops::Bound;

use ostler_job::{Now, Wall};

use super::{Entry, Schedules};
use crate::{
    Driver,
    event::{Answer, Effect},
    schedule_event::{
        ScheduleFigure, ScheduleFigures, ScheduleLook, ScheduleRefusal, ScheduleView,
    },
};

/// How many of the next firings are told.
const NEXT: usize = 5;

impl Driver {
    /// Tells of one schedule, or of a page of them.
    pub fn handle_schedule_look(&mut self, look: ScheduleLook, now: Now) {
        self.hear(now);
        let ScheduleLook { ticket, schedule, tenant, after, max } = look;
        let is_seen = |entry: &&Entry| {
            tenant.as_ref().is_none_or(|it| *it == entry.schedule.shape.spec.tenant)
        };
        let today = self.timers.firing_today();
        let answers = match schedule {
            Some(name) => {
                let entry = self.schedules.find(&name).map(|number| self.schedules.get(number));
                match entry.filter(is_seen) {
                    Some(entry) => vec![Answer::Schedule(Box::new(view(entry, today)))],
                    None => {
                        let why = ScheduleRefusal::Unknown;
                        vec![Answer::ScheduleRefused { schedule: name, why }]
                    }
                }
            }
            None => {
                let Schedules { numbers, .. } = &self.schedules;
                let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let all = numbers.range((from, Bound::Unbounded));
                let all = all.map(|(_, &number)| self.schedules.get(number)).filter(is_seen);
                all.take(max).map(|it| Answer::Schedule(Box::new(view(it, today)))).collect()
            }
        };
        self.outbox.effect(Effect::Answer { ticket, answers });
        self.done(now);
    }
}

impl Driver {
    pub(crate) fn schedule_figures(&self) -> ScheduleFigures {
        let mut figures = ScheduleFigures {
            firings: self.counters.firings.clone(),
            next_due: self.schedules.due.first().map(|it| it.0),
            ..ScheduleFigures::default()
        };
        let has_each = self.schedules.len() <= ScheduleFigures::EACH_MAX;
        for entry in self.schedules.iter() {
            let stand = &entry.schedule.stand;
            let (ended, faulty) = (stand.ended_at.is_some(), stand.fault.is_some());
            let state = match () {
                () if ended => 3,
                () if faulty => 2,
                () => usize::from(stand.paused.is_some()),
            };
            figures.states[state] += 1;
            figures.overdue += u64::from(entry.is_overdue());
            figures.waiting += entry.waiting.len() as u64;
            figures.too_long += entry.too_long.len() as u64;
            if has_each && !ended {
                figures.each.push(ScheduleFigure {
                    name: entry.schedule.name.clone(),
                    overdue: entry.is_overdue(),
                    next_due: entry.due,
                    succeeded_at: stand.succeeded_at,
                    too_long: entry.too_long.len() as u64,
                });
            }
        }
        figures
    }
}

/// A schedule as it is.
pub(super) fn view(entry: &Entry, today: Wall) -> ScheduleView {
    let cursor = entry.schedule.stand.cursor;
    let plan = entry.firing_plan();
    // What is due and not decided yet is decided at once; whoever asks wants to know of what comes.
    let from = cursor.max(today);
    let next_at = plan.and_then(|plan| plan.next(from));
    ScheduleView {
        schedule: entry.schedule.clone(),
        next: plan.map_or_else(Vec::new, |plan| plan.coming(from, NEXT)),
        next_at,
        unfinished: entry.unfinished.iter().copied().collect(),
        waiting: entry.waiting.iter().copied().collect(),
        too_long: entry.too_long.iter().copied().collect(),
        version: entry.version,
        is_new: false,
        ran: None,
    }
}
