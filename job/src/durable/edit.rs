//! What is changed about a job that waits.

use serde::{Deserialize, Serialize};

use super::{QueueName, Retry, Spec, Work};
use crate::{Span, Wall};

/// New values of the fields that are given; an inner `None` takes the value away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The queue that it waits in.
    pub queue: Option<QueueName>,
    /// [`Spec::within`].
    pub within: Option<Option<Span>>,
    /// [`Spec::tags`].
    pub tags: Option<Vec<String>>,
    /// [`Spec::retry`].
    pub retry: Option<Retry>,
    /// How long an attempt of its command may run.
    pub timeout: Option<Option<Span>>,
    /// The runner that it is pinned to.
    pub host: Option<Option<String>>,
    /// [`Spec::not_before`].
    pub not_before: Option<Option<Wall>>,
}

/// That a job was edited, the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// When.
    pub at: Wall,
    /// By whom: a token's name.
    pub by: String,
    /// The fields that were given.
    pub fields: Vec<String>,
}

impl Edit {
    /// The fields that are given, as they are called everywhere.
    pub fn fields(&self) -> Vec<&'static str> {
        // Named one by one, so that none is forgotten.
        let Self { queue, within, tags, retry, timeout, host, not_before } = self;
        let fields = [
            ("queue", queue.is_some()),
            ("within", within.is_some()),
            ("tags", tags.is_some()),
            ("retry", retry.is_some()),
            ("timeout", timeout.is_some()),
            ("host", host.is_some()),
            ("not_before", not_before.is_some()),
        ];
        fields.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// What it changes about what was asked for; queue and host are in the job's status.
    pub fn apply(&self, spec: &mut Spec) {
        if let Some(within) = self.within {
            spec.within = within;
        }
        if let Some(tags) = &self.tags {
            spec.tags.clone_from(tags);
        }
        if let Some(retry) = &self.retry {
            spec.retry.clone_from(retry);
        }
        if let (Some(timeout), Work::Shell(command)) = (self.timeout, &mut spec.work) {
            command.timeout = timeout;
        }
        if let Some(not_before) = self.not_before {
            spec.not_before = not_before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays_and_what_is_given_as_nothing_goes() {
        let text = r#"{"work":{"module":"shell","argv":["true"],"timeout":5},"identity":"true",
            "tags":["a"],"within":7,"not_before":9}"#;
        let mut spec: Spec = serde_json::from_str(text).expect("it is a spec");
        let before = spec.clone();
        Edit::default().apply(&mut spec);
        assert_eq!((&spec, Edit::default().fields().len()), (&before, 0));
        let edit = Edit {
            tags: Some(Vec::new()),
            timeout: Some(None),
            not_before: Some(None),
            ..Edit::default()
        };
        edit.apply(&mut spec);
        assert_eq!(edit.fields(), ["tags", "timeout", "not_before"]);
        assert_eq!((spec.within, spec.not_before), (before.within, None));
        assert!(spec.tags.is_empty() && spec.work.command().is_some_and(|it| it.timeout.is_none()));
    }
}
