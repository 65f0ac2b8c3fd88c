//! One heap of children for each lane: of the usual one nearly all, of another one few.

use std::collections::BTreeMap;

use crate::heap::{IndexedHeap, Sparse};
use crate::lane::Lane;

/// Children by a key, lane by lane. A lane is kept while it has one.
pub(super) struct ByLane<K> {
    usual: IndexedHeap<K>,
    others: BTreeMap<Lane, IndexedHeap<K, Sparse>>,
}

impl<K> Default for ByLane<K> {
    fn default() -> Self {
        Self { usual: IndexedHeap::default(), others: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> ByLane<K> {
    /// Whether only the usual lane has any.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    pub(super) fn other_lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.others.keys().copied()
    }

    #[inline]
    pub(super) fn is_empty(&self, lane: Lane) -> bool {
        if lane == Lane::USUAL { self.usual.is_empty() } else { !self.others.contains_key(&lane) }
    }

    /// The child with the smallest key.
    #[inline]
    pub(super) fn first(&self, lane: Lane) -> Option<(K, u32)> {
        if lane == Lane::USUAL { self.usual.first() } else { self.others.get(&lane)?.first() }
    }

    pub(super) fn key(&self, lane: Lane, child: u32) -> Option<K> {
        if lane == Lane::USUAL { self.usual.key(child) } else { self.others.get(&lane)?.key(child) }
    }

    /// All children of the lane, in no particular order.
    pub(super) fn children(&self, lane: Lane) -> Vec<u32> {
        if lane == Lane::USUAL {
            self.usual.iter().map(|(_, child)| child).collect()
        } else {
            let others = self.others.get(&lane);
            others.into_iter().flat_map(IndexedHeap::iter).map(|(_, child)| child).collect()
        }
    }

    /// Moves the child to the key; false: the lane has none such.
    #[inline]
    pub(super) fn shift(&mut self, lane: Lane, child: u32, key: K) -> bool {
        if lane == Lane::USUAL {
            self.usual.shift(child, key)
        } else {
            self.others.get_mut(&lane).is_some_and(|it| it.shift(child, key))
        }
    }

    #[inline]
    pub(super) fn set(&mut self, lane: Lane, child: u32, key: K) {
        if lane == Lane::USUAL {
            self.usual.set(child, key);
        } else {
            self.others.entry(lane).or_default().set(child, key);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, lane: Lane, child: u32) {
        if lane == Lane::USUAL {
            self.usual.remove(child);
        } else if let Some(it) = self.others.get_mut(&lane) {
            it.remove(child);
            if it.is_empty() {
                self.others.remove(&lane);
            }
        }
    }

    pub(super) fn check(&self) {
        self.usual.check();
        for it in self.others.values() {
            it.check();
            assert!(!it.is_empty(), "a lane is kept while it has a job");
        }
    }
}
