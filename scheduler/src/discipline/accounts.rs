//! What children offer and what they were charged, in virtual time: what every discipline with shares keeps.

#[cfg(test)]
mod tests;

use ostler_job::Span;

use super::tag::Tag;
use super::{Child, Share};
use crate::backlog::Head;
use crate::heap::IndexedHeap;
use crate::lane::{Lane, LaneMap};

/// `V` creeps by this part of a fluid share.
const CREEP: u32 = 8;

/// A job moves `V` for this much of its time at most, or the end of a very long one would let everybody go on at once.
pub(super) const CREEP_JOB_MAX: Span = Span::from_secs(10);

/// One child, in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Account {
    /// Slot time per unit of weight that it was charged.
    pub(super) start: Tag,
    /// Where virtual time was when it last came back from idling: since then it has a claim to its share.
    since: Tag,
    pub(super) heads: LaneMap<Option<Head>>,
    weight: u32,
    /// Lanes in which it offers something.
    pub(super) offers: u32,
}

const _: () = assert!(size_of::<Account>() == 64, "one cache line");

impl Account {
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.weight)
    }

    pub(super) fn head(&self, lane: Lane) -> Option<Head> {
        self.heads.get(lane).copied().flatten()
    }

    /// The lanes other than the usual one in which it offers something.
    pub(super) fn other_lanes(&self) -> Vec<Lane> {
        self.heads.others().map(|(lane, _)| lane).collect()
    }
}

/// Every child, and virtual time `v`: where whoever has nothing to claim stands.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) v: Tag,
    /// How far a fluid share would have come; what `V` is beyond that are charges that may be too high.
    fluid: Tag,
    /// No tag is beyond this one, and whoever was charged so much was.
    furthest: Tag,
    children: Vec<Account>,
    /// Children without jobs that owe something, by tag.
    owing: IndexedHeap<Tag>,
    forgotten: Vec<Child>,
    /// Weight of all children that offer something.
    weights: u64,
}

impl Accounts {
    #[inline]
    pub(super) fn get(&self, child: Child) -> &Account {
        &self.children[child.0 as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, child: Child) -> &mut Account {
        &mut self.children[child.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Child, &Account)> {
        self.children.iter().enumerate().map(|(at, it)| (Child(at as u32), it))
    }

    pub(super) fn open(&mut self, child: Child, share: Share) {
        if self.children.len() <= child.0 as usize {
            let v = self.v;
            let fresh = || Account { start: v, ..Account::default() };
            self.children.resize_with(child.0 as usize + 1, fresh);
        }
        self.owing.remove(child.0);
        let it = &mut self.children[child.0 as usize];
        let weight = share.weight.max(1);
        if it.offers > 0 {
            self.weights = self.weights - it.weight() + u64::from(weight);
        }
        it.weight = weight;
    }

    /// The child's offer in the lane is this from here on; answers whether it had none in any.
    #[inline]
    pub(super) fn put(&mut self, child: Child, lane: Lane, head: Option<Head>) -> bool {
        let v = self.v;
        let it = &mut self.children[child.0 as usize];
        let old = std::mem::replace(it.heads.entry(lane, || None), head);
        let mut came = false;
        match (old, head) {
            (None, Some(_)) => {
                came = it.offers == 0;
                it.offers += 1;
                if came {
                    // Idling earns nothing.
                    it.start = it.start.max(v);
                    it.since = v;
                    self.weights += it.weight();
                }
            }
            (Some(_), None) => {
                it.offers -= 1;
                if it.offers == 0 {
                    self.weights -= it.weight();
                }
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        if head.is_none() {
            self.children[child.0 as usize].heads.drop_other(lane);
        }
        came
    }

    /// The child is charged for a job of this cost from this tag on; answers its new one.
    #[inline]
    pub(super) fn charge(&mut self, child: Child, from: Tag, cost: Span) -> Tag {
        let it = &mut self.children[child.0 as usize];
        it.start = from.plus(Tag::of(cost, it.weight()));
        self.furthest = self.furthest.max(it.start);
        it.start
    }

    /// A charge turns out to be another; answers whether that moved the child's tag.
    #[inline]
    pub(super) fn correct(&mut self, child: Child, charged: Span, actual: Span) -> bool {
        if actual >= charged {
            let more = Span(actual.0 - charged.0);
            let it = &mut self.children[child.0 as usize];
            if more.0 > 0 {
                it.start = it.start.plus(Tag::of(more, it.weight()));
            }
            self.furthest = self.furthest.max(it.start);
        } else {
            self.pay_back(child, Span(charged.0 - actual.0));
        }
        actual != charged
    }

    /// What it was charged too much. While it waits it has missed that, as far back as it has waited. `V` has risen by such charges, and
    /// goes back by what they were on the average of all that wait, or they would all be behind it, and none be before others. But it
    /// does not go back to before a fluid share: it has crept so far for those that wait for it.
    fn pay_back(&mut self, child: Child, less: Span) {
        let (v, weights) = (self.v, self.weights);
        let it = &mut self.children[child.0 as usize];
        let floor = if it.offers > 0 { it.since } else { v };
        it.start = it.start.minus(Tag::of(less, it.weight())).max(floor.min(it.start));
        if it.offers > 0 && it.start < v {
            let back = v.minus(v.minus(it.start).part(it.weight(), weights));
            self.v = back.max(self.fluid.min(v));
            self.furthest = self.furthest.max(v);
        }
    }

    /// A job of the child is over after this time. With `V` held by the smallest tag alone, newcomers that start there forever would
    /// hold it, and whoever has been served once would wait for all of them: so it creeps.
    #[inline]
    pub(super) fn creep(&mut self, child: Child, actual: Span) {
        let (_, weights) = self.weights(child);
        let by = actual.min(CREEP_JOB_MAX);
        let share = Tag::of(by, weights);
        self.v = self.v.plus(share.over(CREEP));
        self.fluid = self.fluid.plus(share).min(self.v);
        self.settle();
    }

    /// Somebody with this tag has nothing to claim.
    #[inline]
    pub(super) fn advance(&mut self, to: Tag) {
        if to > self.v {
            self.v = to;
            self.settle();
        }
    }

    /// Weight of the child, and of all that offer something and itself.
    #[inline]
    pub(super) fn weights(&self, child: Child) -> (u64, u64) {
        let weight = self.get(child).weight();
        (weight, self.weights.max(weight))
    }

    /// Slot time that the child was charged beyond `V`; below zero what it is behind.
    pub(super) fn lead(&self, child: Child) -> i64 {
        let it = self.get(child);
        let of = |tag: Tag| i64::try_from(tag.time(it.weight()).0).unwrap_or(i64::MAX);
        if it.start < self.v { -of(self.v.minus(it.start)) } else { of(it.start.minus(self.v)) }
    }

    pub(super) fn retire(&mut self, child: Child) {
        let start = self.get(child).start;
        if start <= self.v {
            self.forget(child);
        } else {
            self.owing.set(child.0, start);
        }
    }

    pub(super) fn owes(&self, child: Child) -> bool {
        self.owing.contains(child.0)
    }

    /// Pays off what `V` has caught up with.
    #[inline]
    pub(super) fn settle(&mut self) {
        while let Some((start, child)) = self.owing.first()
            && start <= self.v
        {
            self.owing.remove(child);
            self.forget(Child(child));
        }
    }

    /// Whatever anybody was charged is written off: those that have a claim from now on are level.
    pub(super) fn reset(&mut self) {
        self.v = self.v.max(self.furthest);
        self.settle();
    }

    pub(super) fn furthest(&self) -> Tag {
        self.furthest
    }

    pub(super) fn poll_forgotten(&mut self) -> Option<Child> {
        self.forgotten.pop()
    }

    fn forget(&mut self, child: Child) {
        self.children[child.0 as usize].start = self.v;
        self.forgotten.push(child);
    }

    pub(super) fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.owing.check();
        let mut weights = 0;
        for (child, it) in self.iter() {
            let mut lanes = 0;
            for (lane, head) in it.heads.iter() {
                assert!(offers(child, lane, *head), "a child offers what it has");
                lanes += u32::from(head.is_some());
            }
            assert_eq!(lanes, it.offers, "the lanes that something is offered in are counted");
            weights += if lanes > 0 { it.weight() } else { 0 };
            assert!(it.start <= self.furthest.max(self.v), "no tag is beyond the furthest one");
            let owes = self.owing.key(child.0);
            assert!(owes.is_none_or(|tag| lanes == 0 && tag == it.start), "only the idle owe");
        }
        assert_eq!(
            weights, self.weights,
            "the weight is that of the children that offer something"
        );
    }
}
