//! Queues that are limited to some hosts: how their lanes are called on the way up and down.
//!
//! What a queue may use is cut with what the one above it may. Its own jobs are in its usual lane; its parent, which may use
//! other hosts too, calls that the lane of the set. Two names never become one on the way up, since a queue that is below another
//! and may use the same hosts has the same usual lane.

use ostler_job::QueueId;

use super::node::Member;
use super::{NodeIx, Tree};
use crate::lane::Lane;
use crate::reach::HostSet;
use crate::tenants::FlowIx;

impl Tree {
    /// A lane of the node as its parent calls it.
    #[inline]
    pub(super) fn above(&self, node: NodeIx, lane: Lane) -> Lane {
        if lane == Lane::USUAL { self[node].outer } else { lane }
    }

    /// A lane of the parent as the node calls it; `None`: nothing of the node can be in it.
    #[inline]
    pub(super) fn below(&self, node: NodeIx, lane: Lane) -> Option<Lane> {
        let outer = self[node].outer;
        if lane == outer { Some(Lane::USUAL) } else { (lane != Lane::USUAL).then_some(lane) }
    }

    /// The same of some lanes.
    #[cold]
    pub(super) fn rename_below(&self, node: NodeIx, lanes: &[Lane]) -> Vec<Lane> {
        lanes.iter().filter_map(|&lane| self.below(node, lane)).collect()
    }

    /// Whether a job of the node that is pinned so may run there.
    pub(super) fn admits(&self, node: NodeIx, pinned: Lane) -> bool {
        let reach = self[node].reach;
        reach == Lane::USUAL || pinned.host().is_some_and(|host| self.reach.admits(reach, host))
    }

    /// Whether not every slot is for the jobs of the queue.
    #[inline]
    pub(crate) fn is_limited(&self, queue: QueueId) -> bool {
        self.limited > 0 && self[self.node_of(queue)].reach != Lane::USUAL
    }

    /// The same of the queue of a flow.
    pub(crate) fn is_limited_flow(&self, flow: FlowIx) -> bool {
        self[self.flows[flow.0 as usize].node].reach != Lane::USUAL
    }

    /// The queue is limited to these hosts; `None`: to none in particular.
    pub(crate) fn limit(&mut self, queue: QueueId, limit: Option<HostSet>) {
        self.make_root();
        let at = self.node_of(queue);
        if self[at].limit == limit {
            return;
        }
        self.limited += usize::from(limit.is_some());
        self.limited -= usize::from(self[at].limit.is_some());
        self[at].limit = limit;
        self.reach_anew(at);
    }

    /// The queue is about to go.
    pub(super) fn unlimit(&mut self, at: NodeIx) {
        self.limited -= usize::from(self[at].limit.take().is_some());
        self.reach.release(self[at].reach);
    }

    /// The node, or one above it, is limited to others than before: all that is below is offered in other lanes.
    pub(super) fn reach_anew(&mut self, at: NodeIx) {
        let nodes = self.subtree(at);
        for &node in &nodes {
            self.set_reach(node);
        }
        for &node in nodes.iter().rev() {
            self.offer_pinned(node);
            self.offer_all(node);
        }
    }

    /// The node, and those below it, each after the one above.
    fn subtree(&self, at: NodeIx) -> Vec<NodeIx> {
        let mut nodes = vec![at];
        let mut next = 0;
        while let Some(&node) = nodes.get(next) {
            nodes.extend(self[node].members().filter_map(|(_, member)| match member {
                Member::Node(below) => Some(below),
                Member::Flow(_) | Member::Nobody | Member::Gone => None,
            }));
            next += 1;
        }
        nodes
    }

    fn set_reach(&mut self, node: NodeIx) {
        let above = self[node].parent.map_or(Lane::USUAL, |(parent, _)| self[parent].reach);
        let (was, limit) = (self[node].reach, self[node].limit.clone());
        let reach = match (limit, self.reach.hosts(above).cloned()) {
            (_, None) if above == Lane::NOWHERE => Lane::NOWHERE,
            (None, None) => Lane::USUAL,
            (Some(hosts), None) | (None, Some(hosts)) => self.reach.hold(&hosts),
            (Some(own), Some(all)) if own.is_subset(&all) => self.reach.hold(&own),
            (Some(own), Some(all)) => {
                self.reach.hold(&HostSet::new(own.intersection(&all).copied().collect()))
            }
        };
        self.reach.release(was);
        self[node].reach = reach;
        self[node].outer = if reach == above { Lane::USUAL } else { reach };
    }

    /// What is pinned to a host that the node may use is offered, and nothing else that is pinned.
    fn offer_pinned(&mut self, node: NodeIx) {
        let flows: Vec<_> = self[node]
            .members()
            .filter_map(|(child, member)| match member {
                Member::Flow(flow) => Some((child, flow)),
                Member::Node(_) | Member::Nobody | Member::Gone => None,
            })
            .collect();
        for (child, flow) in flows {
            let others = self.flows[flow.0 as usize].backlogs.others();
            let lanes: Vec<Lane> = others.map(|(lane, _)| lane).collect();
            for lane in lanes {
                let head = self.head(flow, lane);
                self[node].order.offer(child, lane, head);
            }
        }
        self.watch(node);
    }

    pub(super) fn check_limits(&self) {
        let nodes = || self.nodes.iter();
        let held: Vec<Lane> = nodes().map(|node| node.reach).collect();
        self.reach.check(&held);
        let limited = nodes().filter(|node| node.limit.is_some()).count();
        assert_eq!(limited, self.limited, "the queues that are limited to some hosts are counted");
        for node in nodes() {
            let above = node.parent.map_or(Lane::USUAL, |(parent, _)| self[parent].reach);
            let outer = if node.reach == above { Lane::USUAL } else { node.reach };
            assert_eq!(
                node.outer, outer,
                "a parent calls a queue's lane by the hosts that it may use"
            );
            let may_all = node.limit.is_none() && above == Lane::USUAL;
            assert_eq!(node.reach == Lane::USUAL, may_all, "what is above limits what is below");
        }
    }
}
