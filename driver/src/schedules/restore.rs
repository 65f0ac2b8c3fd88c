//! Schedules of an earlier term, and those of the configuration.

use std::collections::BTreeMap;

use ostler_job::durable::{KeptSchedule, Schedule, ScheduleName, ScheduleShape, ShapeOwner, Stand};
use ostler_job::{JobId, Now};
use serde_json::{Value, json};

use super::{Entry, order::whole_second};
use crate::{Driver, moments::BEFORE};

/// Who changed a schedule that the configuration has.
const CONFIG: &str = "config";

impl Driver {
    /// The schedules of an earlier term, before any of its jobs; the configuration's are as that says.
    pub(crate) fn restore_schedules(&mut self, kept: Vec<KeptSchedule>, now: Now) {
        self.hear(now);
        self.schedules.restoring = true;
        let configured = std::mem::take(&mut self.config.schedules);
        let mut configured: BTreeMap<_, _> = configured.into_iter().collect();
        for KeptSchedule { schedule, waiting, fired } in kept {
            let name = schedule.name.clone();
            let version = self.version();
            let number = self.schedules.insert(Entry::new(schedule, None, version));
            let entry = self.schedules.get_mut(number);
            // What waits is decided, too.
            entry.fired = fired.into_iter().chain(waiting.iter().copied()).collect();
            entry.waiting = waiting.into_iter().collect();
            let shape = configured.remove(&name);
            self.restore_schedule(number, shape, now);
        }
        for (name, shape) in configured {
            self.take_configured(name, shape, now);
        }
        self.done(now);
    }

    /// One that is known; `shape`: it is the configuration's, and so.
    fn restore_schedule(&mut self, number: u32, shape: Option<ScheduleShape>, now: Now) {
        let schedule = self.schedules.get(number).schedule.clone();
        let Schedule { name, owner, stand, .. } = &*schedule;
        let is_same = |shape: &ScheduleShape| {
            *owner == ShapeOwner::File && stand.ended_at.is_none() && *shape == schedule.shape
        };
        match shape {
            Some(shape) if !is_same(&shape) => {
                return self.take_configured(name.clone(), shape, now);
            }
            None if *owner == ShapeOwner::File && stand.ended_at.is_none() => {
                self.end_schedule(number, now);
            }
            Some(_) | None => {}
        }
        self.plan_restored(number, now);
    }

    fn take_configured(&mut self, name: ScheduleName, shape: ScheduleShape, now: Now) {
        self.audit_schedule("schedule_put", CONFIG, &name, Value::Null, now);
        let number = self.schedules.find(&name);
        let kept = self.keep_schedule((name.clone(), shape.clone()), None, None);
        if let Ok(number) = kept {
            self.look_at_cursor(number, now);
            self.schedules.file(number);
        }
        if let Err(why) = kept {
            // The configuration was checked with the same zone data, but for those that were changed in between.
            let number = number.unwrap_or_else(|| {
                let first_job = self.first_job();
                let (since, made, cursor) = (now.wall, now.wall, now.wall);
                let stand = Stand { since, made, first_job, cursor, ..Stand::default() };
                let owner = ShapeOwner::File;
                let schedule = Schedule { name, shape, owner, put_by: None, stand };
                let change = ostler_job::durable::Change::Schedule(Box::new(schedule.clone()));
                self.outbox.change(change);
                let version = self.version();
                self.schedules.insert(Entry::new(schedule, None, version))
            });
            self.pause_itself(number, why, now);
        }
    }

    /// It is no more in the configuration: it fires no more, and nothing of it waits.
    fn end_schedule(&mut self, number: u32, now: Now) {
        let name = self.schedules.get(number).schedule.name.clone();
        self.audit_schedule("schedule_end", CONFIG, &name, Value::Null, now);
        self.stand(number, |stand| {
            stand.ended_at = Some(now.wall);
            stand.overdue_at = None;
        });
        self.give_up_waiting(number, now);
    }

    /// Makes the plan of a schedule from before. One that cannot be made any more, as when the zone data have dropped its zone, is the
    /// end of its firings until somebody resumes it; one that can be made again goes on.
    fn plan_restored(&mut self, number: u32, now: Now) {
        let schedule = self.schedules.get(number).schedule.clone();
        let Schedule { name, shape, stand, .. } = &*schedule;
        match self.config.source.plan(name, shape, stand.since) {
            Ok(plan) => {
                self.schedules.get_mut(number).plan = Some(plan);
                if stand.fault.is_some() {
                    let today = self.timers.firing_today();
                    self.stand(number, |stand| (stand.fault, stand.resumed_at) = (None, today));
                    self.tell_schedule(number, "usable", Value::Null, now);
                }
                self.look_at_cursor(number, now);
            }
            Err(why) => self.pause_itself(number, why, now),
        }
        self.schedules.file(number);
    }

    /// A cursor that is far ahead was written by a clock that was wrong: the schedule would be silent until then. What has a job is not
    /// decided again.
    pub(in crate::schedules) fn look_at_cursor(&mut self, number: u32, now: Now) {
        let today = self.timers.firing_today();
        let cursor = self.schedules.get(number).schedule.stand.cursor;
        if cursor <= today.after(super::CURSOR_AHEAD) || today < BEFORE {
            return;
        }
        self.stand(number, |stand| {
            stand.cursor = today;
            stand.since = stand.since.min(whole_second(today));
            stand.made = stand.made.min(today);
            stand.resumed_at = stand.resumed_at.min(today);
            stand.succeeded_at = stand.succeeded_at.map(|at| at.min(today));
        });
        self.tell_schedule(number, "clock_set_back", json!({ "cursor": cursor }), now);
    }

    /// The first id that a job of a schedule may have which is made now. It is not known while older ones are restored, which are none.
    pub(in crate::schedules) fn first_job(&self) -> Option<JobId> {
        (!self.schedules.restoring).then_some(self.next_job)
    }

    fn pause_itself(&mut self, number: u32, why: String, now: Now) {
        self.schedules.get_mut(number).plan = None;
        if self.schedules.get(number).schedule.stand.fault.as_ref() != Some(&why) {
            self.tell_schedule(number, "unusable", json!({ "why": why }), now);
            self.stand(number, |stand| stand.fault = Some(why));
        }
        self.schedules.file(number);
    }

    /// Every job is known: what fires for each start of the host does so, and what waits for jobs that are over goes on.
    pub(crate) fn begin_schedules(&mut self, now: Now) {
        self.schedules.restoring = false;
        let all: Vec<u32> = self.schedules.table.keys().copied().collect();
        self.schedules.finished.extend(&all);
        for number in all {
            if self.schedules.get(number).schedule.stand.first_job.is_none() {
                let first_job = self.first_job();
                self.stand(number, |stand| stand.first_job = first_job);
            }
            let entry = self.schedules.get(number);
            let boot = self.config.source.boot();
            let is_new = entry.schedule.stand.boot.as_deref() != Some(boot);
            let fires = entry.firing_plan().is_some_and(|plan| plan.is_for_boots());
            if is_new && fires {
                let boot = boot.to_owned();
                self.stand(number, |stand| stand.boot = Some(boot));
                // What became of it is in its history.
                let _fired = self.fire_one(number, None, now);
            }
        }
    }
}
