//! A moment has come: what becomes of it is decided, and what fires is a job.

use std::sync::Arc;

use ostler_job::durable::{Change, EventKind, Fate, Firing, FiringKey, Retry, Spec, Stand};
use ostler_job::{JobId, Now, Wall};
use ostler_module::{Clock, Decided, Round};
use serde_json::json;

use super::{ON_TIME, Open};
use crate::{
    Driver,
    event::{Answer, Effect, NewJob, Verb},
    jobs::NEVER,
};

/// Firings that are decided in one event, but for those of the last round: others are heard in between, however many are due at once.
const AT_ONCE: usize = 1_000;

impl Driver {
    /// Decides what is due by the calendar's date.
    pub(in crate::schedules) fn fire_due(&mut self, today: Wall, now: Now) {
        let mut decided = 0;
        while decided < AT_ONCE {
            let Some(&(at, number)) = self.schedules.due.first() else { return };
            if at > today {
                return;
            }
            let entry = self.schedules.get(number);
            let plan = entry.firing_plan().expect("only what fires is filed");
            let on_time_from = Wall(today.0.saturating_sub(ON_TIME.0 / 1_000_000));
            let round = plan.round(&entry.standing(), Clock { now: today, on_time_from });
            debug_assert!(round.cursor > entry.schedule.stand.cursor, "a round comes further");
            // One that decides nothing is work as well.
            decided += self.carry_out(number, round, None, now).len().max(1);
        }
    }

    /// One firing at this moment, which somebody ordered, or which a start of the host is. Answers its job, or why it has none.
    pub(in crate::schedules) fn fire_one(
        &mut self,
        number: u32,
        who: Option<&str>,
        now: Now,
    ) -> Result<Option<JobId>, String> {
        let entry = self.schedules.get_mut(number);
        // Those of expressions are whole seconds, and each moment is one firing's.
        let mut due = now.wall.max(Wall(entry.ordered.0 + 1));
        while due.0.is_multiple_of(1_000) || entry.fired.contains(&due) {
            due.0 += 1;
        }
        entry.ordered = due;
        let plan = entry.plan.as_ref().ok_or_else(|| fault(&entry.schedule.stand))?;
        let round = plan.one(&entry.standing(), due);
        let fired = self.carry_out(number, round, who, now);
        match fired.into_iter().find(|it| it.due == due) {
            Some(Firing { fate: Fate::Refused, detail, .. }) => Err(detail.unwrap_or_default()),
            Some(firing) => Ok(firing.job),
            None => Ok(None),
        }
    }

    /// What was decided is so from here on, and is written. Answers the firings.
    fn carry_out(&mut self, number: u32, round: Round, who: Option<&str>, now: Now) -> Vec<Firing> {
        let Round { cursor, decided, given_up, replaces } = round;
        for due in given_up {
            self.schedules.get_mut(number).waiting.remove(&due);
            let firing = firing(&Decided { due, last: due, count: 1, fate: Fate::Overlapped }, now);
            self.write_firing(number, firing);
        }
        if replaces {
            self.end_unfinished(number, now);
        }
        let fired = decided.iter().map(|it| self.decide(number, it, who, now)).collect();
        self.stand(number, |stand| stand.cursor = stand.cursor.max(cursor));
        let entry = self.schedules.get_mut(number);
        entry.fired = entry.fired.split_off(&Wall(cursor.0 + 1));
        self.schedules.file(number);
        fired
    }

    /// One firing, or several that were missed.
    fn decide(&mut self, number: u32, decided: &Decided, who: Option<&str>, now: Now) -> Firing {
        let mut firing = firing(decided, now);
        firing.by = who.map(str::to_owned);
        match firing.fate {
            Fate::Fired => self.make_job(number, &mut firing, now),
            Fate::Waiting => {
                self.schedules.get_mut(number).waiting.insert(firing.due);
                self.schedules.finished.insert(number);
            }
            Fate::Overlapped | Fate::Missed | Fate::Refused => {}
        }
        self.write_firing(number, firing.clone());
        firing
    }

    /// The first of the firings that wait is a job now.
    pub(in crate::schedules) fn fire_waiting(&mut self, number: u32, now: Now) {
        let Some(due) = self.schedules.get_mut(number).waiting.pop_first() else { return };
        let mut firing = firing(&Decided { due, last: due, count: 1, fate: Fate::Fired }, now);
        self.make_job(number, &mut firing, now);
        self.write_firing(number, firing);
    }

    /// The firing is a job, if one of that kind is taken at all.
    fn make_job(&mut self, number: u32, firing: &mut Firing, now: Now) {
        let spec = Arc::new(self.spec_of(number, firing.due, now));
        let new = NewJob { spec, paused: false, delayed: false, done_before: None };
        let who = format!("schedule {}", self.schedules.get(number).schedule.name);
        let refused = self.plan(std::slice::from_ref(&new), now).pop().flatten();
        if let Some(refused) = refused {
            firing.fate = Fate::Refused;
            firing.detail = Some(self.why_refused(number, &refused));
            return;
        }
        let answer = self.take(new, &who, now);
        let (Answer::Done { job, .. } | Answer::Late { job, .. }) = answer else {
            unreachable!("a job that was planned is taken")
        };
        firing.job = Some(job);
        self.note_late(number, firing.due, now);
    }

    /// How late a firing is goes to the metrics. One that was ordered, or is for a start of the host, has no time to be late by.
    fn note_late(&mut self, number: u32, due: Wall, now: Now) {
        let Some(plan) = &self.schedules.get(number).plan else { return };
        let before = Wall(due.0.saturating_sub(1));
        if plan.coming(before, 1) == [due] {
            let with_jitter = plan.next(before).unwrap_or(due);
            self.outbox.effect(Effect::Fired { late: now.wall.since(with_jitter) });
        }
    }

    /// What the firing is asked to do.
    fn spec_of(&self, number: u32, due: Wall, now: Now) -> Spec {
        let schedule = &self.schedules.get(number).schedule;
        let mut spec = schedule.shape.spec.clone();
        spec.firing = Some(Box::new(FiringKey { schedule: schedule.name.clone(), due }));
        spec.expires = schedule.shape.expires_in.map(|span| now.wall.after(span));
        if let Some(queue) = self.queues.find(spec.queue.as_ref()) {
            // As it is now: a schedule outlives what its queue was when it was put.
            let takes_retry = spec.retry == Retry::usual();
            self.queues.get(queue).shape.fill(&mut spec, takes_retry);
        }
        spec
    }

    /// In words, for the history, which is read by people.
    fn why_refused(&self, number: u32, answer: &Answer) -> String {
        let queue =
            self.schedules.get(number).schedule.shape.spec.queue.clone().unwrap_or_default();
        match answer {
            Answer::QueueFull { queue: None, .. } => "as many jobs wait as may".to_owned(),
            Answer::QueueFull { queue: Some(queue), .. } => {
                format!("as many jobs wait in queue {queue} as may")
            }
            Answer::Coalesced { job } | Answer::Duplicate { job } => {
                format!("job {job}, which is the same, makes it superfluous")
            }
            Answer::QueueRefused { queue, why: crate::QueueRefusal::Drained(held) } => {
                format!("queue {queue} takes nothing new since {} drained it", held.who)
            }
            Answer::QueueRefused { .. } => {
                format!("there is no queue {queue}: make it, or change the schedule")
            }
            Answer::Done { .. }
            | Answer::Late { .. }
            | Answer::Repeated { .. }
            | Answer::Keyed { .. }
            | Answer::WithOthers
            | Answer::Unknown
            | Answer::Queue(_)
            | Answer::Schedule(_)
            | Answer::ScheduleRefused { .. }
            | Answer::EditRefused { .. }
            | Answer::NotNow { .. } => {
                unreachable!("a plan refuses for want of room, by its queue, or for another job")
            }
        }
    }

    /// What has not finished is ended, for the next to run.
    fn end_unfinished(&mut self, number: u32, now: Now) {
        let entry = self.schedules.get(number);
        let who = format!("schedule {}", entry.schedule.name);
        for job in entry.unfinished.clone() {
            if self.jobs.get(job).is_none_or(|it| it.state.is_finished() || it.kill) {
                continue;
            }
            self.steer_unfinished(job, &Verb::Cancel, &who, now);
            let detail = json!({ "verb": "cancel", "replaced": true });
            self.outbox.event((now.wall, EventKind::Operator), Some(job), Some(&who), &detail);
        }
    }

    /// What waits does not run any more.
    pub(in crate::schedules) fn give_up_waiting(&mut self, number: u32, now: Now) {
        for due in std::mem::take(&mut self.schedules.get_mut(number).waiting) {
            let decided = Decided { due, last: due, count: 1, fate: Fate::Missed };
            self.write_firing(number, firing(&decided, now));
        }
    }

    fn write_firing(&mut self, number: u32, firing: Firing) {
        let schedule = self.schedules.get(number).schedule.name.clone();
        self.counters.firings[firing.fate as usize] += u64::from(firing.count);
        self.schedules.get_mut(number).version += 1;
        self.outbox.change(Change::Firing { schedule, firing: Box::new(firing) });
    }

    /// The schedule stands elsewhere, which is written.
    pub(in crate::schedules) fn stand(&mut self, number: u32, change: impl FnOnce(&mut Stand)) {
        let schedule = Arc::make_mut(&mut self.schedules.get_mut(number).schedule);
        let expect = schedule.stand.cursor;
        let before = schedule.stand.clone();
        change(&mut schedule.stand);
        if schedule.stand == before {
            return;
        }
        let (schedule, stand) = (schedule.name.clone(), Box::new(schedule.stand.clone()));
        self.outbox.change(Change::Stand { schedule, expect, stand });
    }

    /// A job is a firing of this schedule.
    pub(crate) fn hold_firing(&mut self, job: JobId, key: &FiringKey, now: Now) {
        let tenant = Arc::clone(self.tenants.name(self.jobs[job].tenant));
        let mut open = Open { schedule: key.schedule.clone(), tenant, job, long: NEVER };
        let number = self.schedules.owner(&open);
        let max_run = number.and_then(|it| self.schedules.get(it).schedule.shape.max_run);
        let age = self.jobs[job].since.passed(now.mono);
        let left = |max: ostler_job::Span| ostler_job::Span(max.0.saturating_sub(age.0));
        open.long = max_run.map_or(NEVER, |max| now.mono + left(max));
        self.schedules.hold(job, open);
    }
}

fn firing(decided: &Decided, now: Now) -> Firing {
    let &Decided { due, last, count, fate } = decided;
    Firing { due, last, count, at: now.wall, fate, job: None, by: None, detail: None }
}

/// Why there is no plan.
pub(super) fn fault(stand: &Stand) -> String {
    stand.fault.clone().unwrap_or_else(|| "it has no times".to_owned())
}
