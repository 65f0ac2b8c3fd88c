//! How many jobs each tenant of a queue may run at once there: the gate of a flow.
//!
//! A flow that has as many granted as it may offers nothing in any lane, as a queue whose gate is closed, so that its jobs stand at
//! nobody's head; the next one of them goes when one is over.

use ostler_job::{QueueId, TenantId};

use super::node::Member;
use super::{NodeIx, Tree};
use crate::hash::IdMap;
use crate::lane::Lane;
use crate::tenants::FlowIx;

/// No cap.
const NONE: u32 = u32::MAX;

/// What the tenants of one queue may run at once.
#[derive(Debug)]
pub(crate) struct Caps {
    /// Each that is not named.
    each: Option<u32>,
    named: IdMap<TenantId, u32>,
}

impl Caps {
    /// `None`: nobody has a cap. A cap of zero counts as one.
    pub(crate) fn new(
        each: Option<u32>,
        named: impl IntoIterator<Item = (TenantId, u32)>,
    ) -> Option<Box<Self>> {
        let named: IdMap<_, _> =
            named.into_iter().map(|(tenant, cap)| (tenant, cap.max(1))).collect();
        let has_any = each.is_some() || !named.is_empty();
        has_any.then(|| Box::new(Self { each: each.map(|cap| cap.max(1)), named }))
    }
}

impl Tree {
    /// The tenants of the queue have these caps from here on. Whatever is granted stays so.
    pub(crate) fn cap(&mut self, queue: QueueId, caps: Option<Box<Caps>>) {
        let at = self.node_of(queue);
        self[at].caps = caps;
        let flows: Vec<FlowIx> = self[at]
            .members()
            .filter_map(|(_, member)| match member {
                Member::Flow(flow) => Some(flow),
                Member::Node(_) | Member::Nobody | Member::Gone => None,
            })
            .collect();
        for ix in flows {
            let tenant = self.flows[ix.0 as usize].tenant_id;
            let cap = self.cap_of(at, tenant);
            if self.flows[ix.0 as usize].cap != cap {
                self.flows[ix.0 as usize].cap = cap;
                self.offer_flow(ix);
            }
        }
    }

    /// What a tenant may run at once in a queue.
    pub(super) fn cap_of(&self, at: NodeIx, tenant: TenantId) -> u32 {
        let Some(caps) = &self[at].caps else { return NONE };
        caps.named.get(&tenant).copied().or(caps.each).unwrap_or(NONE)
    }

    /// A job of the flow is granted without having waited.
    #[inline]
    pub(super) fn enter_flow(&mut self, flow: FlowIx) {
        let it = &mut self.flows[flow.0 as usize];
        it.running += 1;
        if it.running == it.cap {
            self.offer_flow(flow);
        }
    }

    /// A granted job of the flow is over, or waits again.
    #[inline]
    pub(super) fn leave_flow(&mut self, flow: FlowIx) {
        let it = &mut self.flows[flow.0 as usize];
        let was_full = it.running == it.cap;
        it.running -= 1;
        if was_full {
            self.offer_flow(flow);
        }
    }

    /// The flow's offers in all lanes: it may run no more, or may again.
    #[cold]
    pub(super) fn offer_flow(&mut self, flow: FlowIx) {
        let backlogs = &self.flows[flow.0 as usize].backlogs;
        let lanes: Vec<Lane> = backlogs.iter().map(|(lane, _)| lane).collect();
        for lane in lanes {
            self.offer(flow, lane);
        }
    }
}
