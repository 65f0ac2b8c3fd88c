//! The schedules that there are: where each stands, which of its firings have not finished, and what has to be decided when.
//!
//! What is decided is the plan's of each, which remembers nothing ([`ostler_module::Plan`]). Here it is remembered, and written: the
//! row of a firing, the job that it is and the cursor are changes of one action. So a firing is neither lost nor there twice,
//! whatever becomes of the commit.

pub(super) mod finish;
pub(super) mod fire;
pub(super) mod look;
pub(super) mod order;
pub(super) mod restore;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ostler_job::durable::{Schedule, ScheduleName};
use ostler_job::{JobId, Mono, Span, Wall};
use ostler_module::{Plan, Standing};

/// What is decided at most so long after it came due is on time: so long a gateway may be busy, and no longer is it busy.
const ON_TIME: Span = Span::from_secs(3);

/// A cursor that is further ahead than this was written by a clock that was wrong; a step of an hour is waited for.
const CURSOR_AHEAD: Span = Span::from_secs(61 * 60);

/// Orders to run come no quicker than each moment being one firing's puts them ahead of the clock by so much.
const ORDERED_AHEAD: Span = Span::from_secs(10);

/// See the module. Numbers are never given again.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    numbers: BTreeMap<ScheduleName, u32>,
    table: BTreeMap<u32, Entry>,
    next: u32,
    /// When each has to be looked at next, by the calendar.
    due: BTreeSet<(Wall, u32)>,
    /// When each is overdue, if nothing of it succeeds until then.
    overdue: BTreeSet<(Wall, u32)>,
    /// When each unfinished firing runs too long.
    long: BTreeSet<(Mono, JobId)>,
    /// The firings that have not finished.
    of: BTreeMap<JobId, Open>,
    /// Those of them whose schedule is gone. One of that name, should it be made again by the same tenant, has them.
    orphans: BTreeMap<ScheduleName, BTreeSet<JobId>>,
    /// How many there are of each tenant.
    tenants: BTreeMap<String, usize>,
    /// When the last firing was due that somebody ordered of a schedule that is gone: one of its name has later ones.
    ordered: Wall,
    /// Schedules of which a firing has finished: another may wait for that.
    finished: BTreeSet<u32>,
    /// Jobs of an earlier term are still being restored: nothing is known to have finished.
    restoring: bool,
}

/// A firing that has not finished.
#[derive(Debug)]
struct Open {
    /// Of which schedule, and whose job it is: a name may be given again, to somebody else.
    schedule: ScheduleName,
    tenant: Arc<str>,
    job: JobId,
    /// When it runs too long.
    long: Mono,
}

impl Open {
    /// Whether it is this schedule's, and not that of another tenant's which had its name before.
    fn is_of(&self, schedule: &Schedule) -> bool {
        let made_it = |first: JobId| self.job >= first;
        *self.tenant == *schedule.shape.spec.tenant || schedule.stand.first_job.is_some_and(made_it)
    }
}

/// A schedule and its firings.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) schedule: Arc<Schedule>,
    /// `None`: it has none that could be read, and the stand says why.
    plan: Option<Box<dyn Plan>>,
    unfinished: BTreeSet<JobId>,
    /// Firings that wait for those, by when they were due.
    waiting: BTreeSet<Wall>,
    /// Those after the cursor that have a job.
    fired: BTreeSet<Wall>,
    too_long: BTreeSet<JobId>,
    /// When the last firing was due that somebody ordered.
    ordered: Wall,
    /// Grows with each firing that is decided; no memory has one of another's.
    version: u64,
    /// Under which moments it is filed.
    due: Option<Wall>,
    overdue: Option<Wall>,
}

impl Entry {
    fn new(schedule: Schedule, plan: Option<Box<dyn Plan>>, version: u64) -> Self {
        Self {
            schedule: Arc::new(schedule),
            plan,
            unfinished: BTreeSet::new(),
            waiting: BTreeSet::new(),
            fired: BTreeSet::new(),
            too_long: BTreeSet::new(),
            ordered: Wall(0),
            version,
            due: None,
            overdue: None,
        }
    }

    fn standing(&self) -> Standing<'_> {
        let stand = &self.schedule.stand;
        Standing {
            cursor: stand.cursor,
            resumed_at: stand.resumed_at,
            unfinished: self.unfinished.len(),
            waiting: &self.waiting,
            fired: &self.fired,
        }
    }

    /// The plan of one that fires.
    fn firing_plan(&self) -> Option<&dyn Plan> {
        self.plan.as_deref().filter(|_| self.schedule.stand.fires())
    }

    /// When it is overdue, as things are. One that is paused or has ended is not expected to do anything.
    fn expected_by(&self) -> Option<Wall> {
        let Schedule { shape, stand, .. } = &*self.schedule;
        let within = shape.expect_within?;
        let expected = stand.paused.is_none() && stand.ended_at.is_none();
        let last = stand.succeeded_at.unwrap_or(stand.since).max(stand.resumed_at);
        (expected && stand.overdue_at.is_none()).then(|| last.after(within))
    }

    /// Whether the first firing that waits has nothing to wait for.
    fn has_next(&self) -> bool {
        let is_free = self.unfinished.is_empty() && self.schedule.stand.fires();
        is_free && !self.waiting.is_empty()
    }

    /// Whether it is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        self.schedule.stand.overdue_at.is_some()
    }
}

impl Schedules {
    /// The number of the schedule of a name.
    pub(super) fn find(&self, name: &ScheduleName) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn get(&self, number: u32) -> &Entry {
        self.table.get(&number).expect("a schedule is asked for while it is there")
    }

    fn get_mut(&mut self, number: u32) -> &mut Entry {
        self.table.get_mut(&number).expect("a schedule is asked for while it is there")
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let number = self.next;
        self.next += 1;
        let known = self.numbers.insert(entry.schedule.name.clone(), number);
        debug_assert!(known.is_none(), "a name is one schedule's");
        *self.tenants.entry(entry.schedule.shape.spec.tenant.clone()).or_default() += 1;
        self.table.insert(number, entry);
        self.take_own(number);
        self.file(number);
        number
    }

    /// It is another one from here on.
    fn change(&mut self, number: u32, schedule: Schedule, plan: Box<dyn Plan>) {
        *self.tenants.entry(schedule.shape.spec.tenant.clone()).or_default() += 1;
        let entry = self.get_mut(number);
        let before = std::mem::replace(&mut entry.schedule, Arc::new(schedule));
        entry.plan = Some(plan);
        self.leave_tenant(&before);
        self.take_own(number);
    }

    fn leave_tenant(&mut self, schedule: &Schedule) {
        let tenant = &schedule.shape.spec.tenant;
        let left = self.tenants.get_mut(tenant).expect("a tenant with a schedule is counted");
        *left -= 1;
        if *left == 0 {
            self.tenants.remove(tenant);
        }
    }

    /// How many there are of a tenant.
    fn of_tenant(&self, tenant: &str) -> usize {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    /// The schedule has those unfinished firings of its name that are its own, and no others.
    fn take_own(&mut self, number: u32) {
        let entry = self.table.get_mut(&number).expect("a schedule takes while it is there");
        let name = &entry.schedule.name;
        let mut all = self.orphans.remove(name).unwrap_or_default();
        all.append(&mut entry.unfinished);
        let is_own = |job: &JobId| self.of[job].is_of(&entry.schedule);
        let (own, others): (BTreeSet<JobId>, _) = all.into_iter().partition(is_own);
        entry.too_long.retain(|job| own.contains(job));
        entry.unfinished = own;
        if !others.is_empty() {
            self.orphans.insert(name.clone(), others);
        }
    }

    /// It goes; its firings stay what they are.
    fn remove(&mut self, number: u32) {
        self.unfile(number);
        let entry = self.table.remove(&number).expect("a schedule goes once");
        self.numbers.remove(&entry.schedule.name);
        self.leave_tenant(&entry.schedule);
        self.finished.remove(&number);
        self.ordered = self.ordered.max(entry.ordered);
        if !entry.unfinished.is_empty() {
            let orphans = self.orphans.entry(entry.schedule.name.clone()).or_default();
            orphans.extend(entry.unfinished);
        }
    }

    /// Files the schedule under the moments at which something is to be done about it.
    fn file(&mut self, number: u32) {
        self.unfile(number);
        let entry = self.table.get_mut(&number).expect("a schedule is filed while it is there");
        entry.due = entry.firing_plan().and_then(|plan| plan.next(entry.schedule.stand.cursor));
        entry.overdue = entry.expected_by();
        self.due.extend(entry.due.map(|at| (at, number)));
        self.overdue.extend(entry.overdue.map(|at| (at, number)));
    }

    fn unfile(&mut self, number: u32) {
        let Some(entry) = self.table.get_mut(&number) else { return };
        if let Some(at) = entry.due.take() {
            self.due.remove(&(at, number));
        }
        if let Some(at) = entry.overdue.take() {
            self.overdue.remove(&(at, number));
        }
    }

    /// Moments of its name have jobs, from before it was made or had these times: those after its cursor do not fire again. What was
    /// ordered since whoever told them looked is a moment ahead at most, unless the clock was set.
    fn note_fired(&mut self, number: u32, fired: Vec<Wall>) {
        let ordered = self.ordered;
        let entry = self.get_mut(number);
        let cursor = entry.schedule.stand.cursor;
        if ordered <= cursor.after(ORDERED_AHEAD) {
            entry.ordered = entry.ordered.max(ordered);
        }
        entry.fired.extend(fired.into_iter().filter(|due| *due > cursor));
    }

    /// A job is a firing.
    fn hold(&mut self, job: JobId, open: Open) {
        match self.owner(&open) {
            Some(number) => self.get_mut(number).unfinished.insert(job),
            None => self.orphans.entry(open.schedule.clone()).or_default().insert(job),
        };
        if open.long != super::jobs::NEVER {
            self.long.insert((open.long, job));
        }
        self.of.insert(job, open);
    }

    /// The schedule that a firing is of, if it is there.
    fn owner(&self, open: &Open) -> Option<u32> {
        let number = self.find(&open.schedule)?;
        open.is_of(&self.get(number).schedule).then_some(number)
    }

    /// The job is over. Answers which schedule's it was, if that is there.
    fn forget_job(&mut self, job: JobId) -> Option<u32> {
        let open = self.of.remove(&job)?;
        self.long.remove(&(open.long, job));
        let Some(number) = self.owner(&open) else {
            if let Some(orphans) = self.orphans.get_mut(&open.schedule) {
                orphans.remove(&job);
            }
            if self.orphans.get(&open.schedule).is_some_and(BTreeSet::is_empty) {
                self.orphans.remove(&open.schedule);
            }
            return None;
        };
        let entry = self.get_mut(number);
        entry.unfinished.remove(&job);
        entry.too_long.remove(&job);
        Some(number)
    }

    /// What is next, by the calendar and by the clock that nobody sets.
    pub(super) fn next(&self) -> (Option<Wall>, Option<Mono>) {
        let dates = [self.due.first(), self.overdue.first()];
        let date = dates.into_iter().flatten().map(|it| it.0).min();
        (date, self.long.first().map(|it| it.0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.numbers.values().map(|&number| self.get(number))
    }

    /// Asserts what holds between two events; `has` tells which jobs are unfinished.
    pub(super) fn check(&self, has: impl Fn(JobId) -> bool) {
        assert_eq!(self.numbers.len(), self.table.len(), "a schedule has a name");
        assert!(
            self.restoring || self.finished.is_empty(),
            "whoever waits for a firing is looked at when that has finished"
        );
        let mut unfinished: usize = self.orphans.values().map(BTreeSet::len).sum();
        for (&number, entry) in &self.table {
            let name = &entry.schedule.name;
            unfinished += entry.unfinished.len();
            assert!(
                entry.unfinished.iter().all(|&job| has(job)),
                "what {name} has not finished is known"
            );
            assert!(entry.too_long.is_subset(&entry.unfinished), "only what runs does so too long");
            let idle =
                !self.restoring && entry.unfinished.is_empty() && entry.schedule.stand.fires();
            assert!(!idle || entry.waiting.is_empty(), "{name} has what its firings wait for");
            let filed = |at: Option<Wall>, by: &BTreeSet<(Wall, u32)>| {
                at.is_none_or(|at| by.contains(&(at, number)))
            };
            assert!(
                filed(entry.due, &self.due) && filed(entry.overdue, &self.overdue),
                "{name} is filed"
            );
        }
        assert_eq!(self.tenants.values().sum::<usize>(), self.table.len(), "each is a tenant's");
        assert_eq!(unfinished, self.of.len(), "an unfinished firing is of one schedule");
        let filed = |by: &dyn Fn(&Entry) -> bool| self.table.values().filter(|it| by(it)).count();
        assert_eq!(filed(&|it| it.due.is_some()), self.due.len(), "each is filed once");
        assert_eq!(filed(&|it| it.overdue.is_some()), self.overdue.len(), "each is filed once");
    }
}
