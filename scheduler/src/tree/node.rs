//! A queue as a node of the tree, or the root above them all.

use ostler_job::{Mono, QueueId, TenantId};

use super::NodeIx;
use super::cap::Caps;
use super::gate::Gate;
use crate::config::DisciplineKind;
use crate::discipline::{Child, Discipline, Share};
use crate::hash::IdMap;
use crate::lane::Lane;
use crate::reach::HostSet;
use crate::tenants::FlowIx;

/// One node.
pub(crate) struct Node {
    /// The queue that it is; `None`: it is the root above them.
    pub(crate) queue: Option<QueueId>,
    /// The node that it is a child of, and its number there.
    pub(crate) parent: Option<(NodeIx, Child)>,
    pub(crate) kind: DisciplineKind,
    pub(crate) order: Box<dyn Discipline>,
    pub(crate) gate: Gate,
    /// When time changes what its children offer, as far as somebody looks at it then.
    pub(crate) watched: Option<Mono>,
    /// Somebody may owe something here: it is listed, and the nodes above are.
    pub(super) has_debts: bool,
    /// Waiting jobs here and below.
    pub(crate) waiting: u32,
    pub(crate) share: Share,
    /// The hosts that it is limited to, as it was told.
    pub(super) limit: Option<HostSet>,
    /// The same with what the nodes above are limited to: the lane of those hosts.
    pub(super) reach: Lane,
    /// What its parent calls its usual lane.
    pub(super) outer: Lane,
    /// What each of its tenants may run at once.
    pub(super) caps: Option<Box<Caps>>,
    children: Vec<Member>,
    free: Vec<Child>,
    flows: IdMap<TenantId, FlowIx>,
}

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// No child has this number.
    Nobody,
    /// The jobs of a tenant.
    Flow(FlowIx),
    /// A queue.
    Node(NodeIx),
    /// A queue that is elsewhere, while it is remembered what it was charged here.
    Gone,
}

impl Node {
    pub(crate) fn new(
        queue: Option<QueueId>,
        kind: DisciplineKind,
        order: Box<dyn Discipline>,
    ) -> Self {
        Self {
            queue,
            parent: None,
            kind,
            order,
            gate: Gate::default(),
            watched: None,
            has_debts: false,
            waiting: 0,
            share: Share::of(1),
            limit: None,
            reach: Lane::USUAL,
            outer: Lane::USUAL,
            caps: None,
            children: Vec::new(),
            free: Vec::new(),
            flows: IdMap::default(),
        }
    }

    pub(crate) fn find(&self, tenant: TenantId) -> Option<FlowIx> {
        self.flows.get(&tenant).copied()
    }

    pub(crate) fn member(&self, child: Child) -> Member {
        self.children[child.0 as usize]
    }

    pub(crate) fn get(&self, child: Child) -> Option<Member> {
        self.children.get(child.0 as usize).copied()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (Child, Member)> + '_ {
        let all = self.children.iter().enumerate().map(|(at, &it)| (Child(at as u32), it));
        all.filter(|&(_, it)| it != Member::Nobody)
    }

    /// Gives a child its number.
    pub(crate) fn admit(&mut self, member: Member) -> Child {
        if let Some(child) = self.free.pop() {
            self.children[child.0 as usize] = member;
            return child;
        }
        self.children.push(member);
        Child(self.children.len() as u32 - 1)
    }

    /// The queue is not its child any more; the number is given back when it is forgotten.
    pub(crate) fn lose(&mut self, child: Child) {
        self.children[child.0 as usize] = Member::Gone;
    }

    /// The number is another one's to have.
    pub(crate) fn dismiss(&mut self, child: Child) {
        self.children[child.0 as usize] = Member::Nobody;
        self.free.push(child);
    }

    pub(crate) fn name(&mut self, tenant: TenantId, flow: FlowIx) {
        self.flows.insert(tenant, flow);
    }

    pub(crate) fn forget(&mut self, tenant: TenantId) {
        self.flows.remove(&tenant);
    }
}
