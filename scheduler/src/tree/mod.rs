//! The tree of queues: nodes with flows as their leaves, each with a discipline that orders its children.
//!
//! ```text
//!                root                 orders queues, by their weights; there from the second queue on
//!               /    \
//!         default     reports         a queue: a discipline, and a gate (pause, rate, concurrency)
//!          /   \          \
//!      tenant  tenant    tenant       a flow: for each lane that its jobs may run in, a list on time and a late one
//! ```
//!
//! Every node knows what each child would give next in each lane (an *offer*), so a slot walks from the top to a job by one
//! choice a level, and what changes a child's offer goes up until it changes nothing more. What may not run offers nothing.
//! A lane is what a node calls it: on the way between a queue that is limited to some hosts and its parent it has another name (`limit`).

mod cap;
mod check;
mod choose;
mod flow;
mod gate;
mod limit;
mod look;
mod node;
mod offer;
mod path;
mod queue;
mod serve;
mod spread;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use ostler_job::{Mono, QueueId, TenantId};

pub(crate) use cap::Caps;
use flow::Flow;
use node::{Member, Node};
use spread::Spread;

use crate::config::Config;
use crate::discipline::{self, Share};
use crate::hash::IdMap;
use crate::jobs::{Job, Jobs};
use crate::lane::{Lane, LaneMap};
use crate::reach::Reach;
use crate::tenants::{FlowIx, TenantIx, Tenants};

/// Where a node is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeIx(u32);

/// The node of the default queue, which is always there.
const DEFAULT: NodeIx = NodeIx(0);

/// Flows without a job or a debt that are kept, since their tenants are likely to come back.
const SPARE_MAX: usize = 1_024;

/// What a flow is found by.
fn pair(node: NodeIx, tenant: TenantId) -> u64 {
    u64::from(node.0) << 32 | u64::from(tenant.0)
}

/// Every queue and every flow.
pub(crate) struct Tree {
    config: Config,
    nodes: Vec<Node>,
    free_nodes: Vec<NodeIx>,
    by_id: IdMap<QueueId, NodeIx>,
    /// Where a slot begins its way down: the default queue, or the root above it.
    top: NodeIx,
    flows: Vec<Flow>,
    /// By queue and tenant. One table, since those of many queues would be as many places in memory.
    by_tenant: IdMap<u64, FlowIx>,
    free_flows: Vec<FlowIx>,
    /// Flows that had neither a job nor a debt, in the order in which that began.
    spare: VecDeque<FlowIx>,
    spread: Spread,
    /// Tenants one of whose flows went with its queue.
    forgotten: Vec<TenantIx>,
    /// Nodes with a child that may be forgotten.
    retired: Vec<NodeIx>,
    /// Nodes that may have a debt to write off, with those above them.
    owing: Vec<NodeIx>,
    /// When rates open gates. An entry counts while its node's gate waits for just that.
    opening: BinaryHeap<Reverse<(Mono, NodeIx)>>,
    pub(crate) reach: Reach,
    /// Queues that are limited to some hosts.
    limited: usize,
    /// Lanes other than the usual one in which the top has something new.
    touched: Vec<Lane>,
    waiting: usize,
    /// What was said of the job that was charged last; see [`crate::jobs::Charged`].
    borrows: u32,
}

impl Tree {
    pub(crate) fn new(config: &Config) -> Self {
        let order = discipline::make(config.discipline, config);
        let node = Node::new(Some(QueueId::DEFAULT), config.discipline, order);
        let mut by_id = IdMap::default();
        by_id.insert(QueueId::DEFAULT, DEFAULT);
        Self {
            config: config.clone(),
            nodes: vec![node],
            free_nodes: Vec::new(),
            by_id,
            top: DEFAULT,
            flows: Vec::new(),
            by_tenant: IdMap::default(),
            free_flows: Vec::new(),
            spare: VecDeque::new(),
            spread: Spread::default(),
            forgotten: Vec::new(),
            retired: Vec::new(),
            owing: Vec::new(),
            opening: BinaryHeap::new(),
            reach: Reach::default(),
            limited: 0,
            touched: Vec::new(),
            waiting: 0,
            borrows: 0,
        }
    }

    /// Waiting jobs.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a slot that serves the lane could have a job.
    #[inline]
    pub(crate) fn is_runnable(&self, lane: Lane) -> bool {
        self[self.top].order.is_runnable(lane)
    }

    /// Lanes other than the usual one in which a job could be had.
    pub(crate) fn other_lanes(&self) -> Vec<Lane> {
        self[self.top].order.other_lanes()
    }

    /// A lane other than the usual one in which the top has something new.
    pub(crate) fn poll_touched(&mut self) -> Option<Lane> {
        self.touched.pop()
    }

    /// The flow of a tenant in a queue, if it is known.
    pub(crate) fn find(&self, queue: QueueId, tenant: TenantId) -> Option<FlowIx> {
        self.by_tenant.get(&pair(self.node_of(queue), tenant)).copied()
    }

    /// The same, made if it is not, for one job more; its weight is this from here on.
    pub(crate) fn open(
        &mut self,
        (queue, tenant, known): (QueueId, TenantId, Option<FlowIx>),
        weight: u32,
        tenants: &mut Tenants,
    ) -> FlowIx {
        let flow = known.unwrap_or_else(|| self.add_flow(self.node_of(queue), tenant, tenants));
        self.flows[flow.0 as usize].jobs += 1;
        self.weigh(flow, weight);
        self.link(flow);
        flow
    }

    /// The flow's weight is this from here on, for what waits already, too.
    #[inline]
    pub(crate) fn weigh(&mut self, flow: FlowIx, weight: u32) {
        let it = &mut self.flows[flow.0 as usize];
        it.weight = weight;
        let (node, child) = (it.node, it.child);
        self[node].order.open(child, Share::of(weight));
        self.watch(node);
    }

    fn add_flow(&mut self, at: NodeIx, tenant: TenantId, tenants: &mut Tenants) -> FlowIx {
        let ix = self.free_flows.pop().unwrap_or(FlowIx(self.flows.len() as u32));
        let child = self[at].admit(Member::Flow(ix));
        self.by_tenant.insert(pair(at, tenant), ix);
        let tenant_ix = tenants.find_or_insert(tenant);
        let siblings = &mut tenants[tenant_ix].flows;
        siblings.push(ix);
        let place = siblings.len() as u32 - 1;
        let fresh = Flow {
            tenant: tenant_ix,
            tenant_id: tenant,
            place,
            node: at,
            child,
            weight: 1,
            backlogs: LaneMap::default(),
            jobs: 0,
            spare: false,
            blocked: tenants[tenant_ix].blocked,
            running: 0,
            cap: self.cap_of(at, tenant),
            before: ix,
            next: ix,
            is_linked: false,
        };
        if let Some(flow) = self.flows.get_mut(ix.0 as usize) {
            *flow = fresh;
        } else {
            self.flows.push(fresh);
        }
        ix
    }

    /// Whether a job of the flow waits or runs.
    pub(crate) fn has_jobs(&self, flow: FlowIx) -> bool {
        self.flows[flow.0 as usize].jobs > 0
    }

    /// Whether the flow has a job or owes something.
    pub(crate) fn remembers(&self, flow: FlowIx) -> bool {
        let it = &self.flows[flow.0 as usize];
        it.jobs > 0 || self[it.node].order.owes(it.child)
    }

    /// The tenant of a flow.
    #[inline]
    pub(crate) fn tenant(&self, flow: FlowIx) -> TenantIx {
        self.flows[flow.0 as usize].tenant
    }

    /// A job of the flow is known no more; so is the flow with its last, now or when its debt is paid.
    #[inline]
    pub(crate) fn close(&mut self, flow: FlowIx) {
        let it = &mut self.flows[flow.0 as usize];
        it.jobs -= 1;
        if it.jobs == 0 {
            let (node, child) = (it.node, it.child);
            self[node].order.retire(child);
            self.retire_in(node);
            self.note_debts(node);
        }
    }

    fn forget_in(&mut self, node: NodeIx) {
        if self.retired.last() != Some(&node) {
            self.retired.push(node);
        }
    }

    /// Somebody may owe something here, and so at the nodes above.
    #[inline]
    fn note_debts(&mut self, at: NodeIx) {
        if !self[at].has_debts {
            self.note_debts_up(at);
        }
    }

    #[cold]
    fn note_debts_up(&mut self, mut at: NodeIx) {
        while !std::mem::replace(&mut self[at].has_debts, true) {
            self.owing.push(at);
            let Some((parent, _)) = self[at].parent else { return };
            at = parent;
        }
    }

    /// No job waits or runs: what any flow owes is written off.
    #[inline]
    pub(crate) fn reset(&mut self) {
        while let Some(at) = self.owing.pop() {
            self[at].has_debts = false;
            self[at].order.reset();
            self.forget_in(at);
        }
    }

    /// Whether [`Tree::poll_forgotten`] has something to do.
    #[inline]
    pub(crate) fn may_forget(&self) -> bool {
        !self.retired.is_empty() || !self.forgotten.is_empty() || self.spare.len() > SPARE_MAX
    }

    /// A tenant one of whose flows was forgotten.
    #[inline]
    pub(crate) fn poll_forgotten(&mut self, tenants: &mut Tenants) -> Option<TenantIx> {
        while let Some(at) = self.retired.pop() {
            self.retire_in(at);
        }
        if let Some(tenant) = self.forgotten.pop() {
            return Some(tenant);
        }
        while self.spare.len() > SPARE_MAX {
            let ix = self.spare.pop_front()?;
            self.flows[ix.0 as usize].spare = false;
            if !self.remembers(ix) {
                return Some(self.drop_flow(ix, tenants));
            }
        }
        None
    }

    /// Lists as spare what need not be remembered in the node. What it is told may be old: the child may have come back.
    fn retire_in(&mut self, at: NodeIx) {
        while let Some(child) = self[at].order.poll_forgotten() {
            let node = &mut self[at];
            let Member::Flow(ix) = node.member(child) else {
                if node.member(child) == Member::Gone {
                    node.dismiss(child);
                }
                continue;
            };
            let flow = &mut self.flows[ix.0 as usize];
            if flow.jobs > 0 {
                continue;
            }
            if let Some(lists) = flow.backlogs.get_mut(Lane::USUAL) {
                lists.clear();
            }
            if !std::mem::replace(&mut flow.spare, true) {
                self.spare.push_back(ix);
            }
        }
    }

    /// Forgets a flow; answers whose it was.
    fn drop_flow(&mut self, ix: FlowIx, tenants: &mut Tenants) -> TenantIx {
        let flow = &self.flows[ix.0 as usize];
        let (at, child, tenant) = (flow.node, flow.child, flow.tenant);
        self.unlink(ix);
        self.flows[ix.0 as usize].backlogs = LaneMap::default();
        let tenant_id = self.flows[ix.0 as usize].tenant_id;
        self[at].dismiss(child);
        self.by_tenant.remove(&pair(at, tenant_id));
        self.free_flows.push(ix);
        self.leave_tenant(ix, &mut tenants[tenant].flows);
        tenant
    }

    /// Takes the flow out of its tenant's list.
    fn leave_tenant(&mut self, ix: FlowIx, siblings: &mut Vec<FlowIx>) {
        let place = self.flows[ix.0 as usize].place;
        siblings.swap_remove(place as usize);
        if let Some(moved) = siblings.get(place as usize) {
            self.flows[moved.0 as usize].place = place;
        }
    }

    /// Work that goes before a waiting job, about; `None` where some order on its way up knows no shares, or goes by slots as well.
    pub(crate) fn ahead(&self, jobs: &Jobs, job: &Job) -> Option<u128> {
        let it = &self.flows[job.flow.0 as usize];
        let key = self[it.node].order.key(job.lst);
        let own = it.backlogs.get(job.lane)?.ahead(jobs, (key, job.seq));
        let (mut work, mut at, mut child) = (own, it.node, it.child);
        loop {
            if !self[at].order.is_by_shares() {
                return None;
            }
            // Of all that run, its tenant gets its weight's part in its queue, and that one in what it is below.
            let (weight, weights) = self[at].order.share(child)?;
            work = work * u128::from(weights) / u128::from(weight);
            let Some(above) = self[at].parent else { return Some(work) };
            (at, child) = above;
        }
    }

    /// Whether nobody waits for any host in particular.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self[self.top].order.is_plain()
    }

    /// The node of a queue, if there is one.
    fn find_node(&self, queue: QueueId) -> Option<NodeIx> {
        if queue == QueueId::DEFAULT { Some(DEFAULT) } else { self.by_id.get(&queue).copied() }
    }

    #[inline]
    fn node_of(&self, queue: QueueId) -> NodeIx {
        if queue == QueueId::DEFAULT {
            return DEFAULT;
        }
        *self.by_id.get(&queue).expect("a job's queue is known before the job")
    }
}

impl std::ops::Index<NodeIx> for Tree {
    type Output = Node;

    #[inline]
    fn index(&self, at: NodeIx) -> &Node {
        &self.nodes[at.0 as usize]
    }
}

impl std::ops::IndexMut<NodeIx> for Tree {
    #[inline]
    fn index_mut(&mut self, at: NodeIx) -> &mut Node {
        &mut self.nodes[at.0 as usize]
    }
}
