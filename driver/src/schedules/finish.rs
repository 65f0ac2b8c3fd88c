//! A firing has finished, runs too long, or was expected and did not come.

use ostler_job::durable::{EventKind, JobState, Reason};
use ostler_job::{JobId, Now, Wall};
use serde_json::{Value, json};

use crate::Driver;

impl Driver {
    /// A job is over. When it is a firing, what it came to is the schedule's.
    pub(crate) fn firing_over(
        &mut self,
        job: JobId,
        (state, reason): (JobState, Reason),
        now: Now,
    ) {
        let Some(number) = self.schedules.forget_job(job) else { return };
        self.schedules.finished.insert(number);
        if state != JobState::Succeeded || reason != Reason::Ok {
            return;
        }
        let was_overdue = self.schedules.get(number).is_overdue();
        self.stand(number, |stand| {
            stand.succeeded_at = Some(now.wall);
            stand.overdue_at = None;
        });
        self.schedules.file(number);
        if was_overdue {
            self.tell_schedule(number, "recovered", json!({ "job": job }), now);
        }
    }

    /// Where a firing has finished, the next that waits for it is a job. To be done once what ended it is over.
    pub(crate) fn look_at_finished(&mut self, now: Now) {
        if self.schedules.restoring {
            return;
        }
        while let Some(number) = self.schedules.finished.pop_first() {
            while self.schedules.get(number).has_next() {
                self.fire_waiting(number, now);
            }
        }
    }

    /// Everything of schedules whose time has come, by the calendar's date and by the clock that nobody sets.
    pub(crate) fn run_schedules(&mut self, today: Wall, now: Now) {
        self.fire_due(today, now);
        while let Some(&(at, number)) = self.schedules.overdue.first()
            && at <= today
        {
            self.stand(number, |stand| stand.overdue_at = Some(at));
            self.schedules.file(number);
            let within = self.schedules.get(number).schedule.shape.expect_within;
            let detail = json!({ "since": at, "expect_within": within });
            self.tell_schedule(number, "overdue", detail, now);
        }
        while let Some(&(at, job)) = self.schedules.long.first()
            && at <= now.mono
        {
            self.schedules.long.remove(&(at, job));
            let Some(number) = self.schedules.owner(&self.schedules.of[&job]) else { continue };
            self.schedules.get_mut(number).too_long.insert(job);
            self.tell_schedule(number, "too_long", json!({ "job": job }), now);
        }
    }

    /// Something that happened by itself, for whoever follows the events.
    pub(in crate::schedules) fn tell_schedule(
        &mut self,
        number: u32,
        what: &str,
        more: Value,
        now: Now,
    ) {
        let name = &self.schedules.get(number).schedule.name;
        let mut detail = json!({ "action": what, "schedule": name });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        self.outbox.event((now.wall, EventKind::Schedule), None, None, &detail);
    }
}
