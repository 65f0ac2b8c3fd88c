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
    /// The firings that have not finished: of which schedule, and when they run too long.
    of: BTreeMap<JobId, (ScheduleName, Mono)>,
    /// Those of them whose schedule is gone. One of that name, should it be made again, has them.
    orphans: BTreeMap<ScheduleName, BTreeSet<JobId>>,
    /// Schedules of which a firing has finished: another may wait for that.
    finished: BTreeSet<u32>,
    /// Jobs of an earlier term are still being restored: nothing is known to have finished.
    restoring: bool,
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

    fn insert(&mut self, mut entry: Entry) -> u32 {
        let number = self.next;
        self.next += 1;
        entry.unfinished = self.orphans.remove(&entry.schedule.name).unwrap_or_default();
        let known = self.numbers.insert(entry.schedule.name.clone(), number);
        debug_assert!(known.is_none(), "a name is one schedule's");
        self.table.insert(number, entry);
        self.file(number);
        number
    }

    /// It goes; its firings stay what they are.
    fn remove(&mut self, number: u32) {
        self.unfile(number);
        let entry = self.table.remove(&number).expect("a schedule goes once");
        self.numbers.remove(&entry.schedule.name);
        self.finished.remove(&number);
        if !entry.unfinished.is_empty() {
            self.orphans.insert(entry.schedule.name.clone(), entry.unfinished);
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

    /// A job is a firing of this schedule; it runs too long after that moment.
    fn hold(&mut self, name: &ScheduleName, job: JobId, long: Mono) {
        self.unfinished_of(name).insert(job);
        self.of.insert(job, (name.clone(), long));
        if long != super::jobs::NEVER {
            self.long.insert((long, job));
        }
    }

    fn unfinished_of(&mut self, name: &ScheduleName) -> &mut BTreeSet<JobId> {
        match self.numbers.get(name) {
            Some(&number) => &mut self.get_mut(number).unfinished,
            None => self.orphans.entry(name.clone()).or_default(),
        }
    }

    /// The job is over. Answers which schedule's it was, if that is there.
    fn forget_job(&mut self, job: JobId) -> Option<u32> {
        let (name, long) = self.of.remove(&job)?;
        self.long.remove(&(long, job));
        self.unfinished_of(&name).remove(&job);
        if self.orphans.get(&name).is_some_and(BTreeSet::is_empty) {
            self.orphans.remove(&name);
        }
        let number = self.find(&name)?;
        self.get_mut(number).too_long.remove(&job);
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
        assert_eq!(unfinished, self.of.len(), "an unfinished firing is of one schedule");
        let filed = |by: &dyn Fn(&Entry) -> bool| self.table.values().filter(|it| by(it)).count();
        assert_eq!(filed(&|it| it.due.is_some()), self.due.len(), "each is filed once");
        assert_eq!(filed(&|it| it.overdue.is_some()), self.overdue.len(), "each is filed once");
    }
}
