//! Whose turn it is at one node: who must start soonest, unless somebody was left behind too far.

use ostler_job::{Mono, Span};

use super::node::Member;
use super::{NodeIx, Tree};
use crate::discipline::{Child, Turn};
use crate::jobs::Jobs;
use crate::lane::Lane;

impl Tree {
    #[inline]
    pub(super) fn choose(
        &mut self,
        at: NodeIx,
        jobs: &Jobs,
        lanes: &[Lane],
        now: Mono,
    ) -> Option<Turn> {
        let (turn, behind) = self[at].order.choose(lanes, now);
        let Some(first) = behind else { return turn };
        let Some((child, lane)) = self.left_behind(at, jobs, (first, lanes)) else { return turn };
        let head = self.offered(self[at].member(child), lane)?;
        // What was left behind goes first even when it is late already.
        Some(Turn { head: head.as_late(), child, lane })
    }

    /// The child that is furthest behind, or another one if that is not far enough for what its job costs: whoever has costly jobs does not
    /// hide those that have cheap ones.
    fn left_behind(
        &self,
        at: NodeIx,
        jobs: &Jobs,
        (first, lanes): ((Child, Lane), &[Lane]),
    ) -> Option<(Child, Lane)> {
        let order = &self[at].order;
        let is_left = |&(child, lane): &(Child, Lane)| {
            order.is_left_behind(child, self.cost_of(jobs, self[at].member(child), lane))
        };
        if is_left(&first) {
            return Some(first);
        }
        order.some_behind(lanes).into_iter().find(is_left)
    }

    #[cold]
    fn cost_of(&self, jobs: &Jobs, mut member: Member, mut lane: Lane) -> Span {
        loop {
            match member {
                Member::Flow(flow) => return self.next_cost(jobs, flow, lane),
                Member::Node(node) => {
                    let Some(below) = self.below(node, lane) else { return Span::ZERO };
                    match self[node].order.next(below) {
                        Some(child) => (member, lane) = (self[node].member(child), below),
                        None => return Span::ZERO,
                    }
                }
                Member::Nobody | Member::Gone => return Span::ZERO,
            }
        }
    }
}
