//! A queue as a node of the tree, or the root above them all.

use ostler_job::{Mono, QueueId};

use super::NodeIx;
use super::cap::Caps;
use super::gate::Gate;
use crate::config::DisciplineKind;
use crate::discipline::{Child, Order, Share};
use crate::lane::Lane;
use crate::reach::HostSet;
use crate::tenants::FlowIx;

/// One node. What is looked at for every job is in its first two cache lines, then comes its order: of many nodes each line is a miss.
#[repr(C, align(128))]
pub(crate) struct Node {
    pub(crate) gate: Gate,
    /// The node that it is a child of, and its number there.
    pub(crate) parent: Option<(NodeIx, Child)>,
    pub(crate) kind: DisciplineKind,
    /// Somebody may owe something here: it is listed, and the nodes above are.
    pub(super) has_debts: bool,
    /// Waiting jobs here and below.
    pub(crate) waiting: u32,
    /// The hosts that it and the nodes above are limited to: their lane.
    pub(super) reach: Lane,
    /// What its parent calls its usual lane.
    pub(super) outer: Lane,
    children: Vec<Member>,
    pub(crate) order: Order,
    pub(crate) share: Share,
    /// The queue that it is; `None`: it is the root above them.
    pub(crate) queue: Option<QueueId>,
    /// When time changes what its children offer, as far as somebody looks at it then.
    pub(crate) watched: Option<Mono>,
    /// The hosts that it is limited to, as it was told.
    pub(super) limit: Option<HostSet>,
    /// What each of its tenants may run at once.
    pub(super) caps: Option<Box<Caps>>,
    free: Vec<Child>,
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
    pub(crate) fn new(queue: Option<QueueId>, kind: DisciplineKind, order: Order) -> Self {
        Self {
            gate: Gate::default(),
            parent: None,
            kind,
            has_debts: false,
            waiting: 0,
            reach: Lane::USUAL,
            outer: Lane::USUAL,
            children: Vec::new(),
            order,
            share: Share::of(1),
            queue,
            watched: None,
            limit: None,
            caps: None,
            free: Vec::new(),
        }
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
}
