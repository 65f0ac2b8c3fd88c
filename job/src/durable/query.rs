//! What is read.

use super::{Cursor, Job, JobState, QueueName, Reason, ScheduleName, Sort, Spec, Status};
use crate::{JobId, Wall};

/// Which jobs are meant; an empty filter means all of them. Conditions are joined by "and".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states; empty: in any.
    pub states: Vec<JobState>,
    /// That ended for one of these reasons; empty: whatever became of them.
    pub reasons: Vec<Reason>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// In this queue.
    pub queue: Option<QueueName>,
    /// That are called so.
    pub name: Option<NameFilter>,
    /// Of this identity.
    pub identity: Option<String>,
    /// That this runner has or had last.
    pub runner: Option<String>,
    /// That this runner alone may run.
    pub host: Option<String>,
    /// Whose command runs as this user.
    pub user: Option<String>,
    /// That are firings of this schedule.
    pub schedule: Option<ScheduleName>,
    /// Whose last exit status is this, or, with `true`, is another or a signal.
    pub exit_status: Option<(i32, bool)>,
    /// Submitted at this moment or later.
    pub since: Option<Wall>,
    /// Submitted before this moment.
    pub until: Option<Wall>,
    /// Finished at this moment or later.
    pub finished_since: Option<Wall>,
    /// Finished before this moment.
    pub finished_until: Option<Wall>,
    /// With this in the name, the command line or the arguments; ASCII letters of either case.
    pub text: Option<String>,
    /// Within one of these; empty: any.
    pub ids: Vec<IdRange>,
}

/// What jobs are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFilter {
    /// This.
    Is(String),
    /// Something that begins so.
    Begins(String),
}

impl NameFilter {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Is(all) => name == all,
            Self::Begins(start) => name.starts_with(start),
        }
    }
}

/// Ids from one to another, both among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The lowest.
    pub first: JobId,
    /// The highest.
    pub last: JobId,
}

impl IdRange {
    /// From one to another.
    pub const fn new(first: JobId, last: JobId) -> Self {
        Self { first, last }
    }

    fn contains(self, id: JobId) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

impl From<JobId> for IdRange {
    fn from(id: JobId) -> Self {
        Self::new(id, id)
    }
}

impl Filter {
    /// Whether a job is meant: what every engine's queries come to.
    pub fn matches(&self, job: &Job) -> bool {
        let Job { id, spec, status, submitted_at } = job;
        let user = || spec.work.command().and_then(|command| command.user.as_ref());
        (self.states.is_empty() || self.states.contains(&status.state))
            && (self.reasons.is_empty()
                || status.reason.is_some_and(|reason| self.reasons.contains(&reason)))
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == spec.tenant)
            && self.tags.iter().all(|tag| spec.tags.contains(tag))
            && self.name.as_ref().is_none_or(|it| spec.name.as_ref().is_some_and(|n| it.fits(n)))
            && self.identity.as_ref().is_none_or(|identity| *identity == spec.identity)
            && self.queue.as_ref().is_none_or(|queue| status.is_in(queue))
            && (self.runner.is_none() || self.runner == status.runner)
            && (self.host.is_none() || self.host == status.host)
            && (self.user.is_none() || self.user.as_ref() == user())
            && self.schedule.as_ref().is_none_or(|it| spec.is_firing_of(it))
            && self.matches_ending(status)
            && self.since.is_none_or(|since| *submitted_at >= since)
            && self.until.is_none_or(|until| *submitted_at < until)
            && (self.ids.is_empty() || self.ids.iter().any(|range| range.contains(*id)))
            && self.text.as_ref().is_none_or(|text| mentions(spec, text))
    }

    fn matches_ending(&self, status: &Status) -> bool {
        let ended = status.finished_at;
        self.finished_since.is_none_or(|since| ended.is_some_and(|ended| ended >= since))
            && self.finished_until.is_none_or(|until| ended.is_some_and(|ended| ended < until))
            && match self.exit_status {
                None => true,
                Some((code, false)) => status.exit_status == Some(code),
                Some((code, true)) => {
                    status.signal.is_some() || status.exit_status.is_some_and(|it| it != code)
                }
            }
    }
}

/// Whether the text is in what people see of a job: its name, its command as a line, its arguments as they are.
fn mentions(spec: &Spec, text: &str) -> bool {
    let within = |place: &String| contains(place, text);
    let command = spec.work.command();
    spec.name.iter().any(within)
        || command.is_some_and(|it| {
            it.argv.iter().any(within)
                || within(&it.shown())
                || (it.line.is_none() && within(&it.argv.join(" ")))
        })
}

fn contains(place: &str, text: &str) -> bool {
    text.is_empty()
        || place
            .as_bytes()
            .windows(text.len())
            .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

/// A page of a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Which jobs.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Only what comes after this in that order: where the page before ended.
    pub after: Option<Cursor>,
    /// Jobs on the page, at most.
    pub limit: usize,
}

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub jobs: Vec<Job>,
    /// [`Query::after`] of the next page; `None`: this is the last.
    pub next: Option<Cursor>,
    /// The look ended before the page was full: there may be more jobs after `next`, or none.
    pub partial: bool,
}
