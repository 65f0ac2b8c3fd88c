//! What others see of the actor.

use std::sync::Arc;

use ostler_job::durable::Queue;
use ostler_job::{JobId, Now};

use super::{Actor, Explained, Figures, Why};

impl Actor {
    /// The queues as the driver knows them.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.driver.queues()
    }

    /// The numbers for the metrics.
    pub fn figures(&self, now: Now) -> Figures {
        self.driver.figures(now)
    }

    /// Why each of these jobs has not started, as far as anything holds it up; `None`: the memory of the driver is void.
    pub fn whys(&self, jobs: &[JobId], now: Now) -> Option<Vec<Option<Why>>> {
        let why = |&job: &JobId| self.driver.why(job, now);
        self.failed.is_none().then(|| jobs.iter().map(why).collect())
    }

    /// All that is to be said of a job's place, if it waits; `None`: the memory of the driver is void.
    pub fn explain(&self, job: JobId, now: Now) -> Option<Option<Box<Explained>>> {
        self.failed.is_none().then(|| self.driver.explain(job, now).map(Box::new))
    }

    /// The memory of the driver is void.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// It was told to stop, and nothing is under way.
    pub fn is_over(&self) -> bool {
        self.stopping && self.flying.is_none()
    }

    /// Asserts what holds between two events.
    pub fn check_invariants(&self) {
        if self.failed.is_none() {
            self.driver.check_invariants();
        }
    }
}
