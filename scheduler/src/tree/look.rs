//! What a tenant does in other queues than a job's: looked at by one job, and good for some after it.
//!
//! Whatever its flow, a job sees the same at the nodes above its queue, so jobs of all queues below a node go by one view. It is
//! good for half as many jobs as flows were looked at, so that a job looks at two or three on the average; a tenant in few queues
//! is looked at nearly every time, and what one does that goes on to others is seen after eight jobs at the latest.

#[cfg(test)]
mod tests;

use super::node::Member;
use super::spread::ONE;
use super::{NodeIx, Tree};
use crate::config::DisciplineKind;
use crate::discipline::Child;
use crate::tenants::FlowIx;

/// Other flows of a tenant that are looked at for one view.
const LOOKS: u32 = 16;
/// Views of a tenant that are kept.
const VIEWS: usize = 8;
/// The largest factor.
const MOST: u64 = ONE << 14;

/// What was seen of a tenant from below one node.
pub(super) struct View {
    from: NodeIx,
    /// Jobs that may go by it still.
    left: u32,
    /// What the tenant and the tree were like then.
    flows: u32,
    changes: u32,
    /// That node and those above it.
    levels: Box<[Seen]>,
}

/// What was seen at one node.
struct Seen {
    children: Vec<Child>,
    /// The weights of all in which the tenant is active, and the largest of them.
    sum: u64,
    most: u64,
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

impl Tree {
    /// What the next job of a flow, which is not the only one of its tenant, is multiplied by.
    #[cold]
    pub(super) fn multiply(&mut self, flow: FlowIx) -> Option<Box<[u64]>> {
        let it = &self.flows[flow.0 as usize];
        let (tenant, leaf) = (it.tenant.0 as usize, it.node);
        let above = |&(node, _): &(NodeIx, Child)| self[node].parent;
        let way: Vec<_> = std::iter::successors(Some((leaf, it.child)), above).collect();
        // At a queue without others below, a flow meets no other one of its tenant.
        let first = usize::from(self[leaf].share.height.unwrap_or(0) == 0);
        let &(from, _) = way.get(first)?;
        let (ring, changes) = (&mut self.spread.rings[tenant], self.spread.changes);
        let known = ring.views.iter_mut().position(|view| view.from == from);
        let view = match known.filter(|&at| ring.views[at].serves(ring.flows, changes)) {
            Some(at) => at,
            None => {
                let view = self.look_around(flow, &way[first..]);
                let views = &mut self.spread.rings[tenant].views;
                match known {
                    Some(at) if at < views.len() => views[at] = view,
                    _ if views.len() < VIEWS => views.push(view),
                    _ => views[from.0 as usize % VIEWS] = view,
                }
                views.iter().position(|view| view.from == from)?
            }
        };
        self.factors_by(&way, first, &self.spread.rings[tenant].views[view])
    }

    /// From the top down each level is multiplied by its own part and by those above.
    fn factors_by(&self, way: &[(NodeIx, Child)], first: usize, view: &View) -> Option<Box<[u64]>> {
        let (mut factors, mut product) = (vec![ONE; way.len()], ONE);
        for (level, &(node, child)) in way.iter().enumerate().rev() {
            if self[node].kind == DisciplineKind::Htb {
                continue;
            }
            if level >= first {
                let seen = &view.levels[level - first];
                let (mut sum, mut most) = (seen.sum, seen.most);
                if !seen.children.contains(&child) {
                    let own = self.weight_of(node, child);
                    (sum, most) = (sum + own, most.max(own));
                }
                product = (product * (sum * ONE / most) / ONE).min(MOST);
            }
            factors[level] = product;
        }
        factors.iter().any(|&factor| factor != ONE).then(|| factors.into())
    }

    /// Looks at other flows of the tenant, and takes some of many for all.
    fn look_around(&mut self, flow: FlowIx, way: &[(NodeIx, Child)]) -> View {
        let it = &self.flows[flow.0 as usize];
        let (mut at, ring) = (it.next, it.tenant.0 as usize);
        let flows = self.spread.rings[ring].flows;
        let mut levels: Vec<Seen> = way
            .iter()
            .map(|&(node, child)| {
                let own = self.weight_of(node, child);
                Seen { children: vec![child], sum: 0, most: own }
            })
            .collect();
        let (mut found, mut idle, mut looked) = (0, Vec::new(), 0);
        while at != flow && looked < LOOKS {
            looked += 1;
            match self.meet(at, way) {
                Meeting::Active(level, child) if !levels[level].children.contains(&child) => {
                    found += 1;
                    let weight = self.weight_of(way[level].0, child);
                    levels[level].add(child, weight);
                }
                Meeting::Idle => idle.push(at),
                Meeting::Active(..) | Meeting::Held => {}
            }
            at = self.flows[at.0 as usize].next;
        }
        for (seen, &(node, child)) in levels.iter_mut().zip(way) {
            if flows - 1 > looked && found * 2 > looked {
                seen.sum = seen.sum * u64::from(flows - 1) / u64::from(looked);
            }
            seen.sum += self.weight_of(node, child);
        }
        idle.into_iter().for_each(|it| self.unlink(it));
        let (from, changes) = (way[0].0, self.spread.changes);
        View { from, left: looked / 2, flows, changes, levels: levels.into() }
    }

    /// Where another flow of the tenant comes together with this way up, and whether it counts.
    fn meet(&self, flow: FlowIx, way: &[(NodeIx, Child)]) -> Meeting {
        let it = &self.flows[flow.0 as usize];
        let (mut node, mut child) = (it.node, it.child);
        // Most of what is looked at is a cache miss: no more than is needed.
        let mut counts = it.running > 0;
        let mut offers = !counts && it.backlogs.iter().any(|(lane, _)| self.offers(flow, lane));
        loop {
            if let Some(level) = way.iter().position(|&(at, _)| at == node) {
                counts |= offers || self[node].order.lead(child).is_some_and(|lead| lead > 0);
                return match (counts, it.jobs) {
                    (true, _) => Meeting::Active(level, child),
                    (false, 0) => Meeting::Idle,
                    (false, _) => Meeting::Held,
                };
            }
            offers = offers && self[node].gate.is_open();
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
}

impl View {
    /// Whether one job more may go by it, which counts.
    fn serves(&mut self, flows: u32, changes: u32) -> bool {
        let is_true = self.left > 0
            && self.changes == changes
            && self.flows.abs_diff(flows).saturating_mul(8) <= flows;
        self.left -= u32::from(is_true);
        is_true
    }
}

impl Seen {
    fn add(&mut self, child: Child, weight: u64) {
        self.children.push(child);
        self.sum += weight;
        self.most = self.most.max(weight);
    }
}
