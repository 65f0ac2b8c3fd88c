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
//! It costs nothing while a tenant is in one queue; else a job in a while looks around (`look`), and others go by what it saw.

use ostler_job::{JobId, Span};

use super::look::View;
use super::{DEFAULT, Tree};
use crate::hash::IdMap;
use crate::tenants::FlowIx;

/// What stands for a factor of 1.
pub(super) const ONE: u64 = 256;

/// The active flows of every tenant, and what granted jobs were multiplied by.
#[derive(Default)]
pub(super) struct Spread {
    /// By the tenant's place in the table.
    pub(super) rings: Vec<Ring>,
    /// How often a queue was another one than before, or had another place: what was seen until then is not true any more.
    pub(super) changes: u32,
    /// Of granted jobs that are not charged as they are: by level, from the queue up.
    factors: IdMap<JobId, Box<[u64]>>,
}

/// The active flows of one tenant.
pub(super) struct Ring {
    pub(super) flows: u32,
    /// One of them.
    anchor: FlowIx,
    pub(super) views: Vec<View>,
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
    #[inline(always)]
    pub(super) fn link(&mut self, ix: FlowIx) {
        if self.top != DEFAULT && !self.flows[ix.0 as usize].is_linked {
            self.link_in(ix);
        }
    }

    fn link_in(&mut self, ix: FlowIx) {
        let tenant = self.flows[ix.0 as usize].tenant.0 as usize;
        if self.spread.rings.len() <= tenant {
            let ring = || Ring { flows: 0, anchor: ix, views: Vec::new() };
            self.spread.rings.resize_with(tenant + 1, ring);
        }
        let &Ring { flows, anchor, .. } = &self.spread.rings[tenant];
        let (before, after) =
            if flows == 0 { (ix, ix) } else { (anchor, self.flows[anchor.0 as usize].next) };
        let it = &mut self.flows[ix.0 as usize];
        (it.is_linked, it.before, it.next) = (true, before, after);
        self.flows[before.0 as usize].next = ix;
        self.flows[after.0 as usize].before = ix;
        let ring = &mut self.spread.rings[tenant];
        (ring.flows, ring.anchor) = (flows + 1, ix);
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
        let ring = &mut self.spread.rings[tenant];
        (ring.flows, ring.anchor) = (ring.flows - 1, after);
        if ring.flows < 2 {
            ring.views = Vec::new();
        }
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
        if self.flows[flow.0 as usize].next == flow { None } else { self.multiply(flow) }
    }

    /// The job was charged so.
    #[inline(always)]
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
