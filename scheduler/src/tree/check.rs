//! What must hold of queues and flows between events.

use std::collections::{BTreeMap, BTreeSet};

use super::node::Member;
use super::{DEFAULT, NodeIx, Tree};
use crate::jobs::{Jobs, State};

impl Tree {
    /// Asserts everything that holds of the tree between two events.
    pub(crate) fn check(&self, jobs: &Jobs) {
        self.check_limits();
        let (waiting, running) = self.check_flows(jobs);
        self.check_spread();
        let mut sums: BTreeMap<NodeIx, (u32, u32)> = BTreeMap::new();
        for (&at, &counted) in &waiting {
            let mut at = Some(at);
            while let Some(node) = at {
                let sum = sums.entry(node).or_default();
                sum.0 += counted;
                at = self[node].parent.map(|(parent, _)| parent);
            }
        }
        for (&at, &counted) in &running {
            let mut at = Some(at);
            while let Some(node) = at {
                sums.entry(node).or_default().1 += counted;
                at = self[node].parent.map(|(parent, _)| parent);
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let at = NodeIx(at as u32);
            if self.free_nodes.contains(&at) {
                continue;
            }
            let counted = sums.get(&at).copied().unwrap_or_default();
            let known = (node.waiting, node.gate.running());
            assert_eq!(known, counted, "a queue counts its jobs and those below");
            assert_eq!(node.parent.is_none(), at == self.top, "only the top has no parent");
            let told = node.parent.and_then(|(parent, child)| self[parent].order.counted(child));
            let running = node.gate.running();
            assert_eq!(
                told.unwrap_or(running),
                running,
                "an order that counts knows what its gate counts"
            );
            self.check_order(at);
        }
        let all = sums.get(&self.top).map_or(0, |sum| sum.0 as usize);
        assert_eq!(all, self.waiting, "every waiting job is below the top");
        assert!(!self.free_nodes.contains(&DEFAULT), "the default queue is always there");
    }

    fn check_flows(&self, jobs: &Jobs) -> (BTreeMap<NodeIx, u32>, BTreeMap<NodeIx, u32>) {
        let (mut waiting, mut running) = (BTreeMap::new(), BTreeMap::new());
        let mut of_flow: BTreeMap<u32, (u32, u32, u32)> = BTreeMap::new();
        for (_, job) in jobs.iter() {
            let node = self.flows[job.flow.0 as usize].node;
            let counts = of_flow.entry(job.flow.0).or_default();
            if job.state == State::Parked {
                counts.2 += 1;
            } else if job.state == State::Waiting {
                counts.0 += 1;
                *waiting.entry(node).or_default() += 1;
            } else {
                counts.1 += 1;
                *running.entry(node).or_default() += 1;
            }
        }
        let free: BTreeSet<usize> = self.free_flows.iter().map(|free| free.0 as usize).collect();
        for (at, flow) in self.flows.iter().enumerate() {
            if free.contains(&at) {
                continue;
            }
            let counts = of_flow.remove(&(at as u32)).unwrap_or_default();
            assert_eq!(flow.jobs, counts.0 + counts.1 + counts.2, "a flow counts its jobs");
            assert_eq!(flow.running, counts.1, "a flow counts its granted jobs");
            assert_eq!(
                flow.cap,
                self.cap_of(flow.node, flow.tenant_id),
                "a flow has its queue's cap"
            );
            let mut listed = 0;
            for (lane, backlog) in flow.backlogs.iter() {
                backlog.check(jobs);
                listed += backlog.len();
                let usual = lane == crate::lane::Lane::USUAL;
                assert!(usual || !backlog.is_empty(), "a lane is kept while it has a job");
            }
            assert_eq!(listed, counts.0, "a flow's lists hold its waiting jobs");
            let member = self[flow.node].member(flow.child);
            assert!(
                matches!(member, Member::Flow(ix) if ix.0 as usize == at),
                "a flow is its queue's"
            );
        }
        assert!(of_flow.is_empty(), "every job's flow is known");
        (waiting, running)
    }

    fn check_order(&self, at: NodeIx) {
        let node = &self[at];
        node.order.check(&|child, lane, filed| {
            let member = node.get(child).unwrap_or(Member::Nobody);
            let now = self.offered(member, lane);
            match member {
                // Which of a queue's jobs is its best may have changed with what its flows were charged since.
                Member::Node(_) => filed.is_some() == now.is_some(),
                Member::Flow(_) | Member::Nobody | Member::Gone => {
                    filed.map(|it| it.seq()) == now.map(|it| it.seq())
                }
            }
        });
    }
}
