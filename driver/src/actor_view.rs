//! What others see of the actor.

use std::sync::Arc;

use ostler_job::Now;
use ostler_job::durable::Queue;

use super::{Actor, Figures};

impl Actor {
    /// The queues as the driver knows them.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.driver.queues()
    }

    /// The numbers for the metrics.
    pub fn figures(&self, now: Now) -> Figures {
        self.driver.figures(now)
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
