//! What each tenant of a queue may run at once there. A tenant that a queue names keeps its number while it does, with jobs or without.

use std::collections::BTreeMap;

use ostler_job::{Now, QueueId, TenantId};

use super::Driver;

/// The tenants that queues name, by their numbers; a queue without caps is not here.
pub(super) type Capped = BTreeMap<u32, Vec<u32>>;

impl Driver {
    /// The scheduler goes by the caps that the queue has now.
    pub(super) fn tell_caps(&mut self, number: u32, now: Now) {
        let shape = &self.queues.get(number).shape;
        let (each, caps) = (shape.tenant_concurrency, &shape.tenant_caps);
        let has_any = each.is_some() || !caps.is_empty();
        if !has_any && !self.capped.contains_key(&number) {
            return;
        }
        let named: Vec<(u32, u32)> =
            caps.iter().map(|(tenant, &cap)| (self.tenants.hold(tenant), cap)).collect();
        self.forget_caps(number);
        if has_any {
            self.capped.insert(number, named.iter().map(|&(tenant, _)| tenant).collect());
        }
        let named = named.into_iter().map(|(tenant, cap)| (TenantId(tenant), cap));
        self.scheduler.handle_caps(QueueId(number), each, named, now.mono);
    }

    /// The queue names nobody any more.
    pub(super) fn forget_caps(&mut self, number: u32) {
        for tenant in self.capped.remove(&number).into_iter().flatten() {
            let owes = |tenant| self.scheduler.remembers(TenantId(tenant));
            self.tenants.release(tenant, owes);
        }
    }
}
