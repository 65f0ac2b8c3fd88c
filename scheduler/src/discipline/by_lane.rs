//! One heap of children for each lane: of the usual one nearly all, of another one few.

use std::collections::BTreeMap;

use crate::heap::{IndexedHeap, Sparse};
use crate::lane::Lane;

/// Children by a key, lane by lane. A lane is kept while it has one.
pub(super) struct ByLane<K> {
    usual: IndexedHeap<K>,
    /// Boxed, since there are none in nearly all of many queues.
    others: Option<Box<Others<K>>>,
}

type Others<K> = BTreeMap<Lane, IndexedHeap<K, Sparse>>;

impl<K> Default for ByLane<K> {
    fn default() -> Self {
        Self { usual: IndexedHeap::default(), others: None }
    }
}

impl<K: Copy + Ord> ByLane<K> {
    /// Whether only the usual lane has any.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.others.is_none()
    }

    pub(super) fn other_lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.others.iter().flat_map(|others| others.keys()).copied()
    }

    #[inline]
    pub(super) fn is_empty(&self, lane: Lane) -> bool {
        if lane == Lane::USUAL { self.usual.is_empty() } else { self.other(lane).is_none() }
    }

    /// The child with the smallest key.
    #[inline]
    pub(super) fn first(&self, lane: Lane) -> Option<(K, u32)> {
        if lane == Lane::USUAL { self.usual.first() } else { self.other(lane)?.first() }
    }

    /// So many children, the first one and others of small keys.
    pub(super) fn some(&self, lane: Lane, so_many: usize) -> Vec<(K, u32)> {
        if lane == Lane::USUAL {
            self.usual.iter().take(so_many).collect()
        } else {
            self.other(lane).into_iter().flat_map(IndexedHeap::iter).take(so_many).collect()
        }
    }

    pub(super) fn key(&self, lane: Lane, child: u32) -> Option<K> {
        if lane == Lane::USUAL { self.usual.key(child) } else { self.other(lane)?.key(child) }
    }

    fn other(&self, lane: Lane) -> Option<&IndexedHeap<K, Sparse>> {
        self.others.as_ref()?.get(&lane)
    }

    /// All children of the lane, in no particular order.
    pub(super) fn children(&self, lane: Lane) -> Vec<u32> {
        if lane == Lane::USUAL {
            self.usual.iter().map(|(_, child)| child).collect()
        } else {
            let others = self.other(lane);
            others.into_iter().flat_map(IndexedHeap::iter).map(|(_, child)| child).collect()
        }
    }

    /// Moves the child to the key; false: the lane has none such.
    #[inline]
    pub(super) fn shift(&mut self, lane: Lane, child: u32, key: K) -> bool {
        if lane == Lane::USUAL {
            self.usual.shift(child, key)
        } else {
            let other = self.others.as_mut().and_then(|others| others.get_mut(&lane));
            other.is_some_and(|it| it.shift(child, key))
        }
    }

    #[inline]
    pub(super) fn set(&mut self, lane: Lane, child: u32, key: K) {
        if lane == Lane::USUAL {
            self.usual.set(child, key);
        } else {
            self.others.get_or_insert_default().entry(lane).or_default().set(child, key);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, lane: Lane, child: u32) {
        if lane == Lane::USUAL {
            self.usual.remove(child);
        } else if let Some(others) = &mut self.others
            && let Some(it) = others.get_mut(&lane)
        {
            it.remove(child);
            if it.is_empty() {
                others.remove(&lane);
            }
            if others.is_empty() {
                self.others = None;
            }
        }
    }

    pub(super) fn check(&self) {
        self.usual.check();
        for it in self.others.iter().flat_map(|others| others.values()) {
            it.check();
            assert!(!it.is_empty(), "a lane is kept while it has a job");
        }
    }
}
