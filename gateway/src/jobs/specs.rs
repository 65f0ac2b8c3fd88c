//! The specs of jobs that were submitted lately, so that most need not be read back when they are granted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ostler_job::{JobId, durable::Spec};

/// Kept at most; at about a kilobyte each.
const KEPT_MAX: usize = 32 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Specs {
    by_job: HashMap<JobId, Arc<Spec>>,
    order: VecDeque<JobId>,
}

impl Specs {
    /// Keeps a spec, and lets the oldest go for it.
    pub(super) fn put(&mut self, job: JobId, spec: Arc<Spec>) {
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
