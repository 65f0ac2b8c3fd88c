//! A binary heap whose members can be moved and removed by id.
//!
//! Ids are small dense numbers (indexes of children, hosts, suppliers), so positions are a plain table; where few of many
//! ids are ever in, they are [looked up](Sparse) instead. Equal keys are ordered by id: the order never depends on the
//! history of the heap.

#[cfg(test)]
mod tests;

use crate::hash::IdMap;

/// No position: the id is not in the heap.
const ABSENT: u32 = u32::MAX;

/// Where each id is.
pub(crate) trait Positions: Default {
    fn get(&self, id: u32) -> Option<usize>;
    fn set(&mut self, id: u32, at: usize);
    /// The same of an id that is in.
    fn shift(&mut self, id: u32, at: usize);
    fn clear(&mut self, id: u32);
    /// How many ids are in.
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
        self.0[id as usize] = ABSENT;
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
    entries: Vec<(K, u32)>,
    positions: P,
}

impl<K, P: Positions> Default for IndexedHeap<K, P> {
    fn default() -> Self {
        Self { entries: Vec::new(), positions: P::default() }
    }
}

impl<K: Copy + Ord, P: Positions> IndexedHeap<K, P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.position(id).is_some()
    }

    /// The id's key, if it is in.
    pub(crate) fn key(&self, id: u32) -> Option<K> {
        self.position(id).map(|at| self.entries[at].0)
    }

    /// The smallest key and its id.
    pub(crate) fn first(&self) -> Option<(K, u32)> {
        self.entries.first().copied()
    }

    /// Everything that is in, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u32)> {
        self.entries.iter().copied()
    }

    /// Moves `id` to `key`; false: it is not in.
    pub(crate) fn shift(&mut self, id: u32, key: K) -> bool {
        let Some(at) = self.position(id) else { return false };
        let old = std::mem::replace(&mut self.entries[at].0, key);
        if key < old {
            self.sift_up(at);
        } else if key > old {
            self.sift_down(at);
        }
        true
    }

    /// Puts `id` in with `key`, or moves it there.
    pub(crate) fn set(&mut self, id: u32, key: K) {
        if self.shift(id, key) {
            return;
        }
        let at = self.entries.len();
        self.entries.push((key, id));
        self.positions.set(id, at);
        self.sift_up(at);
    }

    /// Takes `id` out, if it is in.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(at) = self.position(id) else { return };
        self.positions.clear(id);
        self.entries.swap_remove(at);
        if let Some(&(_, moved)) = self.entries.get(at) {
            self.positions.shift(moved, at);
            let at = self.sift_up(at);
            self.sift_down(at);
        }
    }

    fn position(&self, id: u32) -> Option<usize> {
        self.positions.get(id)
    }

    fn sift_up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.entries[parent] <= self.entries[at] {
                break;
            }
            self.swap(parent, at);
            at = parent;
        }
        at
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            if left >= self.entries.len() {
                return;
            }
            let right = left + 1;
            let least = if right < self.entries.len() && self.entries[right] < self.entries[left] {
                right
            } else {
                left
            };
            if self.entries[at] <= self.entries[least] {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        self.positions.shift(self.entries[a].1, a);
        self.positions.shift(self.entries[b].1, b);
    }

    /// Asserts that the heap is one and that the positions are true.
    pub(crate) fn check(&self) {
        for (at, &(key, id)) in self.entries.iter().enumerate() {
            assert_eq!(
                self.position(id),
                Some(at),
                "a heap member's recorded position is where it is"
            );
            let parent = self.entries[at.saturating_sub(1) / 2];
            assert!(parent <= (key, id), "no heap member is smaller than its parent");
        }
        let present = self.positions.count();
        assert_eq!(present, self.entries.len(), "every recorded position belongs to a member");
    }
}
