//! The specs of jobs that were submitted lately, so that most need not be read back when they are granted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ostler_job::{JobId, durable::Spec};

/// Kept at most; at about a kilobyte each.
const KEPT_MAX: usize = 32 * 1024;
/// One of which these bytes are more is read back from the store: a megabyte is allowed, and so many would not fit.
const LARGE: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Specs {
    by_job: HashMap<JobId, Arc<Spec>>,
    order: VecDeque<JobId>,
}

impl Specs {
    /// Keeps a spec unless it is large, and lets the oldest go for it.
    pub(super) fn put(&mut self, job: JobId, spec: Arc<Spec>) {
        if weight(&spec) > LARGE {
            self.by_job.remove(&job);
            return;
        }
        if self.by_job.insert(job, spec).is_none() {
            self.order.push_back(job);
        }
        while self.by_job.len() > KEPT_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            self.by_job.remove(&oldest);
        }
        // Those that were taken leave their numbers behind.
        if self.order.len() > 2 * KEPT_MAX {
            self.order.retain(|job| self.by_job.contains_key(job));
        }
    }

    /// Takes a spec out: a job is granted once, as a rule.
    pub(super) fn take(&mut self, job: JobId) -> Option<Arc<Spec>> {
        self.by_job.remove(&job)
    }
}

/// Bytes of what may be many.
fn weight(spec: &Spec) -> usize {
    let Some(command) = spec.work.command() else { return 0 };
    let env: usize = command.env.iter().map(|(name, value)| name.len() + value.len()).sum();
    let line = command.line.as_ref().map_or(0, String::len);
    command.argv.iter().map(String::len).sum::<usize>() + line + env + command.stdin.inline_len()
}

#[cfg(test)]
mod tests {
    use ostler_job::durable::{Command, Input, Work};

    use super::*;

    fn spec(stdin: usize) -> Arc<Spec> {
        let stdin = Input::Text("x".repeat(stdin));
        Arc::new(Spec::new(Work::Shell(Box::new(Command { stdin, ..Command::default() })), "cat"))
    }

    #[test]
    fn a_small_spec_is_kept_and_a_large_one_is_not() {
        let mut specs = Specs::default();
        specs.put(JobId(1), spec(10));
        specs.put(JobId(2), spec(30_000));
        assert!(specs.take(JobId(1)).is_some() && specs.take(JobId(1)).is_none());
        assert!(specs.take(JobId(2)).is_none());
        // The id of a job that was never stored may come again.
        specs.put(JobId(3), spec(10));
        specs.put(JobId(3), spec(30_000));
        assert!(specs.take(JobId(3)).is_none());
    }
}
