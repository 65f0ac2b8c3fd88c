//! What must be true of schedules, by what was committed: each moment is decided once, as in the checker that Jepsen has for Chronos. A
//! run of a job is matched with one moment, and each moment that the cursor has passed with one row.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::durable::{
    Fate, Firing, FiringKey, JobState, OverlapPolicy, Schedule, ScheduleName, Stand,
};
use ostler_job::{JobId, Span, Wall};
use ostler_store::{Change, EventKind};

/// A schedule that stands still for so long beyond its period does not fire.
const STILL: Span = Span::from_secs(10);

/// See the module. It knows schedules that fire each so many seconds.
#[derive(Clone, Default)]
pub(crate) struct Timetable {
    lines: BTreeMap<ScheduleName, Line>,
    rows: BTreeMap<(ScheduleName, Wall), Firing>,
    /// The firings that have not finished.
    unfinished: BTreeMap<JobId, Whose>,
    /// Whose each job is.
    of: BTreeMap<JobId, Whose>,
    /// Of the batch: jobs that have no row yet, and rows that no cursor has passed.
    jobs: BTreeMap<JobId, FiringKey>,
    pending: BTreeMap<(ScheduleName, Wall), Firing>,
    /// What is wrong unless the batch says that somebody moved the cursor.
    passed: BTreeMap<ScheduleName, String>,
}

/// Of which schedule, and of which tenant, a job was submitted.
#[derive(Clone, Debug)]
struct Whose {
    schedule: ScheduleName,
    tenant: String,
    job: JobId,
}

#[derive(Clone)]
struct Line {
    schedule: Schedule,
    period: u64,
}

impl Line {
    /// Whether a job is of this one, and not of another tenant's that had its name before.
    fn has(&self, whose: &Whose) -> bool {
        let Schedule { name, shape, stand, .. } = &self.schedule;
        whose.schedule == *name
            && (whose.tenant == shape.spec.tenant
                || stand.first_job.is_some_and(|first| whose.job >= first))
    }

    /// The first moment after one.
    fn next(&self, after: Wall) -> Wall {
        Wall((after.0 / self.period + 1) * self.period)
    }
}

/// The number in `*/N * * * * *`.
fn period(cron: &str) -> u64 {
    let number = cron.strip_prefix("*/").and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
    number.expect("schedules here fire each so many seconds") * 1_000
}

impl Timetable {
    /// One change of a batch that is committed.
    pub(crate) fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Submit { job, spec, status, .. } => {
                if let Some(key) = &spec.firing {
                    self.jobs.insert(*job, (**key).clone());
                    let (schedule, tenant) = (key.schedule.clone(), spec.tenant.clone());
                    self.of.insert(*job, Whose { schedule, tenant, job: *job });
                    self.status(*job, status.state);
                }
            }
            Change::Update { job, status, .. } => self.status(*job, status.state),
            Change::Schedule(it) => self.put(it),
            Change::ScheduleGone(name) => drop(self.lines.remove(name)),
            Change::Firing { schedule, firing } => return self.firing(schedule, firing),
            Change::Stand { schedule, expect, stand } => {
                return self.stand(schedule, *expect, stand);
            }
            Change::Event { kind: EventKind::Operator, detail, .. } => {
                self.passed.retain(|name, _| {
                    !detail.contains("schedule_cursor") || !detail.contains(name.as_str())
                });
            }
            Change::Event { .. }
            | Change::Key { .. }
            | Change::Edit { .. }
            | Change::Attempt(_)
            | Change::Delete { .. }
            | Change::Token(_)
            | Change::Queue(_)
            | Change::QueueGone(_)
            | Change::Forget { .. }
            | Change::Reserve { .. } => {}
        }
        Ok(())
    }

    /// All of a batch is committed.
    pub(crate) fn committed(&mut self) -> Result<(), String> {
        if let Some((job, key)) = std::mem::take(&mut self.jobs).pop_first() {
            return Err(format!("job {job} is {key:?}, which has no row"));
        }
        if let Some((_, wrong)) = std::mem::take(&mut self.passed).pop_first() {
            return Err(wrong);
        }
        if let Some((_, firing)) = std::mem::take(&mut self.pending).pop_first() {
            return Err(format!("no cursor has passed {firing:?}"));
        }
        Ok(())
    }

    fn status(&mut self, job: JobId, state: JobState) {
        let Some(whose) = self.of.get(&job) else { return };
        if state.is_finished() {
            self.unfinished.remove(&job);
        } else {
            self.unfinished.insert(job, whose.clone());
        }
    }

    fn put(&mut self, schedule: &Schedule) {
        let period = period(&schedule.shape.cron);
        self.lines.insert(schedule.name.clone(), Line { schedule: schedule.clone(), period });
    }

    fn firing(&mut self, name: &ScheduleName, firing: &Firing) -> Result<(), String> {
        let key = (name.clone(), firing.due);
        let before = self.rows.insert(key.clone(), firing.clone());
        if before.as_ref().is_some_and(|it| it.job.is_some()) {
            return Err(format!("{name} fires twice at one moment: {before:?} and {firing:?}"));
        }
        if let Some(job) = firing.job {
            let made = self.jobs.remove(&job);
            if made != Some(FiringKey { schedule: name.clone(), due: firing.due }) {
                return Err(format!("{firing:?} of {name} is not what its job is: {made:?}"));
            }
            let line = self.lines.get(name);
            let overlap = line.map(|it| it.schedule.shape.overlap);
            let is_of = |of: &Whose| line.is_some_and(|line| line.has(of));
            let beside = self.unfinished.iter().find(|(it, of)| **it != job && is_of(of));
            if overlap != Some(OverlapPolicy::Allow) && beside.is_some() {
                return Err(format!("{firing:?} of {name} begins beside {beside:?}"));
            }
        }
        if (firing.fate == Fate::Fired) != firing.job.is_some() {
            return Err(format!("{firing:?} of {name} has no job, or one too many"));
        }
        let waited = before.is_some_and(|it| it.fate == Fate::Waiting);
        if !waited && firing.by.is_none() {
            self.pending.insert(key, firing.clone());
        }
        Ok(())
    }

    /// The cursor moves on: each moment that it passes has a row.
    fn stand(&mut self, name: &ScheduleName, expect: Wall, stand: &Stand) -> Result<(), String> {
        let Some(line) = self.lines.get_mut(name) else {
            return Err(format!("{name} stands elsewhere, and is not there"));
        };
        let from = line.schedule.stand.cursor;
        if from != expect {
            return Err(format!("{name} stands at {from:?}, and {expect:?} is expected"));
        }
        line.schedule.stand = stand.clone();
        let line = line.clone();
        if stand.cursor > from
            && let Err(wrong) = self.passed(name, &line, (from, stand.cursor))
        {
            self.passed.insert(name.clone(), wrong);
        }
        Ok(())
    }

    fn passed(
        &mut self,
        name: &ScheduleName,
        line: &Line,
        (from, to): (Wall, Wall),
    ) -> Result<(), String> {
        let of = |from: Wall, to: Wall| (name.clone(), Wall(from.0 + 1))..=(name.clone(), to);
        let rows: Vec<Firing> = self.pending.range(of(from, to)).map(|it| it.1.clone()).collect();
        let new: BTreeSet<Wall> = rows.iter().map(|it| it.due).collect();
        // What has a job, or waits, since before the cursor was set back.
        let decided = self.rows.range(of(from, to)).map(|it| it.1);
        let decided = decided.filter(|it| it.job.is_some() || it.fate == Fate::Waiting);
        let known: BTreeSet<Wall> =
            decided.map(|it| it.due).filter(|it| !new.contains(it)).collect();
        let next = |after: Wall| {
            let mut at = line.next(after);
            while known.contains(&at) {
                at = line.next(at);
            }
            at
        };
        let mut at = next(from);
        for row in &rows {
            let inside =
                known.range(row.due..=row.last).filter(|it| it.0 % line.period == 0).count();
            let count = (row.last.0 - row.due.0) / line.period + 1 - inside as u64;
            let right = row.due == at
                && row.last.0 % line.period == 0
                && u64::from(row.count) == count.min(u64::from(Firing::COUNT_MAX));
            if !right {
                return Err(format!("{name} comes to {at:?}, and the row is {row:?}"));
            }
            at = next(row.last);
            self.pending.remove(&(name.clone(), row.due));
        }
        if at <= to {
            return Err(format!("{name} has passed {at:?}, which nothing became of: {rows:?}"));
        }
        Ok(())
    }

    /// The unfinished firings of each schedule, and that each one that fires has done so lately.
    pub(crate) fn check_lively(&self, now: Wall) -> Result<(), String> {
        for (name, Line { schedule, period }) in &self.lines {
            let Schedule { stand, shape, .. } = schedule;
            let latest =
                stand.cursor.after(Span::from_millis(*period)).after(shape.jitter).after(STILL);
            if stand.fires() && latest < now {
                return Err(format!("{name} stands still at {now:?}: {schedule:?}"));
            }
        }
        Ok(())
    }

    pub(crate) fn names(&self) -> Vec<ScheduleName> {
        self.lines.keys().cloned().collect()
    }

    /// The schedules as they were left.
    pub(crate) fn schedules(&self) -> Vec<Schedule> {
        self.lines.values().map(|it| it.schedule.clone()).collect()
    }
}
