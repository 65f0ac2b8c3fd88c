//! `promise`: a fair share of slot time for every tenant (weighted fair queueing, as EEVDF does it), and inside that the job that
//! must start soonest (earliest deadline first, by latest start).
//!
//! Every child (here: flow) carries a virtual start tag `S`, the slot time per unit of weight that it has been charged. Virtual time
//! `V` is the smallest tag among the flows with waiting jobs, and goes back for wrong estimates only. A flow is *eligible* while
//! `S <= V + B`, and of the eligible ones the flow is served whose head has the smallest `(late, latest start)`. It is
//! charged the job's estimate at once and the difference when the job is over. A flow that comes back from idling starts
//! at `V`: idling earns nothing, while what it owes is remembered until `V` has caught up.
//!
//! So for two flows that have jobs waiting all the time, the service per weight differs by at most
//! `2B + c_i/w_i + c_f/w_f`, a little more for the creep below (`c` the costliest job), counted from when both came; between any two
//! moments by twice that. A job whose latest start has
//! passed moves to its flow's late list, which gets a fifth of what the flow gets: work that is lost already cannot
//! make the rest late, too.
//!
//! *Creep.* With `V` held by the smallest tag alone, newcomers that start at `V` forever would hold it there, and
//! whoever has been served once would wait for all of them. So every finished job also moves `V` by an eighth of what a
//! fluid share would, and a flow left behind `V` by more than `B` and its head's cost, ten seconds of it at most, is served next however urgent
//! the others are; where the one furthest behind has a costly head, others are looked at, since it would hide them. Thus everybody is served after finitely many jobs, whoever comes, and debts of flows that left are
//! forgotten in time. It loosens the bound above by a seventh of the mean `B + c/w`, where the costs of the jobs that
//! are running count, too.
//!
//! *Estimates* may be wrong. What a flow that waits was charged too much it has missed, and so it is paid back in full, below `V` if need be,
//! but not beyond the moment at which it came; what an idle one was is no claim. `V` goes back by the average of what that puts below it:
//! else all flows would be behind `V` after a while, and urgency would say nothing. It does not go back to before a fluid share, though, or
//! who says that its jobs take long would undo the creep, and nobody else who was served once would be so again. So in the bounds the service is what jobs did
//! take, and `c` is the sum of what the jobs of a flow that are granted at once were charged, its next one among them, or took if that is more.
//!
//! *Lanes.* A flow has one tag for all lanes that its jobs wait in: what it is given in one it has been given, so that pinning
//! gains nothing and costs nothing. While a lane's hosts are busy or away, `V` goes on without it; a flow that was left
//! behind so is served first there, and what it could not use before counts for one job and `B` at most.

#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use super::accounts::{Accounts, CREEP_JOB_MAX};
use super::by_lane::ByLane;
use super::tag::Tag;
use super::{Child, Discipline, Share, Turn};
use crate::backlog::Head;
use crate::config::Config;
use crate::lane::Lane;

/// Children of a lane that are looked at where the one that is furthest behind is not far enough for what its job costs.
const LOOKS: usize = 16;

/// All children.
pub(crate) struct PromiseOrder {
    credit: Tag,
    grace: Span,
    accounts: Accounts,
    /// Eligible children by head.
    eligible: ByLane<Head>,
    /// The same ones by tag.
    eligible_tags: ByLane<Tag>,
    /// Those ahead of their share, by tag.
    ahead: ByLane<Tag>,
}

impl PromiseOrder {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            credit: match config.urgency_credit {
                Span::ZERO => Tag::default(),
                credit => Tag::of(credit, 1),
            },
            grace: config.late_grace,
            accounts: Accounts::default(),
            eligible: ByLane::default(),
            eligible_tags: ByLane::default(),
            ahead: ByLane::default(),
        }
    }

    /// The child offers that head in the lane, and has that tag.
    #[inline]
    fn file(&mut self, lane: Lane, child: Child, head: Head, start: Tag) {
        if start <= self.accounts.v.plus(self.credit) {
            if !self.eligible_tags.shift(lane, child.0, start) {
                self.ahead.remove(lane, child.0);
                self.eligible_tags.set(lane, child.0, start);
            }
            self.eligible.set(lane, child.0, head);
        } else if !self.ahead.shift(lane, child.0, start) {
            self.eligible.remove(lane, child.0);
            self.eligible_tags.remove(lane, child.0);
            self.ahead.set(lane, child.0, start);
        }
    }

    /// The same of one whose head in the lane is what it was.
    #[inline]
    fn retag(&mut self, lane: Lane, child: Child, head: Head, start: Tag) {
        let is_eligible = start <= self.accounts.v.plus(self.credit);
        if !is_eligible || !self.eligible_tags.shift(lane, child.0, start) {
            self.file(lane, child, head, start);
        }
    }

    /// Files the child under its tag in every lane that it offers something in.
    #[inline]
    fn rekey(&mut self, child: Child) {
        if self.accounts.get(child).offers > 0 {
            self.rekey_offers(child);
        }
    }

    fn rekey_offers(&mut self, child: Child) {
        let it = self.accounts.get(child);
        let start = it.start;
        if let Some(head) = *it.heads.usual() {
            self.retag(Lane::USUAL, child, head, start);
        }
        if !self.accounts.get(child).heads.is_plain() {
            self.rekey_others(child, start);
        }
    }

    #[cold]
    fn rekey_others(&mut self, child: Child, start: Tag) {
        let others = self.accounts.get(child).heads.others();
        let heads: Vec<_> = others.filter_map(|(lane, it)| Some((lane, (*it)?))).collect();
        for (lane, head) in heads {
            self.retag(lane, child, head, start);
        }
    }

    /// The child's offer in the lane is another one, which is to be filed if it is there.
    fn put(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        self.accounts.put(child, lane, head);
        if head.is_none() {
            self.eligible.remove(lane, child.0);
            self.eligible_tags.remove(lane, child.0);
            self.ahead.remove(lane, child.0);
        }
    }

    /// Moves `V` up to the smallest tag, and makes eligible what that makes so.
    #[inline]
    fn advance(&mut self, lanes: &[Lane]) {
        let mut least: Option<Tag> = None;
        for &lane in lanes {
            for first in [self.eligible_tags.first(lane), self.ahead.first(lane)] {
                if let Some((tag, _)) = first
                    && least.is_none_or(|it| tag < it)
                {
                    least = Some(tag);
                }
            }
        }
        if let Some(least) = least {
            self.accounts.v = self.accounts.v.max(least);
        }
        for &lane in lanes {
            while let Some((start, child)) = self.ahead.first(lane)
                && start <= self.accounts.v.plus(self.credit)
            {
                self.rekey(Child(child));
            }
        }
        self.accounts.settle();
    }

    fn check_child(&self, child: Child, lane: Lane, head: Option<Head>, start: Tag) {
        let (eligible, ahead) = (self.eligible.key(lane, child.0), self.ahead.key(lane, child.0));
        assert_eq!(eligible.is_some() || ahead.is_some(), head.is_some(), "who offers is filed");
        assert!(eligible.is_none() || ahead.is_none(), "no child is both eligible and ahead");
        assert!(eligible.is_none() || eligible == head, "a child is filed under its head");
        let tag = self.eligible_tags.key(lane, child.0);
        assert_eq!(tag, eligible.map(|_| start), "an eligible child has its tag there");
        assert!(ahead.is_none_or(|at| at == start), "a child ahead is filed under its tag");
    }
}

impl Discipline for PromiseOrder {
    fn key(&self, lst: Mono) -> Mono {
        lst
    }

    fn open(&mut self, child: Child, share: Share) {
        self.accounts.open(child, share);
    }

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        if self.accounts.get(child).head(lane) == head {
            return;
        }
        self.put(child, lane, head);
        if let Some(head) = head {
            let start = self.accounts.get(child).start;
            self.file(lane, child, head, start);
        }
    }

    fn is_plain(&self) -> bool {
        self.eligible.is_plain() && self.ahead.is_plain()
    }

    fn other_lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> =
            self.eligible.other_lanes().chain(self.ahead.other_lanes()).collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    fn other_lanes_of(&self, child: Child) -> Vec<Lane> {
        self.accounts.get(child).other_lanes()
    }

    fn is_runnable(&self, lane: Lane) -> bool {
        !self.eligible.is_empty(lane) || !self.ahead.is_empty(lane)
    }

    fn choose(&mut self, lanes: &[Lane], _now: Mono) -> (Option<Turn>, Option<(Child, Lane)>) {
        self.advance(lanes);
        let (mut turn, mut behind): (Option<Turn>, Option<(Tag, u32, Lane)>) = (None, None);
        for &lane in lanes {
            if let Some((head, child)) = self.eligible.first(lane)
                && turn.is_none_or(|turn| head < turn.head)
            {
                turn = Some(Turn { head, child: Child(child), lane });
            }
            if let Some((start, child)) = self.eligible_tags.first(lane)
                && start.plus(self.credit) < self.accounts.v
                && behind.is_none_or(|it| (start, child, lane) < it)
            {
                behind = Some((start, child, lane));
            }
        }
        (turn, behind.map(|(_, child, lane)| (Child(child), lane)))
    }

    fn some_behind(&self, lanes: &[Lane]) -> Vec<(Child, Lane)> {
        let of_lane = |&lane: &Lane| {
            let some = self.eligible_tags.some(lane, LOOKS).into_iter();
            some.map(move |(start, child)| (start, child, lane))
        };
        let is_behind = |it: &(Tag, u32, Lane)| it.0.plus(self.credit) < self.accounts.v;
        let mut all: Vec<_> = lanes.iter().flat_map(of_lane).filter(is_behind).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, child, lane)| (Child(child), lane)).collect()
    }

    fn is_left_behind(&self, child: Child, cost: Span) -> bool {
        let it = self.accounts.get(child);
        // Whoever says that its jobs take long is looked at before all that are less far behind.
        let cost = cost.min(CREEP_JOB_MAX);
        it.start.plus(self.credit).plus(Tag::of(cost, it.weight())) < self.accounts.v
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane = |&lane: &Lane| {
            let mut children = self.eligible.children(lane);
            children.extend(self.ahead.children(lane));
            super::eldest(&self.accounts, &children, lane)
        };
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq())
    }

    fn next(&self, lane: Lane) -> Option<Child> {
        let eligible = self.eligible.first(lane).map(|(_, child)| child);
        eligible.or_else(|| self.ahead.first(lane).map(|(_, child)| child)).map(Child)
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        if let Some((head, _)) = self.eligible.first(lane) {
            return Some(head);
        }
        let (_, child) = self.ahead.first(lane)?;
        self.accounts.get(Child(child)).head(lane)
    }

    fn has_missed(&self, head: Head, now: Mono) -> bool {
        !head.is_late() && head.lst() + self.grace < now
    }

    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>, _now: Mono) {
        let floor = self.accounts.v.minus(self.credit);
        let it = self.accounts.get(child);
        let mut start = it.start;
        if lane != Lane::USUAL {
            // While its host was busy or away it could use nothing, and others used what it did not.
            start = start.max(floor.minus(Tag::of(cost, it.weight())));
        }
        let start = self.accounts.charge(child, start, cost);
        match self.accounts.get_mut(child).heads.get_mut(lane) {
            Some(head @ Some(_)) if next.is_some() => *head = next,
            _ => self.put(child, lane, next),
        }
        if let Some(head) = next {
            self.file(lane, child, head, start);
        }
        if lane != Lane::USUAL || !self.accounts.get(child).heads.is_plain() {
            self.rekey(child);
        }
    }

    fn pass(&mut self, child: Child, cost: Span, alone: bool, _now: Mono) {
        // As if it had waited for no time: alone, it holds V; it is served and charged.
        let start = self.accounts.get(child).start;
        if alone {
            self.accounts.v = self.accounts.v.max(start);
        }
        self.accounts.charge(child, start.max(self.accounts.v), cost);
        self.rekey(child);
        self.accounts.settle();
    }

    fn correct(&mut self, child: Child, charged: Span, actual: Span, _borrows: bool) {
        if self.accounts.correct(child, charged, actual) {
            self.rekey(child);
        }
    }

    fn finish(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.correct(child, charged, actual, borrows);
        self.accounts.creep(child, actual);
    }

    fn retire(&mut self, child: Child) {
        self.accounts.retire(child);
    }

    fn owes(&self, child: Child) -> bool {
        self.accounts.owes(child)
    }

    fn reset(&mut self) {
        self.accounts.reset();
    }

    fn poll_forgotten(&mut self) -> Option<Child> {
        self.accounts.poll_forgotten()
    }

    fn share(&self, child: Child) -> Option<(u64, u64)> {
        Some(self.accounts.weights(child))
    }

    fn lead(&self, child: Child) -> Option<i64> {
        Some(self.accounts.lead(child))
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.accounts.check(offers);
        self.eligible.check();
        self.eligible_tags.check();
        self.ahead.check();
        for (child, it) in self.accounts.iter() {
            for (lane, head) in it.heads.iter() {
                self.check_child(child, lane, *head, it.start);
            }
        }
    }
}
