//! `promise`: a fair share of slot time for every tenant (weighted fair queueing, as EEVDF does it), and inside that the job that
//! must start soonest (earliest deadline first, by latest start).
//!
//! Every child (here: flow) carries a virtual start tag `S`, the slot time per unit of weight that it has been charged. Virtual time
//! `V` is the smallest tag among the flows with waiting jobs, and never goes back. A flow is *eligible* while
//! `S <= V + B`, and of the eligible ones the flow is served whose head has the smallest `(late, latest start)`. It is
//! charged the job's estimate at once and the difference when the job is over. A flow that comes back from idling starts
//! at `V`: idling earns nothing, while what it owes is remembered until `V` has caught up.
//!
//! So for two flows that have jobs waiting all the time, the service per weight differs by at most
//! `2B + c_i/w_i + c_f/w_f`, a little more for the creep below (`c` the costliest job). A job whose latest start has
//! passed moves to its flow's late list, which gets a fifth of what the flow gets: work that is lost already cannot
//! make the rest late, too.
//!
//! *Creep.* With `V` held by the smallest tag alone, newcomers that start at `V` forever would hold it there, and
//! whoever has been served once would wait for all of them. So every finished job also moves `V` by an eighth of what a
//! fluid share would, and a flow left behind `V` by more than `B` and its head's cost is served next however urgent the
//! others are. Thus everybody is served after finitely many jobs, whoever comes, and debts of flows that left are
//! forgotten in time. It loosens the bound above by a seventh of the mean `B + c/w`, where the costs of the jobs that
//! are running count, too.
//!
//! *Lanes.* A flow has one tag for all lanes that its jobs wait in: what it is given in one it has been given, so that pinning
//! gains nothing and costs nothing. While a lane's hosts are busy or away, `V` goes on without it; a flow that was left
//! behind so is served first there, and what it could not use before counts for one job and `B` at most.

use ostler_job::{Mono, Span};

use super::filed::Filed;
use super::tag::Tag;
use super::{Child, Discipline, Turn};
use crate::backlog::Head;
use crate::config::Config;
use crate::heap::IndexedHeap;
use crate::lane::{Lane, LaneMap};

/// `V` creeps by this part of a fluid share.
const CREEP: u64 = 8;

/// A job moves `V` for this much of its time at most, or the end of a very long one would make everybody eligible.
const CREEP_JOB_MAX: Span = Span::from_secs(10);

/// All children.
pub(crate) struct PromiseOrder {
    credit: Tag,
    grace: Span,
    v: Tag,
    children: Vec<Account>,
    filed: Filed,
    /// Children without jobs that owe something, by tag.
    owing: IndexedHeap<Tag>,
    forgotten: Vec<Child>,
    /// Weight of all children that offer something.
    weights: u64,
}

/// What one child was charged, and what it offers.
#[derive(Default)]
struct Account {
    weight: u64,
    start: Tag,
    heads: LaneMap<Option<Head>>,
    /// Lanes in which it offers something.
    offers: u32,
}

impl PromiseOrder {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            credit: match config.urgency_credit {
                Span::ZERO => Tag::default(),
                credit => Tag::of(credit, 1),
            },
            grace: config.late_grace,
            v: Tag::default(),
            children: Vec::new(),
            filed: Filed::default(),
            owing: IndexedHeap::default(),
            forgotten: Vec::new(),
            weights: 0,
        }
    }

    /// Files the child under its tag in every lane that it offers something in.
    fn rekey(&mut self, child: Child) {
        let it = &self.children[child.0 as usize];
        if it.offers == 0 {
            return;
        }
        let is_eligible = it.start <= self.v.plus(self.credit);
        if let Some(head) = *it.heads.usual() {
            self.filed.file(Lane::USUAL, child.0, head, it.start, is_eligible);
        }
        for (&lane, head) in it.heads.others() {
            if let Some(head) = *head {
                self.filed.file(lane, child.0, head, it.start, is_eligible);
            }
        }
    }

    /// The child's offer in the lane is another one; answers whether it was filed anew.
    fn put(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        let it = &mut self.children[child.0 as usize];
        let old = std::mem::replace(it.heads.entry(lane, || None), head);
        match (old, head) {
            (None, Some(_)) => {
                if it.offers == 0 {
                    // Idling earns nothing.
                    it.start = it.start.max(self.v);
                    self.weights += it.weight;
                }
                it.offers += 1;
            }
            (Some(_), None) => {
                it.offers -= 1;
                if it.offers == 0 {
                    self.weights -= it.weight;
                }
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        if head.is_none() {
            it.heads.drop_other(lane);
            self.filed.remove(lane, child.0);
        }
    }

    fn forget(&mut self, child: Child) {
        self.children[child.0 as usize].start = self.v;
        self.forgotten.push(child);
    }

    /// Moves `V` up to the smallest tag, and makes eligible what that makes so.
    #[inline]
    fn advance(&mut self, lanes: &[Lane]) {
        if let Some(least) = lanes.iter().filter_map(|&lane| self.filed.least(lane)).min() {
            self.v = self.v.max(least);
        }
        for &lane in lanes {
            while let Some((start, child)) = self.filed.first_ahead(lane)
                && start <= self.v.plus(self.credit)
            {
                self.rekey(Child(child));
            }
        }
        self.settle();
    }

    /// Pays off what `V` has caught up with.
    fn settle(&mut self) {
        while let Some((start, child)) = self.owing.first()
            && start <= self.v
        {
            self.owing.remove(child);
            self.forget(Child(child));
        }
    }
}

impl Discipline for PromiseOrder {
    fn key(&self, lst: Mono) -> Mono {
        lst
    }

    fn open(&mut self, child: Child, weight: u32) {
        if self.children.len() <= child.0 as usize {
            let v = self.v;
            let fresh = || Account { start: v, ..Account::default() };
            self.children.resize_with(child.0 as usize + 1, fresh);
        }
        self.owing.remove(child.0);
        let it = &mut self.children[child.0 as usize];
        let weight = u64::from(weight.max(1));
        if it.offers > 0 {
            self.weights = self.weights - it.weight + weight;
        }
        it.weight = weight;
    }

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        let known = self.children[child.0 as usize].heads.get(lane);
        if known.copied().flatten() == head {
            return;
        }
        self.put(child, lane, head);
        if let Some(head) = head {
            let start = self.children[child.0 as usize].start;
            let is_eligible = start <= self.v.plus(self.credit);
            self.filed.file(lane, child.0, head, start, is_eligible);
        }
    }

    fn is_plain(&self) -> bool {
        self.filed.is_plain()
    }

    fn other_lanes(&self) -> Box<dyn Iterator<Item = Lane> + '_> {
        Box::new(self.filed.other_lanes())
    }

    fn is_runnable(&self, lanes: &[Lane]) -> bool {
        lanes.iter().any(|&lane| !self.filed.is_empty(lane))
    }

    fn choose(&mut self, lanes: &[Lane]) -> (Option<Turn>, Option<(Child, Lane)>) {
        self.advance(lanes);
        let (mut turn, mut behind): (Option<Turn>, Option<(Tag, u32, Lane)>) = (None, None);
        for &lane in lanes {
            if let Some((head, child)) = self.filed.first(lane)
                && turn.is_none_or(|turn| head < turn.head)
            {
                turn = Some(Turn { head, child: Child(child), lane });
            }
            if let Some((start, child)) = self.filed.first_tag(lane)
                && start.plus(self.credit) < self.v
                && behind.is_none_or(|it| (start, child, lane) < it)
            {
                behind = Some((start, child, lane));
            }
        }
        (turn, behind.map(|(_, child, lane)| (Child(child), lane)))
    }

    fn is_left_behind(&self, child: Child, cost: Span) -> bool {
        let it = &self.children[child.0 as usize];
        it.start.plus(self.credit).plus(Tag::of(cost, it.weight)) < self.v
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane = |&lane: &Lane| {
            let turns = self.filed.children(lane).into_iter().filter_map(move |child| {
                let head = (*self.children[child as usize].heads.get(lane)?)?;
                Some(Turn { head, child: Child(child), lane })
            });
            turns.min_by_key(|turn| turn.head.seq)
        };
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq)
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        if let Some((head, _)) = self.filed.first(lane) {
            return Some(head);
        }
        let (_, child) = self.filed.first_ahead(lane)?;
        self.children[child as usize].heads.get(lane).copied().flatten()
    }

    fn has_missed(&self, head: Head, now: Mono) -> bool {
        !head.late && head.lst + self.grace < now
    }

    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>) {
        let it = &mut self.children[child.0 as usize];
        let by = Tag::of(cost, it.weight);
        if lane != Lane::USUAL {
            // While its host was busy or away it could use nothing, and others used what it did not.
            it.start = it.start.max(self.v.minus(self.credit).minus(by));
        }
        it.start = it.start.plus(by);
        match it.heads.get_mut(lane) {
            Some(head @ Some(_)) if next.is_some() => *head = next,
            _ => self.put(child, lane, next),
        }
        self.rekey(child);
    }

    fn pass(&mut self, child: Child, cost: Span, alone: bool) {
        // As if it had waited for no time: alone, it holds V; it is served and charged.
        let it = &mut self.children[child.0 as usize];
        if alone {
            self.v = self.v.max(it.start);
        }
        it.start = it.start.max(self.v).plus(Tag::of(cost, it.weight));
        self.rekey(child);
        self.settle();
    }

    fn correct(&mut self, child: Child, charged: Span, actual: Span) {
        let it = &mut self.children[child.0 as usize];
        if actual > charged {
            let more = Span(actual.0 - charged.0);
            it.start = it.start.plus(Tag::of(more, it.weight));
        } else if actual < charged {
            let less = Span(charged.0 - actual.0);
            // Never below V: that would be a claim from the past on everybody else.
            let floor = it.start.min(self.v);
            it.start = it.start.minus(Tag::of(less, it.weight)).max(floor);
        } else {
            return;
        }
        self.rekey(child);
    }

    fn finish(&mut self, child: Child, charged: Span, actual: Span) {
        self.correct(child, charged, actual);
        let weights = self.weights.max(self.children[child.0 as usize].weight);
        let by = actual.min(CREEP_JOB_MAX);
        self.v = self.v.plus(Tag::of(by, weights.saturating_mul(CREEP)));
    }

    fn retire(&mut self, child: Child) {
        let start = self.children[child.0 as usize].start;
        if start <= self.v {
            self.forget(child);
        } else {
            self.owing.set(child.0, start);
        }
    }

    fn owes(&self, child: Child) -> bool {
        self.owing.contains(child.0)
    }

    fn reset(&mut self) {
        while let Some((start, child)) = self.owing.first() {
            self.v = self.v.max(start);
            self.owing.remove(child);
            self.forget(Child(child));
        }
    }

    fn poll_forgotten(&mut self) -> Option<Child> {
        self.forgotten.pop()
    }

    fn share(&self, child: Child) -> Option<(u64, u64)> {
        let weight = self.children[child.0 as usize].weight;
        Some((weight, self.weights.max(weight)))
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.owing.check();
        self.filed.check();
        let mut weights = 0;
        for (at, it) in self.children.iter().enumerate() {
            let at = at as u32;
            let mut lanes = 0;
            for (lane, head) in it.heads.iter() {
                assert!(offers(Child(at), lane, *head), "a child offers what it has");
                lanes += u32::from(head.is_some());
                self.filed.check_child(lane, at, *head, it.start);
            }
            assert_eq!(lanes, it.offers, "the lanes that something is offered in are counted");
            weights += if lanes > 0 { it.weight } else { 0 };
            let owes = self.owing.key(at);
            assert!(owes.is_none_or(|tag| lanes == 0 && tag == it.start), "only the idle owe");
        }
        assert_eq!(
            weights, self.weights,
            "the weight is that of the children that offer something"
        );
    }
}
