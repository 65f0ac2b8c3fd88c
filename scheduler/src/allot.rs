//! What the tenants of a queue have there: their weights, and how many of their jobs may be granted at once.

use ostler_job::{Mono, QueueId, TenantId};

use crate::scheduler::Scheduler;
use crate::tree::Caps;

impl Scheduler {
    /// Tenants of a queue have these weights from now on, for what waits already; of one that has no job there the next submit says.
    pub fn handle_weights(
        &mut self,
        queue: QueueId,
        weights: impl IntoIterator<Item = (TenantId, u32)>,
        now: Mono,
    ) {
        for (tenant, weight) in weights {
            if let Some(flow) = self.tree.find(queue, tenant).filter(|&it| self.tree.has_jobs(it)) {
                self.tree.weigh(flow, weight);
            }
        }
        self.pump(now);
        self.mutated();
    }

    /// Each tenant of a queue may have so many jobs granted there at once, those that are named as many as they have beside them. What is
    /// granted goes on.
    pub fn handle_caps(
        &mut self,
        queue: QueueId,
        each: Option<u32>,
        named: impl IntoIterator<Item = (TenantId, u32)>,
        now: Mono,
    ) {
        self.tree.cap(queue, Caps::new(each, named));
        self.pump(now);
        self.mutated();
    }
}
