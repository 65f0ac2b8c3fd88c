//! A heap whose members can be moved and removed by id.
//!
//! Ids are small dense numbers (indexes of children, hosts, suppliers), so positions are a plain table; where few of many
//! ids are ever in, they are [looked up](Sparse) instead. Equal keys are ordered by id: the order never depends on the
//! history of the heap.
//!
//! The first member stands apart from the others, and has no position: where it is the only one, as in most of many queues, there is
//! no table and no list in memory to be touched. Below it four members are under each, which makes half as many steps of two.

#[cfg(test)]
mod tests;

use crate::hash::IdMap;

/// No position: the id is not in the heap, or is its first.
const ABSENT: u32 = u32::MAX;

/// Members below each.
const ARITY: usize = 4;

/// Where each id is.
pub(crate) trait Positions: Default {
    fn get(&self, id: u32) -> Option<usize>;
    fn set(&mut self, id: u32, at: usize);
    /// The same of an id that has a place.
    fn shift(&mut self, id: u32, at: usize);
    fn clear(&mut self, id: u32);
    /// How many ids have one.
    fn count(&self) -> usize;
}

/// A place for every id that was ever in.
#[derive(Default)]
pub(crate) struct Table(Vec<u32>);

impl Positions for Table {
    #[inline]
    fn get(&self, id: u32) -> Option<usize> {
        self.0.get(id as usize).filter(|&&at| at != ABSENT).map(|&at| at as usize)
    }

    #[inline]
    fn set(&mut self, id: u32, at: usize) {
        if self.0.len() <= id as usize {
            self.0.resize(id as usize + 1, ABSENT);
        }
        self.0[id as usize] = at as u32;
    }

    #[inline]
    fn shift(&mut self, id: u32, at: usize) {
        self.0[id as usize] = at as u32;
    }

    #[inline]
    fn clear(&mut self, id: u32) {
        if let Some(at) = self.0.get_mut(id as usize) {
            *at = ABSENT;
        }
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|&&at| at != ABSENT).count()
    }
}

/// Places of the ids that are in, and no others: a little slower.
#[derive(Default)]
pub(crate) struct Sparse(IdMap<u32, u32>);

impl Positions for Sparse {
    fn get(&self, id: u32) -> Option<usize> {
        self.0.get(&id).map(|&at| at as usize)
    }

    fn set(&mut self, id: u32, at: usize) {
        self.0.insert(id, at as u32);
    }

    fn shift(&mut self, id: u32, at: usize) {
        self.set(id, at);
    }

    fn clear(&mut self, id: u32) {
        self.0.remove(&id);
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

/// A min-heap of `(key, id)`.
pub(crate) struct IndexedHeap<K, P = Table> {
    first: Option<(K, u32)>,
    /// All others: the first four below the first, four below each of those, and so on.
    rest: Vec<(K, u32)>,
    /// Where each of the others is.
    positions: P,
}

impl<K, P: Positions> Default for IndexedHeap<K, P> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new(), positions: P::default() }
    }
}

/// A member's place.
#[derive(Clone, Copy)]
enum At {
    First,
    Rest(usize),
}

impl<K: Copy + Ord, P: Positions> IndexedHeap<K, P> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.position(id).is_some()
    }

    /// The id's key, if it is in.
    pub(crate) fn key(&self, id: u32) -> Option<K> {
        match self.position(id)? {
            At::First => self.first.map(|(key, _)| key),
            At::Rest(at) => Some(self.rest[at].0),
        }
    }

    /// The smallest key and its id.
    #[inline]
    pub(crate) fn first(&self) -> Option<(K, u32)> {
        self.first
    }

    /// Everything that is in, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u32)> {
        self.first.into_iter().chain(self.rest.iter().copied())
    }

    /// Moves `id` to `key`; false: it is not in.
    #[inline]
    pub(crate) fn shift(&mut self, id: u32, key: K) -> bool {
        match self.position(id) {
            None => return false,
            // Nobody was before it, and nobody has come.
            Some(At::First) if self.rest.is_empty() => self.first = Some((key, id)),
            Some(At::First) => self.sift_first((key, id)),
            Some(At::Rest(at)) if key < self.rest[at].0 => self.sift_up(at, (key, id)),
            Some(At::Rest(at)) if key > self.rest[at].0 => self.sift_down(at, (key, id)),
            Some(At::Rest(_)) => {}
        }
        true
    }

    /// Puts `id` in with `key`, or moves it there.
    #[inline]
    pub(crate) fn set(&mut self, id: u32, key: K) {
        if self.first.is_none() {
            self.first = Some((key, id));
        } else if !self.shift(id, key) {
            let at = self.rest.len();
            self.rest.push((key, id));
            self.positions.set(id, at);
            self.sift_up(at, (key, id));
        }
    }

    /// Takes `id` out, if it is in.
    #[inline]
    pub(crate) fn remove(&mut self, id: u32) {
        match self.position(id) {
            None => {}
            Some(At::First) => match self.rest.pop() {
                None => self.first = None,
                Some(last) => self.sift_first(last),
            },
            Some(At::Rest(at)) => {
                self.positions.clear(id);
                let (key, _) = self.rest[at];
                let Some(last) = self.rest.pop().filter(|_| at < self.rest.len()) else { return };
                if last < (key, id) {
                    self.sift_up(at, last);
                } else {
                    self.sift_down(at, last);
                }
            }
        }
    }

    #[inline]
    fn position(&self, id: u32) -> Option<At> {
        let (_, first) = self.first?;
        if first == id { Some(At::First) } else { self.positions.get(id).map(At::Rest) }
    }

    /// Puts a member that has a position where it belongs, from here among the others upward.
    fn sift_up(&mut self, mut at: usize, moving: (K, u32)) {
        while let Some(parent) = (at / ARITY).checked_sub(1) {
            let above = self.rest[parent];
            if above <= moving {
                return self.put(at, moving);
            }
            self.put(at, above);
            at = parent;
        }
        match self.first {
            Some(first) if moving < first => {
                self.rest[at] = first;
                self.positions.set(first.1, at);
                self.first = Some(moving);
                self.positions.clear(moving.1);
            }
            Some(_) | None => self.put(at, moving),
        }
    }

    /// Makes the member the first, or the least of the others that, and puts it where it belongs below.
    fn sift_first(&mut self, moving: (K, u32)) {
        match self.least_below(0).map(|at| (at, self.rest[at])) {
            Some((at, least)) if least < moving => {
                self.first = Some(least);
                self.positions.clear(least.1);
                self.sift_down(at, moving);
            }
            Some(_) | None => {
                self.first = Some(moving);
                self.positions.clear(moving.1);
            }
        }
    }

    /// Puts a member where it belongs, from here among the others downward.
    fn sift_down(&mut self, mut at: usize, moving: (K, u32)) {
        while let Some(below) = self.least_below(at + 1)
            && self.rest[below] < moving
        {
            self.put(at, self.rest[below]);
            at = below;
        }
        self.rest[at] = moving;
        self.positions.set(moving.1, at);
    }

    /// Where the least of those is that are below the first, the second (1), the third: the first of the others is the second.
    #[inline]
    fn least_below(&self, below: usize) -> Option<usize> {
        let from = below * ARITY;
        let group = self.rest.get(from..)?;
        let group = group.get(..ARITY).unwrap_or(group);
        let (mut least, mut at) = (group.first()?, 0);
        for (other, it) in group.iter().enumerate().skip(1) {
            if it < least {
                (least, at) = (it, other);
            }
        }
        Some(from + at)
    }

    #[inline]
    fn put(&mut self, at: usize, member: (K, u32)) {
        self.rest[at] = member;
        self.positions.shift(member.1, at);
    }

    /// Asserts that the heap is one and that the positions are true.
    pub(crate) fn check(&self) {
        for (at, &(key, id)) in self.rest.iter().enumerate() {
            assert_eq!(
                self.positions.get(id),
                Some(at),
                "a heap member's recorded position is where it is"
            );
            let parent = (at / ARITY).checked_sub(1).map(|parent| self.rest[parent]);
            let is_sorted = parent.or(self.first).is_some_and(|parent| parent <= (key, id));
            assert!(is_sorted, "no heap member is smaller than its parent");
        }
        let present = self.positions.count();
        assert_eq!(present, self.rest.len(), "every recorded position belongs to a member");
    }
}
