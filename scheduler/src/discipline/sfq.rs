//! `sfq`: stochastic fair queueing (McKenney, 1990): tenants are hashed into buckets, and the buckets take turns.
//!
//! Within a bucket the job that was submitted first is next, whoever's it is. Who shares a bucket shares its part, so of [`SET`]
//! buckets from its hash on a tenant is put into the one with the fewest (sets, as in `tc-cake(8)`): where there are no more than so many
//! tenants nobody shares. And every [`REHASH`] the hash is another one, and nobody is unlucky for long; what its bucket was charged goes with a tenant. Weights do not
//! count.
//!
//! Bounds, with the quantum `Q` of a bucket and the costliest job `c`: the service of two buckets that have jobs waiting all the
//! time differs by at most `Q + 2c`, as with `drr`; two of `n` tenants share a bucket with probability `1/B` at most, so that a
//! tenant's expected part of the slots is at least `1/n * (1 - (n - 1)/(2B))` over many re-hashings. It is the choice for very
//! many tenants of which none is known: a newcomer waits for one turn of at most `B` buckets.

#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use super::drr::DrrOrder;
use super::fifo::FifoOrder;
use super::tag::Tag;
use super::{Child, Discipline, Share, Turn};
use crate::backlog::Head;
use crate::hash::mix;
use crate::heap::IndexedHeap;
use crate::lane::Lane;

/// How many buckets there are: a prime, as in `tc-sfq(8)`.
const BUCKETS: u32 = 127;
/// Buckets that a child is put into one of.
const SET: u32 = 8;
/// How long a hash holds.
const REHASH: Span = Span::from_secs(10);

/// All children.
pub(crate) struct SfqOrder {
    buckets: Vec<FifoOrder>,
    /// The buckets as children.
    turns: DrrOrder,
    /// Of each child with jobs: its bucket.
    placed: Vec<Option<u8>>,
    /// How many are in each bucket.
    members: [u32; BUCKETS as usize],
    salt: u64,
    hashed: Mono,
    /// Children without jobs, by what the bucket that each of them stays in was charged when it left.
    owing: IndexedHeap<Tag>,
    /// Jobs, granted ones too, of a bucket's children are charged to the bucket that the child is in now.
    forgotten: Vec<Child>,
}

impl Default for SfqOrder {
    fn default() -> Self {
        let mut turns = DrrOrder::default();
        (0..BUCKETS).for_each(|bucket| turns.open(Child(bucket), Share::of(1)));
        let buckets = (0..BUCKETS).map(|_| FifoOrder::default()).collect();
        Self {
            buckets,
            turns,
            placed: Vec::new(),
            members: [0; BUCKETS as usize],
            salt: 0,
            hashed: Mono(0),
            owing: IndexedHeap::default(),
            forgotten: Vec::new(),
        }
    }
}

impl SfqOrder {
    fn bucket(&self, child: Child) -> Child {
        let placed = self.placed.get(child.0 as usize).copied().flatten();
        Child(placed.map_or_else(|| self.hash(child), u32::from))
    }

    fn hash(&self, child: Child) -> u32 {
        (mix(u64::from(child.0) ^ self.salt) % u64::from(BUCKETS)) as u32
    }

    /// Puts a child that has jobs from now on into the emptiest bucket of its set, the first of several.
    fn place(&mut self, child: Child) {
        let at = child.0 as usize;
        if self.placed.len() <= at {
            self.placed.resize(at + 1, None);
        }
        if self.placed[at].is_none() {
            let first = self.hash(child);
            let set = (first..first + SET).map(|it| it % BUCKETS);
            let bucket = set.min_by_key(|&it| self.members[it as usize]).unwrap_or(first);
            self.members[bucket as usize] += 1;
            self.placed[at] = u8::try_from(bucket).ok();
        }
    }

    fn unplace(&mut self, child: Child) {
        let placed = self.placed.get_mut(child.0 as usize).and_then(Option::take);
        if let Some(bucket) = placed {
            self.members[usize::from(bucket)] -= 1;
        }
    }

    /// Whoever has left and owes nothing any more is forgotten.
    #[inline]
    fn settle(&mut self) {
        while let Some((start, child)) = self.owing.first()
            && start <= self.turns.v()
        {
            self.owing.remove(child);
            self.unplace(Child(child));
            self.forgotten.push(Child(child));
        }
    }

    fn refile(&mut self, bucket: Child, lane: Lane) {
        let head = self.buckets[bucket.0 as usize].best(lane);
        self.turns.offer(bucket, lane, head);
    }

    /// Puts everybody into a bucket by another hash. What was charged to the one that somebody was in goes with him: whoever comes into that
    /// one is not to wait for it, and what turns out to be too much is paid back to where he is then.
    fn rehash(&mut self, now: Mono) {
        self.hashed = now;
        self.salt = mix(now.0 ^ self.salt);
        let offers: Vec<_> = self.buckets.iter().flat_map(FifoOrder::offers).collect();
        for bucket in 0..BUCKETS {
            self.buckets[bucket as usize] = FifoOrder::default();
            let mut lanes = self.turns.other_lanes();
            lanes.push(Lane::USUAL);
            lanes.into_iter().for_each(|lane| self.turns.offer(Child(bucket), lane, None));
        }
        let all = (0..self.placed.len() as u32).map(Child);
        let there: Vec<(Child, Tag)> = all
            .filter(|it| self.placed[it.0 as usize].is_some())
            .map(|it| (it, self.turns.start(self.bucket(it))))
            .collect();
        there.iter().for_each(|&(child, _)| self.unplace(child));
        (0..BUCKETS).for_each(|bucket| self.turns.restart(Child(bucket), Tag::default()));
        for (child, start) in there {
            self.place(child);
            let bucket = self.bucket(child);
            self.turns.restart(bucket, start.max(self.turns.start(bucket)));
        }
        for (child, lane, head) in offers {
            self.offer(child, lane, Some(head));
        }
    }
}

impl Discipline for SfqOrder {
    fn key(&self, _lst: Mono) -> Mono {
        Mono(0)
    }

    fn open(&mut self, child: Child, _share: Share) {
        self.owing.remove(child.0);
        self.place(child);
    }

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        let bucket = self.bucket(child);
        self.buckets[bucket.0 as usize].offer(child, lane, head);
        self.refile(bucket, lane);
    }

    fn is_plain(&self) -> bool {
        self.turns.is_plain()
    }

    fn other_lanes(&self) -> Vec<Lane> {
        self.turns.other_lanes()
    }

    fn is_runnable(&self, lane: Lane) -> bool {
        self.turns.is_runnable(lane)
    }

    fn choose(&mut self, lanes: &[Lane], now: Mono) -> (Option<Turn>, Option<(Child, Lane)>) {
        if now - self.hashed >= REHASH {
            self.rehash(now);
        }
        let (Some(turn), _) = self.turns.choose(lanes, now) else { return (None, None) };
        self.settle();
        self.buckets[turn.child.0 as usize].choose(&[turn.lane], now)
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        let all = self.buckets.iter().filter_map(|bucket| bucket.eldest(lanes));
        all.min_by_key(|turn| turn.head.seq())
    }

    fn next(&self, lane: Lane) -> Option<Child> {
        let bucket = self.turns.next(lane)?;
        self.buckets[bucket.0 as usize].next(lane)
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        self.turns.best(lane)
    }

    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>, now: Mono) {
        let bucket = self.bucket(child);
        let it = &mut self.buckets[bucket.0 as usize];
        it.serve(child, lane, cost, next, now);
        let next = it.best(lane);
        self.turns.serve(bucket, lane, cost, next, now);
    }

    fn pass(&mut self, child: Child, cost: Span, alone: bool, now: Mono) {
        self.turns.pass(self.bucket(child), cost, alone, now);
    }

    fn correct(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.turns.correct(self.bucket(child), charged, actual, borrows);
    }

    fn finish(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.turns.finish(self.bucket(child), charged, actual, borrows);
        self.settle();
    }

    /// It stays in its bucket until what that one was charged is paid, or it would come back to another one.
    fn retire(&mut self, child: Child) {
        self.owing.set(child.0, self.turns.start(self.bucket(child)));
        self.settle();
    }

    fn owes(&self, child: Child) -> bool {
        self.owing.contains(child.0)
    }

    fn reset(&mut self) {
        self.turns.forgive();
        self.settle();
    }

    fn poll_forgotten(&mut self) -> Option<Child> {
        self.forgotten.pop()
    }

    fn share(&self, _child: Child) -> Option<(u64, u64)> {
        None
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.buckets.iter().for_each(|bucket| bucket.check(offers));
        let mut members = [0; BUCKETS as usize];
        self.placed.iter().flatten().for_each(|&bucket| members[usize::from(bucket)] += 1);
        assert_eq!(members, self.members, "the children of a bucket are counted");
        self.turns.check(&|bucket, lane, head| {
            self.buckets[bucket.0 as usize].best(lane).map(|it| it.seq()) == head.map(|it| it.seq())
        });
    }
}
