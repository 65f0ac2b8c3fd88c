//! Queues that come, change and go, and moments at which rates open them.

use std::cmp::Reverse;

use ostler_job::{Mono, QueueId};

use super::node::{Member, Node};
use super::{NodeIx, Tree};
use crate::backlog::Backlog;
use crate::config::{DisciplineKind, QueueConfig};
use crate::discipline::{self, Child, Share};
use crate::jobs::{JobIx, Jobs, State};
use crate::lane::{Lane, LaneMap};
use crate::tenants::Tenants;

impl Tree {
    /// A queue is new or another one than it was; its jobs stay.
    pub(crate) fn put(&mut self, id: QueueId, config: &QueueConfig, jobs: &mut Jobs, now: Mono) {
        self.make_root();
        self.spread.changes = self.spread.changes.wrapping_add(1);
        let parent = config.parent.map_or(self.top, |parent| self.node_of(parent));
        let known = self.by_id.get(&id).copied();
        let at = known.unwrap_or_else(|| self.add(id, config.discipline));
        let is_moved = self[at].parent.is_none_or(|(was, _)| was != parent);
        if self[at].parent.is_some_and(|(was, _)| was != parent) {
            self.detach(at);
        }
        self[at].share = Share {
            weight: config.weight,
            guarantee: config.guarantee,
            ceiling: config.ceiling,
            height: Some(self.height(at)),
        };
        match self[at].parent {
            None => self.attach(at, parent),
            Some((parent, child)) => {
                let share = self[at].share;
                self[parent].order.open(child, share);
                self.watch(parent);
            }
        }
        if self[at].kind != config.discipline {
            self.reorder(at, config.discipline, jobs);
        }
        let opens = self[at].gate.configure(config, now);
        self.open_later(at, opens);
        self.offer_all(at);
        self.raise(at);
        if is_moved && self.limited > 0 {
            self.reach_anew(at);
        }
    }

    /// Levels of queues below the node.
    fn height(&self, at: NodeIx) -> u8 {
        let below = self[at].members().filter_map(|(_, member)| match member {
            Member::Node(node) => self[node].share.height.map(|height| height + 1),
            Member::Flow(_) | Member::Nobody | Member::Gone => None,
        });
        below.max().unwrap_or(0)
    }

    /// The nodes above are as high as what is below them makes them.
    fn raise(&mut self, mut at: NodeIx) {
        while let Some((parent, child)) = self[at].parent {
            let height = self.height(at);
            self[at].share.height = Some(height);
            let share = self[at].share;
            self[parent].order.open(child, share);
            self.offer_all(at);
            at = parent;
        }
    }

    /// The queue, which has no jobs and no queues below, is forgotten.
    pub(crate) fn delete(&mut self, id: QueueId, tenants: &mut Tenants) {
        let Some(&at) = self.by_id.get(&id) else { return };
        let node = &self[at];
        assert!(
            node.waiting == 0 && node.gate.running() == 0 && id != QueueId::DEFAULT,
            "only a queue without jobs is deleted, and never the default one"
        );
        let is_parent = node.members().any(|(_, member)| matches!(member, Member::Node(_)));
        assert!(!is_parent, "a queue is deleted after those below it");
        self.spread.changes = self.spread.changes.wrapping_add(1);
        self.detach(at);
        self.unlimit(at);
        self.by_id.remove(&id);
        let members: Vec<Member> = self[at].members().map(|(_, member)| member).collect();
        for member in members {
            let Member::Flow(ix) = member else { continue };
            self.spare.retain(|&it| it != ix);
            let tenant = self.drop_flow(ix, tenants);
            self.forgotten.push(tenant);
        }
        // Nobody asks for it before it is another queue.
        self[at] = Node::new(
            None,
            DisciplineKind::Fifo,
            discipline::make(DisciplineKind::Fifo, &self.config),
        );
        self.free_nodes.push(at);
    }

    /// The node, with all that waits and runs below it, is a child of this one.
    fn attach(&mut self, at: NodeIx, parent: NodeIx) {
        let child = self[parent].admit(Member::Node(at));
        let (share, waiting, running) = (self[at].share, self[at].waiting, self[at].gate.running());
        self[parent].order.open(child, share);
        self[at].parent = Some((parent, child));
        if self[at].has_debts {
            self.note_debts(parent);
        }
        self.recount(parent, child);
        self.count_below(parent, |node| {
            node.waiting += waiting;
            node.gate.adopt(node.gate.running() + running);
        });
        self.offer_all(at);
    }

    /// The node is nobody's child, until it is attached again.
    fn detach(&mut self, at: NodeIx) {
        let Some((parent, child)) = self[at].parent.take() else { return };
        let (waiting, running) = (self[at].waiting, self[at].gate.running());
        let mut lanes = self[parent].order.other_lanes_of(child);
        lanes.push(Lane::USUAL);
        lanes.into_iter().for_each(|lane| self[parent].order.offer(child, lane, None));
        self[parent].order.retire(child);
        self[parent].lose(child);
        self.forget_in(parent);
        self.note_debts(parent);
        self.count_below(parent, |node| {
            node.waiting -= waiting;
            node.gate.adopt(node.gate.running() - running);
        });
    }

    /// Changes the counts of a node and of those above it, whose gates may open or close by that.
    fn count_below(&mut self, from: NodeIx, change: impl Fn(&mut Node)) {
        let mut at = from;
        loop {
            change(&mut self[at]);
            if let Some((parent, child)) = self[at].parent {
                self.recount(parent, child);
            }
            self.offer_all(at);
            let Some((parent, _)) = self[at].parent else { return };
            at = parent;
        }
    }

    /// Waiting and granted jobs of a queue.
    pub(crate) fn counts(&self, id: QueueId) -> Option<(u32, u32)> {
        let node = &self[*self.by_id.get(&id)?];
        Some((node.waiting, node.gate.running()))
    }

    /// When a rate opens the next gate.
    pub(crate) fn opens(&self) -> Option<Mono> {
        self.opening.peek().map(|&Reverse((at, _))| at)
    }

    /// Opens the gates whose moment has come, and lets disciplines know that theirs has.
    pub(crate) fn open_gates(&mut self, now: Mono) {
        while let Some(&Reverse((at, node))) = self.opening.peek() {
            let waits = self[node].gate.waits_for(at) || self[node].watched == Some(at);
            if waits && at > now {
                return;
            }
            self.opening.pop();
            if !waits {
                continue;
            }
            self[node].gate.open_at(at);
            if self[node].watched == Some(at) {
                self[node].watched = None;
                self[node].order.tick(now);
                self.watch(node);
            }
            self.offer_all(node);
        }
    }

    /// Looks at the node again when time alone changes what its children offer.
    #[inline]
    pub(super) fn watch(&mut self, at: NodeIx) {
        if self[at].kind == DisciplineKind::Htb {
            self.watch_timed(at);
        }
    }

    fn watch_timed(&mut self, at: NodeIx) {
        let node = &mut self[at];
        if let Some(due) = node.order.due()
            && node.watched.is_none_or(|watched| due < watched)
        {
            node.watched = Some(due);
            self.opening.push(Reverse((due, at)));
        }
    }

    /// The root comes with the first queue that is put.
    pub(super) fn make_root(&mut self) {
        if self.top != super::DEFAULT {
            return;
        }
        let order = discipline::make(DisciplineKind::Promise, &self.config);
        self.nodes.push(Node::new(None, DisciplineKind::Promise, order));
        self.top = NodeIx(self.nodes.len() as u32 - 1);
        self.attach(super::DEFAULT, self.top);
        self.link_all();
    }

    fn add(&mut self, id: QueueId, kind: DisciplineKind) -> NodeIx {
        let order = discipline::make(kind, &self.config);
        let node = Node::new(Some(id), kind, order);
        let at = if let Some(at) = self.free_nodes.pop() {
            self[at] = node;
            at
        } else {
            self.nodes.push(node);
            NodeIx(self.nodes.len() as u32 - 1)
        };
        self.by_id.insert(id, at);
        at
    }

    /// Orders the queue's children in another way: all that waits is filed anew.
    fn reorder(&mut self, at: NodeIx, kind: DisciplineKind, jobs: &mut Jobs) {
        self[at].order = discipline::make(kind, &self.config);
        self[at].kind = kind;
        self[at].watched = None;
        let members: Vec<(Child, Member)> = self[at].members().collect();
        for &(child, member) in &members {
            let share = self.share_of(member);
            self[at].order.open(child, share);
            self.recount(at, child);
            if let Member::Node(below) = member {
                self.offer_all(below);
            }
            if let Member::Flow(flow) = member {
                self.flows[flow.0 as usize].backlogs = LaneMap::default();
                if self.flows[flow.0 as usize].jobs == 0 {
                    self[at].order.retire(child);
                    self.forget_in(at);
                }
            }
        }
        let waiting: Vec<JobIx> = jobs
            .iter()
            .filter(|(_, job)| job.state == State::Waiting)
            .map(|(ix, _)| ix)
            .filter(|&ix| self.flows[jobs[ix].flow.0 as usize].node == at)
            .collect();
        for ix in waiting {
            // Another order may not know of it; it is late again when it is found to be.
            jobs[ix].late = false;
            self.refile(jobs, ix);
        }
    }

    fn share_of(&self, member: Member) -> Share {
        match member {
            Member::Flow(flow) => Share::of(self.flows[flow.0 as usize].weight),
            Member::Node(node) => self[node].share,
            Member::Nobody | Member::Gone => Share::of(1),
        }
    }

    fn refile(&mut self, jobs: &Jobs, ix: JobIx) {
        let job = &jobs[ix];
        let node = self.flows[job.flow.0 as usize].node;
        let key = self[node].order.key(job.lst);
        let entry = crate::waitlist::Entry::of(key, job, ix);
        let backlogs = &mut self.flows[job.flow.0 as usize].backlogs;
        backlogs.entry(job.lane, Backlog::default).push(job.late, entry);
        self.offer(job.flow, job.lane);
    }
}
