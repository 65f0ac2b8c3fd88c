//! Schedules and their firings: what changes of them expect, and what they do.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Wall,
    durable::{Fate, Firing, KeptSchedule, Schedule, ScheduleName, Stand},
};

use super::tables::Tables;
use crate::{Applied, Change, Fault, StoreError};

/// What changes that come later in a batch find, those before them being done.
#[derive(Default)]
pub(super) struct Expected<'a> {
    /// Where schedules stand; `None`: there is none.
    cursors: BTreeMap<&'a ScheduleName, Option<Wall>>,
    /// What was written of moments; `None`: nothing is.
    firings: BTreeMap<(&'a ScheduleName, Wall), Option<&'a Firing>>,
}

impl<'a> Expected<'a> {
    pub(super) fn check(
        &mut self,
        tables: &'a Tables,
        change: &'a Change,
    ) -> Result<(), StoreError> {
        match change {
            Change::Schedule(it) => {
                self.cursors.insert(&it.name, Some(it.stand.cursor));
            }
            Change::ScheduleGone(name) => {
                self.cursors.insert(name, None);
                self.forget(tables, |of, firing| of == name && firing.fate == Fate::Waiting);
            }
            Change::Stand { schedule, expect, stand } => {
                let kept = || tables.schedules.get(schedule).map(|it| it.stand.cursor);
                let now = self.cursors.get(schedule).copied().unwrap_or_else(kept);
                if now != Some(*expect) {
                    let detail =
                        format!("schedule {schedule} does not stand where its writer knew it");
                    return Err(StoreError::new(Fault::Fenced, detail));
                }
                self.cursors.insert(schedule, Some(stand.cursor));
            }
            Change::Firing { schedule, firing } => {
                if self.job(tables, schedule, firing.due).is_some_and(|job| Some(job) != firing.job)
                {
                    let detail = format!("a firing of schedule {schedule} has a job already");
                    return Err(StoreError::new(Fault::Fenced, detail));
                }
                self.firings.insert((schedule, firing.due), Some(firing));
            }
            Change::Forget { events, .. } => {
                self.forget(tables, |_, firing| is_forgotten(firing, *events));
            }
            Change::Submit { .. }
            | Change::Key { .. }
            | Change::Update { .. }
            | Change::Edit { .. }
            | Change::Attempt(_)
            | Change::Delete { .. }
            | Change::Event { .. }
            | Change::Token(_)
            | Change::Queue(_)
            | Change::QueueGone(_)
            | Change::Reserve { .. } => {}
        }
        Ok(())
    }

    fn job(&self, tables: &Tables, schedule: &ScheduleName, due: Wall) -> Option<JobId> {
        let kept = || tables.firings.get(&(schedule.clone(), due));
        self.firings.get(&(schedule, due)).copied().unwrap_or_else(kept)?.job
    }

    fn forget(&mut self, tables: &'a Tables, is_meant: impl Fn(&ScheduleName, &Firing) -> bool) {
        for ((schedule, due), firing) in &tables.firings {
            self.firings.entry((schedule, *due)).or_insert(Some(firing));
        }
        for ((schedule, _), firing) in &mut self.firings {
            if firing.is_some_and(|it| is_meant(schedule, it)) {
                *firing = None;
            }
        }
    }
}

fn is_forgotten(firing: &Firing, before: Wall) -> bool {
    firing.fate != Fate::Waiting && firing.at < before
}

impl Tables {
    pub(super) fn put_schedule(&mut self, schedule: &Schedule) -> Applied {
        self.schedules.insert(schedule.name.clone(), schedule.clone());
        Applied::Done
    }

    pub(super) fn remove_schedule(&mut self, name: &ScheduleName) -> Applied {
        self.schedules.remove(name);
        self.firings.retain(|(of, _), firing| of != name || firing.fate != Fate::Waiting);
        Applied::Done
    }

    pub(super) fn stand(&mut self, schedule: &ScheduleName, stand: &Stand) -> Applied {
        if let Some(it) = self.schedules.get_mut(schedule) {
            it.stand = stand.clone();
        }
        Applied::Done
    }

    pub(super) fn put_firing(&mut self, schedule: &ScheduleName, firing: &Firing) -> Applied {
        self.firings.insert((schedule.clone(), firing.due), firing.clone());
        Applied::Done
    }

    pub(super) fn forget_firings(&mut self, before: Wall) {
        self.firings.retain(|_, firing| !is_forgotten(firing, before));
    }

    pub(super) fn kept_schedules(&self, now: Wall) -> Vec<KeptSchedule> {
        let kept = |schedule: &Schedule| {
            let waiting = self.firings_of(&schedule.name, Wall(0), None);
            let waiting = waiting.filter(|it| it.fate == Fate::Waiting).map(|it| it.due).collect();
            let fired = self.fired_after(&schedule.name, schedule.stand.cursor.min(now)).collect();
            KeptSchedule { schedule: schedule.clone(), waiting, fired }
        };
        self.schedules.values().map(kept).collect()
    }

    /// From one moment to before another, the earliest first.
    pub(super) fn firings_of(
        &self,
        schedule: &ScheduleName,
        from: Wall,
        before: Option<Wall>,
    ) -> impl DoubleEndedIterator<Item = &Firing> {
        let of = |due| (schedule.clone(), due);
        let range = self.firings.range(of(from)..=of(Wall(u64::MAX))).map(|(_, firing)| firing);
        range.filter(move |firing| before.is_none_or(|before| firing.due < before))
    }

    pub(super) fn fired_after(
        &self,
        schedule: &ScheduleName,
        after: Wall,
    ) -> impl Iterator<Item = Wall> {
        let firings = self.firings_of(schedule, after, None);
        firings.filter(move |it| it.job.is_some() && it.due > after).map(|it| it.due)
    }
}
