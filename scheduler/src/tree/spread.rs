//! A tenant that has jobs in several queues gains nothing by it: what it is charged is multiplied.
//!
//! Queues stand beside each other by their weights, so a tenant that spread its jobs over `m` of them would have the share of all of
//! them. Where it is active in children of a node with the weights `w`, each of its jobs below is charged `sum(w) / max(w)` times its
//! cost at that node and further down: its queues together get what the heaviest of them would get alone, in the proportion of their weights
//! still, and whoever shares a queue with it loses nothing by what it does elsewhere, since the tenant's own flow pays there, too.
//! A tenant in one queue pays what it costs, and may take all of that queue.
//!
//! Active is a child where the tenant has a job granted, or one that could go, or whose account is ahead still, so that going from queue
//! to queue with one job each leaves no debt behind. What a pause or a limit holds up there costs nothing elsewhere.
//!
//! Bound, where the tenant `a` has jobs waiting all the time in `m` queues of weight 1 that it has for itself, `b` in another, the credit `B`
//! and the costliest jobs `c`: what they are served in any time differs by at most `2 B + m c_a + c_b`, and the creep of `promise`.
//! Below `htb` nothing is multiplied: guarantees and ceilings are the operator's.
//!
//! It costs nothing while a tenant is in one queue; else it looks at [`LOOKS`] of its other flows, and takes those for all.

use ostler_job::{JobId, Span};

use super::node::Member;
use super::{DEFAULT, NodeIx, Tree};
use crate::config::DisciplineKind;
use crate::discipline::Child;
use crate::hash::IdMap;
use crate::tenants::FlowIx;

/// Other flows of a tenant that are looked at for one job.
const LOOKS: u32 = 16;
/// What stands for a factor of 1.
const ONE: u64 = 256;
/// The largest factor.
const MOST: u64 = ONE << 14;

/// The active flows of every tenant, and what granted jobs were multiplied by.
#[derive(Default)]
pub(super) struct Spread {
    /// By the tenant's place in the table: how many flows its ring has, and one of them.
    rings: Vec<(u32, FlowIx)>,
    /// Of granted jobs that are not charged as they are: by level, from the queue up.
    factors: IdMap<JobId, Box<[u64]>>,
}

/// What a flow is to another one of its tenant.
enum Meeting {
    /// It counts, at this level of the other's way up, as this child.
    Active(usize, Child),
    /// It has jobs, none of which could go.
    Held,
    /// It has none, and owes nothing.
    Idle,
}

/// What a job costs at a level of its way.
#[inline]
pub(super) fn scaled(factors: Option<&[u64]>, level: usize, cost: Span) -> Span {
    match factors.and_then(|factors| factors.get(level)) {
        Some(&factor) => Span(cost.0.saturating_mul(factor) / ONE),
        None => cost,
    }
}

impl Tree {
    /// The flow has a job. While there is one queue, nobody asks.
    #[inline]
    pub(super) fn link(&mut self, ix: FlowIx) {
        if self.top != DEFAULT && !self.flows[ix.0 as usize].is_linked {
            self.link_in(ix);
        }
    }

    fn link_in(&mut self, ix: FlowIx) {
        let tenant = self.flows[ix.0 as usize].tenant.0 as usize;
        if self.spread.rings.len() <= tenant {
            self.spread.rings.resize(tenant + 1, (0, ix));
        }
        let (count, anchor) = self.spread.rings[tenant];
        let (before, after) =
            if count == 0 { (ix, ix) } else { (anchor, self.flows[anchor.0 as usize].next) };
        let it = &mut self.flows[ix.0 as usize];
        (it.is_linked, it.before, it.next) = (true, before, after);
        self.flows[before.0 as usize].next = ix;
        self.flows[after.0 as usize].before = ix;
        self.spread.rings[tenant] = (count + 1, ix);
    }

    /// Takes the flow out of its tenant's ring.
    pub(super) fn unlink(&mut self, ix: FlowIx) {
        let it = &mut self.flows[ix.0 as usize];
        if !std::mem::replace(&mut it.is_linked, false) {
            return;
        }
        let (tenant, before, after) = (it.tenant.0 as usize, it.before, it.next);
        (it.before, it.next) = (ix, ix);
        self.flows[before.0 as usize].next = after;
        self.flows[after.0 as usize].before = before;
        let (count, _) = self.spread.rings[tenant];
        self.spread.rings[tenant] = (count - 1, after);
    }

    /// There are several queues from now on.
    pub(super) fn link_all(&mut self) {
        for at in 0..self.flows.len() {
            if self.flows[at].jobs > 0 {
                self.link(FlowIx(at as u32));
            }
        }
    }

    /// What the next job of the flow is multiplied by; `None`: nothing.
    #[inline]
    pub(super) fn factors(&mut self, flow: FlowIx) -> Option<Box<[u64]>> {
        if self.flows[flow.0 as usize].next == flow { None } else { self.look_around(flow) }
    }

    /// The job was charged so.
    #[inline]
    pub(super) fn keep_factors(&mut self, job: JobId, factors: Option<Box<[u64]>>) {
        if let Some(factors) = factors {
            self.spread.factors.insert(job, factors);
        }
    }

    /// How a granted job was charged.
    #[inline]
    pub(super) fn charged_by(&self, job: JobId) -> Option<Box<[u64]>> {
        if self.spread.factors.is_empty() { None } else { self.spread.factors.get(&job).cloned() }
    }

    /// The same of one that is over, or waits again.
    #[inline]
    pub(super) fn take_factors(&mut self, job: JobId) -> Option<Box<[u64]>> {
        if self.spread.factors.is_empty() { None } else { self.spread.factors.remove(&job) }
    }

    #[cold]
    fn look_around(&mut self, flow: FlowIx) -> Option<Box<[u64]>> {
        let it = &self.flows[flow.0 as usize];
        let (mut at, others) = (it.next, self.spread.rings[it.tenant.0 as usize].0 - 1);
        let way: Vec<(NodeIx, Child)> =
            std::iter::successors(Some((it.node, it.child)), |&(node, _)| self[node].parent)
                .collect();
        let own: Vec<u64> = way.iter().map(|&(node, child)| self.weight_of(node, child)).collect();
        let (mut sums, mut most) = (vec![0; way.len()], own.clone());
        let (mut found, mut idle, mut looked) = (Vec::new(), Vec::new(), 0);
        while at != flow && looked < LOOKS {
            looked += 1;
            match self.meet(at, &way) {
                Meeting::Active(level, child) if !found.contains(&(level, child)) => {
                    found.push((level, child));
                    let weight = self.weight_of(way[level].0, child);
                    sums[level] += weight;
                    most[level] = most[level].max(weight);
                }
                Meeting::Idle => idle.push(at),
                Meeting::Active(..) | Meeting::Held => {}
            }
            at = self.flows[at.0 as usize].next;
        }
        if others > looked && found.len() * 2 > looked as usize {
            sums.iter_mut().for_each(|sum| *sum = *sum * u64::from(others) / u64::from(looked));
        }
        idle.into_iter().for_each(|it| self.unlink(it));
        self.multiply(&way, &own, (&sums, &most))
    }

    /// From the top down each level is multiplied by its own part and by those above.
    fn multiply(
        &self,
        way: &[(NodeIx, Child)],
        own: &[u64],
        (sums, most): (&[u64], &[u64]),
    ) -> Option<Box<[u64]>> {
        let (mut factors, mut product) = (vec![ONE; way.len()], ONE);
        for level in (0..way.len()).rev() {
            if self[way[level].0].kind == DisciplineKind::Htb {
                continue;
            }
            let part = (own[level] + sums[level]) * ONE / most[level];
            product = (product * part / ONE).min(MOST);
            factors[level] = product;
        }
        factors.iter().any(|&factor| factor != ONE).then(|| factors.into())
    }

    /// Where another flow of the tenant comes together with this way up, and whether it counts.
    fn meet(&self, flow: FlowIx, way: &[(NodeIx, Child)]) -> Meeting {
        let it = &self.flows[flow.0 as usize];
        let mut offers = it.backlogs.iter().any(|(lane, _)| self.head(flow, lane).is_some());
        let (mut node, mut child) = (it.node, it.child);
        loop {
            if let Some(level) = way.iter().position(|&(at, _)| at == node) {
                let is_ahead = self[node].order.lead(child).is_some_and(|lead| lead > 0);
                return match (it.running > 0 || offers || is_ahead, it.jobs) {
                    (true, _) => Meeting::Active(level, child),
                    (false, 0) => Meeting::Idle,
                    (false, _) => Meeting::Held,
                };
            }
            offers &= self[node].gate.is_open();
            let parent = self[node].parent;
            (node, child) = parent.expect("all ways up come together at the top");
        }
    }

    fn weight_of(&self, node: NodeIx, child: Child) -> u64 {
        let weight = match self[node].member(child) {
            Member::Flow(flow) => self.flows[flow.0 as usize].weight,
            Member::Node(node) => self[node].share.weight,
            Member::Nobody | Member::Gone => 1,
        };
        u64::from(weight.max(1))
    }

    /// Asserts that every flow with a job is in its tenant's ring, where there are several queues.
    pub(super) fn check_spread(&self) {
        for (at, flow) in self.flows.iter().enumerate() {
            let ix = FlowIx(at as u32);
            assert!(
                self.top == DEFAULT || flow.jobs == 0 || flow.is_linked,
                "an active flow is linked"
            );
            assert_eq!(self.flows[flow.next.0 as usize].before, ix, "a ring goes both ways");
            let next = &self.flows[flow.next.0 as usize];
            assert!(flow.next == ix || next.tenant == flow.tenant, "a ring is one tenant's");
        }
    }
}
