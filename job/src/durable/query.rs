//! What is read.

use super::{Job, JobState, QueueName, Spec, Status};
use crate::{JobId, Wall};

/// Which jobs are meant; an empty filter means all of them. Conditions are joined by "and".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states; empty: in any.
    pub states: Vec<JobState>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// In this queue.
    pub queue: Option<QueueName>,
    /// Of this identity.
    pub identity: Option<String>,
    /// That this runner has or had last.
    pub runner: Option<String>,
    /// Whose last exit status is this, or, with `true`, is another or a signal.
    pub exit_status: Option<(i32, bool)>,
    /// Submitted at this moment or later.
    pub since: Option<Wall>,
    /// Submitted before this moment.
    pub until: Option<Wall>,
    /// With this in the name, the command line or the arguments; ASCII letters of either case.
    pub text: Option<String>,
    /// One of these; empty: any.
    pub ids: Vec<JobId>,
    /// Finished before this moment.
    pub finished_before: Option<Wall>,
}

impl Filter {
    /// Whether a job is meant: what every engine's queries come to.
    pub fn matches(&self, job: &Job) -> bool {
        let Job { id, spec, status, submitted_at } = job;
        (self.states.is_empty() || self.states.contains(&status.state))
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == spec.tenant)
            && self.tags.iter().all(|tag| spec.tags.contains(tag))
            && self.identity.as_ref().is_none_or(|identity| *identity == spec.identity)
            && self.queue.as_ref().is_none_or(|queue| status.is_in(queue))
            && (self.runner.is_none() || self.runner == status.runner)
            && self.matches_ending(status)
            && self.since.is_none_or(|since| *submitted_at >= since)
            && self.until.is_none_or(|until| *submitted_at < until)
            && (self.ids.is_empty() || self.ids.contains(id))
            && self.text.as_ref().is_none_or(|text| mentions(spec, text))
    }

    fn matches_ending(&self, status: &Status) -> bool {
        let ended = self
            .finished_before
            .is_none_or(|before| status.finished_at.is_some_and(|finished| finished < before));
        ended
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
    /// Only ids below this one: where the page before ended.
    pub below: Option<JobId>,
    /// Jobs on the page, at most.
    pub limit: usize,
}

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// [`Query::below`] of the next page; `None`: this is the last.
    pub next: Option<JobId>,
    /// The look ended before the page was full: there may be more jobs below `next`, or none.
    pub partial: bool,
}
