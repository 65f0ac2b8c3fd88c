//! Offers on their way up: what a child would give next, until nothing changes any more.

use super::flow::Flow;
use super::node::Member;
use super::{NodeIx, Tree};
use crate::backlog::Head;
use crate::lane::Lane;
use crate::tenants::FlowIx;

impl Tree {
    /// What the flow would give next in the lane.
    #[inline]
    pub(super) fn head(&self, flow: FlowIx, lane: Lane) -> Option<Head> {
        let it = &self.flows[flow.0 as usize];
        if self.is_held(it, lane) { None } else { it.backlogs.get(lane)?.head() }
    }

    /// Whether that is anything.
    pub(super) fn offers(&self, flow: FlowIx, lane: Lane) -> bool {
        let it = &self.flows[flow.0 as usize];
        it.backlogs.get(lane).is_some_and(|backlog| !backlog.is_empty()) && !self.is_held(it, lane)
    }

    #[inline]
    fn is_held(&self, flow: &Flow, lane: Lane) -> bool {
        flow.is_held() || (lane != Lane::USUAL && !self.admits(flow.node, lane))
    }

    /// The flow's offer in the lane may be another one.
    #[inline]
    pub(super) fn offer(&mut self, flow: FlowIx, lane: Lane) {
        let head = self.head(flow, lane);
        let it = &self.flows[flow.0 as usize];
        let (node, child) = (it.node, it.child);
        self[node].order.offer(child, lane, head);
        self.watch(node);
        self.offer_up(node, lane);
    }

    /// The same of the node, whose children's offers may be others.
    #[inline]
    pub(super) fn offer_up(&mut self, node: NodeIx, lane: Lane) {
        if self[node].parent.is_some() || lane != Lane::USUAL {
            self.offer_above(node, self.above(node, lane));
        }
    }

    /// The same for a lane as the parent calls it.
    #[inline]
    pub(super) fn offer_above(&mut self, mut node: NodeIx, mut lane: Lane) {
        while let Some((parent, child)) = self[node].parent {
            if lane == Lane::NOWHERE {
                return;
            }
            let head = self.below(node, lane).and_then(|lane| self.best(node, lane));
            self[parent].order.offer(child, lane, head);
            self.watch(parent);
            (node, lane) = (parent, self.above(parent, lane));
        }
        if lane != Lane::USUAL {
            self.touched.push(lane);
        }
    }

    /// The node's offers in all lanes: its gate was opened or closed, or it has another parent.
    pub(super) fn offer_all(&mut self, node: NodeIx) {
        let mut lanes = self[node].order.other_lanes();
        // What it offers no more is with its parent still.
        if let Some((parent, child)) = self[node].parent {
            lanes.extend(self[parent].order.other_lanes_of(child));
            lanes.push(self[node].outer);
            lanes.sort_unstable();
            lanes.dedup();
        }
        if lanes.first() != Some(&Lane::USUAL) {
            lanes.push(Lane::USUAL);
        }
        for lane in lanes {
            self.offer_above(node, lane);
        }
    }

    /// What the node would give next in the lane.
    pub(super) fn best(&self, node: NodeIx, lane: Lane) -> Option<Head> {
        let it = &self[node];
        if it.gate.is_open() { it.order.best(lane) } else { None }
    }

    /// What a child offers, as it must be filed.
    pub(super) fn offered(&self, member: Member, lane: Lane) -> Option<Head> {
        match member {
            Member::Nobody | Member::Gone => None,
            Member::Flow(flow) => self.head(flow, lane),
            Member::Node(node) => self.below(node, lane).and_then(|lane| self.best(node, lane)),
        }
    }

    /// The flow may not run more, or may again.
    pub(crate) fn set_blocked(&mut self, flow: FlowIx, blocked: bool) {
        self.flows[flow.0 as usize].blocked = blocked;
        self.offer_flow(flow);
    }
}
