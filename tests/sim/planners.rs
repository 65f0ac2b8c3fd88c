//! Who makes schedules, and what they do to them.

use ostler_driver::{ScheduleLook, ScheduleOrder, ScheduleVerb, ScheduleView, Ticket};
use ostler_job::durable::{MissedPolicy, OverlapPolicy, ScheduleName, ScheduleShape, Spec};
use ostler_job::{Span, Wall};
use ostler_store::Store;

use crate::{
    agenda::Event,
    clients::Client,
    world::{CALM, World},
};

/// Who looks at a schedule to move its cursor.
pub(crate) const CURSOR: Ticket = Ticket(u64::MAX - 2);

impl World {
    /// Somebody does something to a schedule.
    pub(crate) fn order_schedule(&mut self) {
        let name = format!("schedule-{}", self.rng.below(3));
        let name = ScheduleName::new(&name).expect("it is a name");
        let verb = match self.rng.below(16) {
            0..7 => {
                let (shape, paused) = (Box::new(self.shape()), self.rng.one_in(8));
                let Ok(fired) = self.store.fired_after(&name, self.now.wall, usize::MAX) else {
                    return;
                };
                ScheduleVerb::Put { shape, paused, new_only: false, others: true, fired }
            }
            7 | 8 => ScheduleVerb::Pause,
            9..12 => ScheduleVerb::Resume,
            12 => ScheduleVerb::Run,
            13 | 14 => return self.move_cursor(name),
            _ => ScheduleVerb::Delete,
        };
        self.tell_schedule(name, verb);
    }

    pub(crate) fn tell_schedule(&mut self, schedule: ScheduleName, verb: ScheduleVerb) {
        let (ticket, who, tenant) = (Ticket(u64::MAX), "operator".into(), None);
        let order = ScheduleOrder { ticket, who, tenant, schedule, verb };
        self.agenda.at(self.now.mono, Event::Schedule(order));
    }

    /// Somebody looks at a schedule, to move its cursor when the answer has come.
    fn move_cursor(&mut self, name: ScheduleName) {
        let (schedule, tenant, after) = (Some(name), None, None);
        let look = ScheduleLook { ticket: CURSOR, schedule, tenant, after, max: 1 };
        self.agenda.at(self.now.mono, Event::LookSchedules(look));
    }

    /// What has a job is read after the look, and counts only if nothing was decided since.
    pub(crate) fn move_seen_cursor(&mut self, view: &ScheduleView) {
        let back = Span::from_millis(self.rng.between(0, 60_000));
        let to = Wall(self.now.wall.0 - back.0 / 1_000_000);
        let (name, version) = (view.schedule.name.clone(), view.version);
        let Ok(fired) = self.store.fired_after(&name, to, usize::MAX) else { return };
        self.tell_schedule(name, ScheduleVerb::Cursor { to, fired, version });
    }

    fn shape(&mut self) -> ScheduleShape {
        let period = [1, 2, 5, 10, 30][self.rng.below(5) as usize];
        let window = Span::from_secs(self.rng.between(1, 100));
        let missed = match self.rng.below(4) {
            0 => MissedPolicy::Skip,
            1 => MissedPolicy::One,
            _ => MissedPolicy::All { limit: self.rng.between(1, 200) as u32, window },
        };
        let overlap = match self.rng.below(6) {
            0 => OverlapPolicy::Skip,
            1 => OverlapPolicy::QueueOne,
            2 => OverlapPolicy::QueueAll,
            3 => OverlapPolicy::Replace,
            _ => OverlapPolicy::Allow,
        };
        ScheduleShape {
            missed,
            overlap,
            jitter: if self.rng.one_in(4) { Span::from_secs(3) } else { Span::ZERO },
            expect_within: self.rng.one_in(3).then(|| Span::from_secs(20)),
            max_run: self.rng.one_in(3).then(|| Span::from_secs(2)),
            expires_in: self.rng.one_in(6).then(|| Span::from_secs(30)),
            ..ScheduleShape::new(format!("*/{period} * * * * *"), "UTC", self.template())
        }
    }

    fn template(&mut self) -> Spec {
        let job = Client::new(0, &mut self.rng, self.now).jobs.remove(0);
        let spec = (*job.spec).clone();
        Spec { not_before: None, expires: None, dedupe: None, host: None, ..spec }
    }

    /// Whatever fires goes on, and then ends, so that there is an end.
    pub(crate) fn end_schedules(&mut self) {
        let is_later = self.now.mono > CALM + Span::from_secs(50);
        if is_later && !self.plan.steps {
            let lively = self.checker.expected.timetable.check_lively(self.now.wall);
            if let Err(wrong) = lively {
                self.checker.fail(wrong);
            }
        }
        for name in self.checker.expected.timetable.names() {
            let verb = if is_later { ScheduleVerb::Delete } else { ScheduleVerb::Resume };
            self.tell_schedule(name, verb);
        }
    }
}
