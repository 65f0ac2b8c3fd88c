//! What an answered detach promises: nothing of the queue begins any more where it is not attached.

use std::collections::BTreeMap;

use ostler_job::{
    JobId, Mono, Selector, Span,
    durable::{AttemptKey, Queue, QueueName},
};

/// So long an answer waits for what is on its way.
const WAIT: Span = Span::from_secs(15);

/// See the module.
#[derive(Default)]
pub(crate) struct Barred {
    /// Attempts that were given to a runner and have not begun.
    unbegun: BTreeMap<AttemptKey, (String, Mono)>,
    /// Those that may not begin any more, by what.
    barred: BTreeMap<AttemptKey, String>,
}

impl Barred {
    pub(crate) fn given(&mut self, key: AttemptKey, runner: &str, now: Mono) {
        self.unbegun.insert(key, (runner.to_owned(), now));
    }

    /// It begins; what is wrong with that.
    pub(crate) fn begins(&mut self, key: AttemptKey) -> Option<String> {
        self.unbegun.remove(&key);
        self.barred.remove(&key).map(|by| format!("{key:?} begins, and {by} before"))
    }

    /// The queue is told to be attached so. `of`: the queue that a job is in. What was given up with its runner may begin, and what was
    /// given too long ago.
    pub(crate) fn answered(
        &mut self,
        queue: &Queue,
        now: Mono,
        of: impl Fn(JobId) -> QueueName,
        is_lost: impl Fn(&AttemptKey) -> bool,
    ) {
        let attach = &queue.shape.attach;
        let is_meant = |runner: &str| {
            let meets = |it: &Selector| matches!(it, Selector::Runner(name) if name == runner);
            attach.is_empty() || attach.iter().any(meets)
        };
        for (key, (runner, given)) in &self.unbegun {
            let is_its = of(key.job) == queue.name && !is_meant(runner);
            if is_its && now < *given + WAIT && !is_lost(key) {
                let by = format!("{} was told to be attached to {attach:?}", queue.name);
                self.barred.insert(*key, by);
            }
        }
    }

    /// Another store is in the place of this one. Answers what may begin yet that was given by the one before.
    pub(crate) fn forget(&mut self) -> impl Iterator<Item = AttemptKey> + use<> {
        std::mem::take(self).unbegun.into_keys()
    }
}
