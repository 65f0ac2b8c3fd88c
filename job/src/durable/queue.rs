//! What a queue is: its name, its shape, who may change that, and what operators have done to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{Rate, Retry, Slots, Spec, Work};
use crate::{Selector, Span, Wall, name};

/// The name of a queue, good by [`name::RULE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(String);

impl QueueName {
    /// The queue of jobs that name none. It is always there.
    pub const DEFAULT: &'static str = "default";

    /// A name, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        name::is_good(text).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that of the queue which is always there.
    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for QueueName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if name::is_good(&text) { Ok(Self(text)) } else { Err(name::RULE) }
    }
}

impl From<QueueName> for String {
    fn from(name: QueueName) -> Self {
        name.0
    }
}

/// A queue as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name, unique.
    pub name: QueueName,
    /// How its jobs are ordered, limited and filled in.
    pub shape: QueueShape,
    /// Who may change the shape.
    #[serde(default)]
    pub owner: ShapeOwner,
    /// Nothing of it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Held>,
    /// It takes nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<Held>,
}

impl Queue {
    /// One that nobody has done anything to.
    pub const fn new(name: QueueName, shape: QueueShape, owner: ShapeOwner) -> Self {
        Self { name, shape, owner, paused: None, drained: None }
    }
}

/// Where the shape of a queue, or of a schedule, is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeOwner {
    /// In the store: the API changes it.
    #[default]
    Api,
    /// In the configuration, which alone changes it.
    File,
}

/// Since when a queue is held back in some way, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The token's name.
    pub who: String,
    /// Since when.
    pub since: Wall,
}

/// What is configured of a queue. It never changes what its jobs are asked to do once they are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueShape {
    /// Its share beside other queues, 1 to [`QueueShape::WEIGHT_MAX`].
    pub weight: u32,
    /// The order among its waiting jobs.
    pub discipline: QueueDiscipline,
    /// The queue that it is below; `None`: it is at the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<QueueName>,
    /// Slots that it has before others borrow them, where its parent's discipline is `htb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<Slots>,
    /// Slots that it may have there; `None`: as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Slots>,
    /// Jobs of it, and of the queues below it, that may run at once; `None`: as many as there are slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many of those may start in which time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The runners that its jobs may go to: those that one of these means. None: all of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub attach: BTreeSet<Selector>,
    /// Only one of those has jobs of it at any time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Shares of tenants that differ from 1, beside the other tenants of the queue.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenant_weights: BTreeMap<String, u32>,
    /// Jobs of it that each tenant may run at once; `None`: as many as all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_concurrency: Option<u32>,
    /// The same of tenants that it is another number for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenant_caps: BTreeMap<String, u32>,
    /// Jobs of it that may wait; the next one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_max: Option<u32>,
    /// For jobs that say nothing of retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// For commands that have no timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// For commands that name no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How long its jobs that succeeded are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_succeeded: Option<Span>,
    /// How long its jobs that ended otherwise are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_failed: Option<Span>,
}

impl QueueShape {
    /// The largest weight of a queue, and of a tenant in it.
    pub const WEIGHT_MAX: u32 = 1000;
    /// The largest number of jobs that a limit names.
    pub const COUNT_MAX: u32 = 10_000_000;
    /// Queues that there may be: each has its series in the metrics.
    pub const QUEUES_MAX: usize = 10_000;
    /// Tenants that one queue names, at most.
    pub const TENANTS_MAX: usize = 1000;
    /// Selectors that one queue is attached by, at most.
    pub const ATTACH_MAX: usize = 64;

    /// Gives a job what it does not say itself; of retries only if it says nothing of them.
    pub fn fill(&self, spec: &mut Spec, takes_retry: bool) {
        if let (true, Some(retry)) = (takes_retry, &self.retry) {
            spec.retry.clone_from(retry);
        }
        if let Work::Shell(command) = &mut spec.work {
            command.timeout = command.timeout.or(self.timeout);
            command.user = command.user.take().or_else(|| self.user.clone());
        }
    }

    /// Jobs of it that this tenant may run at once; `None`: as many as all together.
    pub fn cap(&self, tenant: &str) -> Option<u32> {
        self.tenant_caps.get(tenant).copied().or(self.tenant_concurrency)
    }
}

impl Default for QueueShape {
    fn default() -> Self {
        Self {
            weight: 1,
            discipline: QueueDiscipline::default(),
            parent: None,
            guarantee: None,
            ceiling: None,
            concurrency: None,
            rate: None,
            attach: BTreeSet::new(),
            exclusive: false,
            tenant_weights: BTreeMap::new(),
            tenant_concurrency: None,
            tenant_caps: BTreeMap::new(),
            waiting_max: None,
            retry: None,
            timeout: None,
            user: None,
            keep_succeeded: None,
            keep_failed: None,
        }
    }
}

/// The order among the waiting jobs of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueDiscipline {
    /// Fair shares between tenants, then what has been promised.
    #[default]
    Promise,
    /// First come, first served.
    Fifo,
    /// Tenants in turns, as many as hash into one of a few buckets together.
    Sfq,
    /// Tenants in turns, each for as long as its weight says.
    Drr,
    /// Guarantees and ceilings of the queues below it, and what they do not use is lent.
    Htb,
}

impl QueueDiscipline {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Promise, Self::Fifo, Self::Sfq, Self::Drr, Self::Htb];

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promise => "promise",
            Self::Fifo => "fifo",
            Self::Sfq => "sfq",
            Self::Drr => "drr",
            Self::Htb => "htb",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_wrote_of_a_queue_is_read_with_its_defaults() {
        let old: Queue = serde_json::from_str(r#"{"name":"mail","shape":{"weight":7}}"#).unwrap();
        let shape = QueueShape { weight: 7, ..QueueShape::default() };
        assert_eq!(old, Queue::new(QueueName::new("mail").unwrap(), shape, ShapeOwner::Api));
    }

    #[test]
    fn a_name_that_breaks_the_rule_is_none_wherever_it_is_read() {
        for bad in ["", "-x", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(QueueName::new(bad), None);
            assert!(serde_json::from_value::<QueueName>(bad.into()).is_err(), "{bad:?}");
        }
        assert!(QueueName::default().is_default());
    }
}
