//! Jobs counted by what they have in common.

use std::collections::BTreeMap;

use super::{Filter, Job, JobState, Reason};
use crate::JobId;

/// What jobs may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey {
    /// Where they are on their way.
    State,
    /// Why they ended so.
    Reason,
    /// Whose share they are charged to.
    Tenant,
    /// The queue that they are in.
    Queue,
    /// What people call them.
    Name,
    /// What makes them the same kind.
    Identity,
    /// The runner that has them or had them last.
    Runner,
    /// The runner that they are pinned to.
    Host,
    /// The user that their command runs as.
    User,
    /// Their last exit status.
    ExitStatus,
}

impl GroupKey {
    /// Every one, in order.
    pub const ALL: &[Self] = &[
        Self::State,
        Self::Reason,
        Self::Tenant,
        Self::Queue,
        Self::Name,
        Self::Identity,
        Self::Runner,
        Self::Host,
        Self::User,
        Self::ExitStatus,
    ];

    /// As the field of a job is called that it is.
    pub const fn code(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Reason => "reason",
            Self::Tenant => "tenant",
            Self::Queue => "queue",
            Self::Name => "name",
            Self::Identity => "identity",
            Self::Runner => "runner",
            Self::Host => "host",
            Self::User => "user",
            Self::ExitStatus => "exit_status",
        }
    }

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.code() == code)
    }

    /// What a job has of it, as people read it; `None`: nothing.
    pub fn value(self, job: &Job) -> Option<String> {
        let Job { spec, status, .. } = job;
        match self {
            Self::State => Some(JobState::code(status.state).to_owned()),
            Self::Reason => status.reason.map(|reason| Reason::code(reason).to_owned()),
            Self::Tenant => Some(spec.tenant.clone()),
            Self::Queue => Some(status.queue.clone().unwrap_or_default().to_string()),
            Self::Name => spec.name.clone(),
            Self::Identity => Some(spec.identity.clone()),
            Self::Runner => status.runner.clone(),
            Self::Host => status.host.clone(),
            Self::User => spec.work.command().and_then(|command| command.user.clone()),
            Self::ExitStatus => status.exit_status.map(|code| code.to_string()),
        }
    }
}

/// How many jobs of a filter have what in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountQuery {
    /// Which jobs.
    pub filter: Filter,
    /// What they are counted by; empty: all of them together.
    pub by: Vec<GroupKey>,
    /// Only ids below this one: where the count before ended.
    pub below: Option<JobId>,
}

/// How many there are, from the newest down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of each group with jobs how many; its values are in the order of [`CountQuery::by`].
    pub groups: BTreeMap<Vec<Option<String>>, u64>,
    /// [`CountQuery::below`] of the rest; `None`: all jobs were counted.
    pub next: Option<JobId>,
}

impl Counts {
    /// Counts one job, or several, of a group.
    pub fn add(&mut self, group: Vec<Option<String>>, jobs: u64) {
        *self.groups.entry(group).or_default() += jobs;
    }
}
