//! Queues that come, change and go, and moments at which rates open them.

use std::cmp::Reverse;

use ostler_job::{Mono, QueueId};

use super::node::{Member, Node};
use super::{NodeIx, Tree};
use crate::backlog::Backlog;
use crate::config::{DisciplineKind, QueueConfig};
use crate::discipline::{self, Child};
use crate::jobs::{JobIx, Jobs, State};
use crate::lane::LaneMap;
use crate::tenants::Tenants;

impl Tree {
    /// A queue is new or another one than it was; its jobs stay.
    pub(crate) fn put(&mut self, id: QueueId, config: &QueueConfig, jobs: &mut Jobs, now: Mono) {
        self.make_root();
        let at = self.by_id.get(&id).copied().unwrap_or_else(|| self.add(id, config.discipline));
        let (parent, child) = self[at].parent.expect("a queue is below the root");
        self[at].weight = config.weight;
        self[parent].order.open(child, config.weight);
        if self[at].kind != config.discipline {
            self.reorder(at, config.discipline, jobs);
        }
        self[at].gate.configure(config, now);
        self.offer_all(at);
    }

    /// The queue, which has no jobs, is forgotten.
    pub(crate) fn delete(&mut self, id: QueueId) {
        let Some(&at) = self.by_id.get(&id) else { return };
        let node = &self[at];
        assert!(
            node.waiting == 0 && node.gate.running() == 0 && id != QueueId::DEFAULT,
            "only a queue without jobs is deleted, and never the default one"
        );
        // Flows that owe something are forgotten with it.
        let (parent, child) = self[at].parent.expect("a queue is below the root");
        self[parent].order.retire(child);
        self.forget_in(parent);
        self[at].order.reset();
        self.forget_in(at);
        self.by_id.remove(&id);
        self[at].id = None;
    }

    /// The node is gone with its flows, which neither have a job nor owe anything.
    pub(super) fn drop_node(&mut self, at: NodeIx, tenants: &mut Tenants) {
        let members: Vec<Member> = self[at].members().map(|(_, member)| member).collect();
        for member in members {
            let Member::Flow(ix) = member else { continue };
            self.flows[ix.0 as usize].spare = false;
            self.spare.retain(|&it| it != ix);
            if let Some(tenant) = self.drop_flow(ix, tenants) {
                self.forgotten.push(tenant);
            }
        }
        self.nodes[at.0 as usize] = None;
        self.free_nodes.push(at);
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

    /// Opens the gates whose moment has come.
    pub(crate) fn open_gates(&mut self, now: Mono) {
        while let Some(&Reverse((at, node))) = self.opening.peek() {
            let waits =
                self.nodes[node.0 as usize].as_ref().is_some_and(|it| it.gate.waits_for(at));
            if waits && at > now {
                return;
            }
            self.opening.pop();
            if waits && self[node].gate.open_at(at) {
                self.offer_all(node);
            }
        }
    }

    /// The root comes with the first queue that is put.
    fn make_root(&mut self) {
        if self.top != super::DEFAULT {
            return;
        }
        let order = discipline::make(DisciplineKind::Promise, &self.config);
        self.nodes.push(Some(Node::new(None, DisciplineKind::Promise, order)));
        self.top = NodeIx(self.nodes.len() as u32 - 1);
        let (waiting, running) = (self.waiting as u32, self[super::DEFAULT].gate.running());
        let top = self.top;
        self[top].waiting = waiting;
        self[top].gate.adopt(running);
        self.admit(super::DEFAULT, 1);
    }

    fn add(&mut self, id: QueueId, kind: DisciplineKind) -> NodeIx {
        // A queue that owed something when it was deleted may owe nothing any more.
        self.forget_in(self.top);
        let order = discipline::make(kind, &self.config);
        let node = Node::new(Some(id), kind, order);
        let at = self.free_nodes.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            NodeIx(self.nodes.len() as u32 - 1)
        });
        self.nodes[at.0 as usize] = Some(node);
        self.by_id.insert(id, at);
        self.admit(at, 1);
        at
    }

    /// The node becomes a child of the top.
    fn admit(&mut self, at: NodeIx, weight: u32) {
        let top = self.top;
        let child = self[top].admit(Member::Node(at));
        self[top].order.open(child, weight);
        self[at].parent = Some((top, child));
        self.offer_all(at);
    }

    /// Orders the queue's children in another way: all that waits is filed anew.
    fn reorder(&mut self, at: NodeIx, kind: DisciplineKind, jobs: &mut Jobs) {
        self[at].order = discipline::make(kind, &self.config);
        self[at].kind = kind;
        let members: Vec<(Child, Member)> = self[at].members().collect();
        for &(child, member) in &members {
            let weight = self.weight_of(member);
            self[at].order.open(child, weight);
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

    fn weight_of(&self, member: Member) -> u32 {
        match member {
            Member::Flow(flow) => self.flows[flow.0 as usize].weight,
            Member::Node(node) => self[node].weight,
            Member::Nobody => 1,
        }
    }

    fn refile(&mut self, jobs: &Jobs, ix: JobIx) {
        let job = &jobs[ix];
        let node = self.flows[job.flow.0 as usize].node;
        let key = self[node].order.key(job.lst);
        let entry = crate::waitlist::Entry { key, seq: job.seq, job: ix };
        let backlogs = &mut self.flows[job.flow.0 as usize].backlogs;
        backlogs.entry(job.lane, Backlog::default).push(job.late, entry);
        self.offer(job.flow, job.lane);
    }
}
