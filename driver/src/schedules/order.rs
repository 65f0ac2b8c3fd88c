//! What operators do to schedules.

use ostler_job::durable::{
    Change, EventKind, Held, Schedule, ScheduleName, ScheduleShape, ShapeOwner, Stand,
};
use ostler_job::{Now, Wall};
use serde_json::{Value, json};

use super::{Entry, fire::fault, look::view};
use crate::{
    Driver,
    event::{Answer, Effect},
    schedule_event::{ScheduleOrder, ScheduleRefusal, ScheduleVerb, ScheduleView},
};

impl Driver {
    /// An operator wants something of a schedule.
    pub fn handle_schedule(&mut self, order: ScheduleOrder, now: Now) {
        self.hear(now);
        let ticket = order.ticket;
        let schedule = order.schedule.clone();
        let answer = match self.order_schedule(order, now) {
            Ok(view) => Answer::Schedule(Box::new(view)),
            Err(why) => Answer::ScheduleRefused { schedule, why },
        };
        self.outbox.effect(Effect::Answer { ticket, answers: vec![answer] });
        self.done(now);
    }

    fn order_schedule(
        &mut self,
        order: ScheduleOrder,
        now: Now,
    ) -> Result<ScheduleView, ScheduleRefusal> {
        let ScheduleOrder { who, tenant, schedule: name, verb, .. } = order;
        let number = self.schedules.find(&name);
        let is_others = |number: u32| {
            let of = &self.schedules.get(number).schedule.shape.spec.tenant;
            tenant.as_ref().is_some_and(|tenant| tenant != of)
        };
        if let ScheduleVerb::Put { shape, paused, new_only, others, fired } = verb {
            if number.is_some_and(|number| new_only || is_others(number)) {
                return Err(ScheduleRefusal::Taken);
            }
            let is_new = number.is_none();
            let most = self.config.tenant_schedules_max;
            if let Some(tenant) = tenant.filter(|it| is_new && self.schedules.of_tenant(it) >= most)
            {
                debug_assert_eq!(tenant, shape.spec.tenant, "a token makes them for its tenant");
                return Err(ScheduleRefusal::TooManyOfTenant(most));
            }
            return self.put_schedule((&who, others), name, (*shape, paused), (fired, now));
        }
        let number = number.filter(|&it| !is_others(it)).ok_or(ScheduleRefusal::Unknown)?;
        let Schedule { owner, stand, .. } = &*self.schedules.get(number).schedule;
        let (is_of_file, has_ended) = (*owner == ShapeOwner::File, stand.ended_at.is_some());
        if has_ended && !matches!(verb, ScheduleVerb::Delete) {
            return Err(ScheduleRefusal::Ended);
        }
        match verb {
            ScheduleVerb::Delete if is_of_file && !has_ended => Err(ScheduleRefusal::OfFile),
            ScheduleVerb::Delete => {
                self.audit_schedule("schedule_delete", &who, &name, Value::Null, now);
                self.give_up_waiting(number, now);
                Ok(self.remove_schedule(number))
            }
            ScheduleVerb::Run => {
                self.audit_schedule("schedule_run", &who, &name, Value::Null, now);
                let ran = self.fire_one(number, Some(&who), now);
                let ran = ran.map_err(ScheduleRefusal::NotTaken)?;
                Ok(ScheduleView { ran, ..self.schedule_view(number) })
            }
            ScheduleVerb::SetBack { fired, version } => {
                self.set_schedule_back(number, (fired, version), now)?;
                Ok(self.schedule_view(number))
            }
            ScheduleVerb::Put { .. }
            | ScheduleVerb::Pause
            | ScheduleVerb::Resume
            | ScheduleVerb::Cursor { .. } => {
                self.steer_schedule(number, &verb, &who, now)?;
                Ok(self.schedule_view(number))
            }
        }
    }

    fn steer_schedule(
        &mut self,
        number: u32,
        verb: &ScheduleVerb,
        who: &str,
        now: Now,
    ) -> Result<(), ScheduleRefusal> {
        let today = self.timers.firing_today();
        let before = self.schedules.get(number).schedule.stand.clone();
        match verb {
            ScheduleVerb::Pause => self.stand(number, |stand| {
                let held = || Held { who: who.to_owned(), since: now.wall };
                stand.paused.get_or_insert_with(held);
                stand.overdue_at = None;
            }),
            ScheduleVerb::Resume => {
                self.plan_again(number).map_err(ScheduleRefusal::Unusable)?;
                if !before.fires() {
                    self.stand(number, |stand| {
                        (stand.paused, stand.fault) = (None, None);
                        stand.resumed_at = today;
                    });
                }
            }
            ScheduleVerb::Cursor { to, fired, version } => {
                let entry = self.schedules.get_mut(number);
                if entry.version != *version {
                    return Err(ScheduleRefusal::Changed);
                }
                // What waits is decided.
                let waiting = entry.waiting.iter();
                entry.fired.extend(fired.iter().chain(waiting).filter(|at| *at > to));
                self.stand(number, |stand| stand.cursor = *to);
            }
            ScheduleVerb::Put { .. }
            | ScheduleVerb::Run
            | ScheduleVerb::SetBack { .. }
            | ScheduleVerb::Delete => {
                unreachable!("these have ways of their own")
            }
        }
        let name = self.schedules.get(number).schedule.name.clone();
        // Asked twice, as by somebody who got no answer, it is as good as done.
        if self.schedules.get(number).schedule.stand != before {
            let (action, detail) = verb.told();
            self.audit_schedule(action, who, &name, detail, now);
        }
        self.schedules.file(number);
        // What waited while it was paused goes on.
        self.schedules.finished.insert(number);
        Ok(())
    }

    /// As a start of the gateway does it, without one.
    fn set_schedule_back(
        &mut self,
        number: u32,
        (fired, version): (Vec<Wall>, u64),
        now: Now,
    ) -> Result<(), ScheduleRefusal> {
        let today = self.timers.firing_today();
        let entry = self.schedules.get_mut(number);
        if entry.version != version {
            return Err(ScheduleRefusal::Changed);
        }
        // What waits is decided, too.
        entry.fired.extend(fired.into_iter().chain(entry.waiting.iter().copied()));
        // Orders to run are of now again: those that have a job are known.
        entry.ordered = entry.ordered.min(today);
        self.look_at_cursor(number, now);
        let entry = self.schedules.get_mut(number);
        entry.fired = entry.fired.split_off(&Wall(entry.schedule.stand.cursor.0 + 1));
        self.schedules.file(number);
        Ok(())
    }

    fn put_schedule(
        &mut self,
        (who, others): (&str, bool),
        name: ScheduleName,
        (shape, paused): (ScheduleShape, bool),
        (fired, now): (Vec<Wall>, Now),
    ) -> Result<ScheduleView, ScheduleRefusal> {
        let number = self.schedules.find(&name);
        let known = number.map(|number| self.schedules.get(number).schedule.clone());
        if known
            .as_ref()
            .is_some_and(|it| it.owner == ShapeOwner::File && it.stand.ended_at.is_none())
        {
            return Err(ScheduleRefusal::OfFile);
        }
        let most = self.config.schedules_max;
        if known.is_none() && self.schedules.len() >= most {
            return Err(ScheduleRefusal::TooMany(most));
        }
        if known.as_ref().is_some_and(|it| it.shape == shape && it.stand.ended_at.is_none())
            && let Some(number) = number
        {
            return Ok(self.schedule_view(number));
        }
        if !others && known.as_ref().is_some_and(|it| it.put_by.as_deref() != Some(who)) {
            return Err(ScheduleRefusal::Others);
        }
        let held = paused.then(|| Held { who: who.to_owned(), since: now.wall });
        let number = self.keep_schedule((name.clone(), shape), Some(who), held);
        let number = number.map_err(ScheduleRefusal::Unusable)?;
        self.schedules.note_fired(number, fired);
        self.audit_schedule("schedule_put", who, &name, Value::Null, now);
        let is_new = known.is_none();
        Ok(ScheduleView { is_new, ..self.schedule_view(number) })
    }

    /// The schedule is so from here on, and is kept so; one that is new begins as `paused` says. `who`: the token that puts it, unless it is
    /// the configuration.
    pub(in crate::schedules) fn keep_schedule(
        &mut self,
        (name, shape): (ScheduleName, ScheduleShape),
        who: Option<&str>,
        paused: Option<Held>,
    ) -> Result<u32, String> {
        let today = self.timers.firing_today();
        let number = self.schedules.find(&name);
        let known = number.map(|number| &*self.schedules.get(number).schedule);
        let fresh = || Stand {
            since: whole_second(today),
            made: today,
            first_job: self.first_job(),
            cursor: today,
            boot: Some(self.config.source.boot().to_owned()),
            paused,
            ..Stand::default()
        };
        let mut stand = known.map_or_else(fresh, |it| it.stand.clone());
        if known.is_some_and(|it| !fires_alike(&it.shape, &shape) || it.stand.ended_at.is_some()) {
            (stand.since, stand.cursor, stand.ended_at) = (whole_second(today), today, None);
        }
        // What is wrong with it is found out anew; nobody could have expected it to succeed until now.
        (stand.fault, stand.overdue_at) = (None, None);
        let plan = self.config.source.plan(&name, &shape, stand.since)?;
        let owner = who.map_or(ShapeOwner::File, |_| ShapeOwner::Api);
        let schedule = Schedule { name, shape, owner, put_by: who.map(str::to_owned), stand };
        self.outbox.change(Change::Schedule(Box::new(schedule.clone())));
        let Some(number) = number else {
            return Ok(self.schedules.insert(Entry::new(schedule, Some(plan), self.version())));
        };
        self.schedules.change(number, schedule, plan);
        self.schedules.file(number);
        self.schedules.finished.insert(number);
        Ok(number)
    }

    /// Makes the plan of a schedule that has none, if it can be made now.
    fn plan_again(&mut self, number: u32) -> Result<(), String> {
        let entry = self.schedules.get(number);
        if entry.plan.is_some() {
            return Ok(());
        }
        let Schedule { name, shape, stand, .. } = &*entry.schedule;
        let plan = self.config.source.plan(name, shape, stand.since);
        let plan = plan.map_err(|why| format!("{why} ({})", fault(stand)))?;
        self.schedules.get_mut(number).plan = Some(plan);
        Ok(())
    }

    /// What the versions of a schedule begin with. The fences of a term are above all before, and more than it decides.
    pub(in crate::schedules) const fn version(&self) -> u64 {
        self.fences.start
    }

    fn remove_schedule(&mut self, number: u32) -> ScheduleView {
        let view = self.schedule_view(number);
        let name = view.schedule.name.clone();
        self.schedules.remove(number);
        self.outbox.change(Change::ScheduleGone(name));
        view
    }

    fn schedule_view(&self, number: u32) -> ScheduleView {
        view(self.schedules.get(number), self.timers.firing_today())
    }

    pub(in crate::schedules) fn audit_schedule(
        &mut self,
        action: &str,
        who: &str,
        name: &ScheduleName,
        more: Value,
        now: Now,
    ) {
        let mut detail = json!({ "action": action, "schedule": name });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        self.outbox.event((now.wall, EventKind::Operator), None, Some(who), &detail);
    }
}

impl ScheduleVerb {
    /// As it is written in events.
    fn told(&self) -> (&'static str, Value) {
        match self {
            Self::Put { .. } => ("schedule_put", Value::Null),
            Self::Pause => ("schedule_pause", Value::Null),
            Self::Resume => ("schedule_resume", Value::Null),
            Self::Run => ("schedule_run", Value::Null),
            Self::Cursor { to, .. } => ("schedule_cursor", json!({ "to": to })),
            Self::SetBack { .. } => ("schedule_set_back", Value::Null),
            Self::Delete => ("schedule_delete", Value::Null),
        }
    }
}

/// The moment from which `@every` counts: what it counts to are whole seconds, as the moments of all other expressions are. Those of
/// orders to run are not, so that no two firings have one.
pub(super) const fn whole_second(Wall(at): Wall) -> Wall {
    Wall(at - at % 1_000)
}

/// Whether two fire at the same times.
fn fires_alike(one: &ScheduleShape, other: &ScheduleShape) -> bool {
    let times = |it: &ScheduleShape| {
        (it.cron.clone(), it.vixie, it.zone.clone(), it.gap, it.fold, it.jitter, it.starts, it.ends)
    };
    times(one) == times(other)
}
