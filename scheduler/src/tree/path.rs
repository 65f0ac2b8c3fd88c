//! What a waiting job is told of its place: the queues above it with their gates, and its tenant's account.
//!
//! It costs a step a level, whatever waits; how many jobs go before one is counted in its own flow alone, and of many by a sample.

use std::collections::BTreeSet;

use ostler_job::{HostId, Mono, QueueId};

use super::{NodeIx, Tree};
use crate::config::DisciplineKind;
use crate::jobs::{Job, Jobs};
use crate::lane::Lane;
use crate::standing::{Level, Place, Standing};
use crate::tenants::FlowIx;

/// Entries of a flow that are looked at to count those before a job, about.
const LOOKS: usize = 512;
/// What a queue may use that may use nothing.
static NOWHERE: BTreeSet<HostId> = BTreeSet::new();

impl Tree {
    /// The queue and those above it, from there up.
    pub(crate) fn levels(&self, queue: QueueId, now: Mono) -> impl Iterator<Item = Level> + '_ {
        let from = self.find_node(queue);
        let above = |&at: &NodeIx| self[at].parent.map(|(parent, _)| parent);
        std::iter::successors(from, above).map(move |at| self.level(at, now))
    }

    /// The hosts that the queue may use; `None`: whichever.
    pub(crate) fn reach_of(&self, queue: QueueId) -> Option<&BTreeSet<HostId>> {
        match self[self.find_node(queue)?].reach {
            Lane::USUAL => None,
            reach => Some(self.reach.hosts(reach).map_or(&NOWHERE, |hosts| hosts)),
        }
    }

    /// Of the queue and those above it, from there up, how many of these flows' jobs wait there and below for a slot, and have one.
    pub(crate) fn own(&self, queue: QueueId, flows: &[FlowIx]) -> Vec<(u32, u32)> {
        let above = |&at: &NodeIx| self[at].parent.map(|(parent, _)| parent);
        let way: Vec<NodeIx> = std::iter::successors(self.find_node(queue), above).collect();
        let mut own = vec![(0, 0); way.len()];
        for &flow in flows {
            let it = &self.flows[flow.0 as usize];
            let waiting: u32 = it.backlogs.iter().map(|(_, backlog)| backlog.len()).sum();
            let joins = std::iter::successors(Some(it.node), above)
                .find_map(|at| way.iter().position(|&it| it == at));
            for level in own.iter_mut().skip(joins.unwrap_or(way.len())) {
                *level = (level.0 + waiting, level.1 + it.running);
            }
        }
        own
    }

    fn level(&self, at: NodeIx, now: Mono) -> Level {
        let node = &self[at];
        let (paused, concurrency, rate) = node.gate.limits();
        let (mut share, mut has_used_ceiling) = (None, false);
        if let Some((parent, child)) = node.parent {
            let order = &self[parent].order;
            share = order.share(child);
            has_used_ceiling = !order.may_pass(child, now);
        }
        let is_htb = node.parent.is_some_and(|(it, _)| self[it].kind == DisciplineKind::Htb);
        Level {
            queue: node.queue,
            discipline: node.kind,
            waiting: node.waiting,
            running: node.gate.running(),
            paused,
            concurrency,
            rate,
            closed_until: node.gate.closed_until(),
            share,
            guarantee: if is_htb { node.share.guarantee } else { 0 },
            ceiling: node.share.ceiling.filter(|_| is_htb),
            has_used_ceiling,
        }
    }

    /// Where a queued job stands among those of its tenant in its queue that may run in the same places.
    pub(crate) fn place(&self, jobs: &Jobs, job: &Job) -> Option<Place> {
        let flow = &self.flows[job.flow.0 as usize];
        let key = self[flow.node].order.key(job.lst);
        let backlog = flow.backlogs.get(job.lane)?;
        let (before, is_exact) = backlog.before(jobs, job.late, (key, job.seq), LOOKS);
        Some(Place { before, is_exact, is_late: job.late })
    }

    /// What its tenant may use in its queue, and has.
    pub(crate) fn standing(&self, job: &Job) -> Standing {
        let flow = &self.flows[job.flow.0 as usize];
        let order = &self[flow.node].order;
        Standing {
            weight: flow.weight.max(1),
            share: order.share(flow.child),
            lead: order.lead(flow.child),
            is_capped: flow.is_held(),
        }
    }
}
