//! A binary heap whose members can be moved and removed by id.
//!
//! Ids are small dense numbers (indexes of flows, hosts, suppliers), so positions are a plain table. Equal keys are
//! ordered by id: the order never depends on the history of the heap.

#[cfg(test)]
mod tests;

/// No position: the id is not in the heap.
const ABSENT: u32 = u32::MAX;

/// A min-heap of `(key, id)`.
pub(crate) struct IndexedHeap<K> {
    entries: Vec<(K, u32)>,
    positions: Vec<u32>,
}

impl<K> Default for IndexedHeap<K> {
    fn default() -> Self {
        Self { entries: Vec::new(), positions: Vec::new() }
    }
}

impl<K: Copy + Ord> IndexedHeap<K> {
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

    /// Puts `id` in with `key`, or moves it there.
    pub(crate) fn set(&mut self, id: u32, key: K) {
        if let Some(at) = self.position(id) {
            let old = std::mem::replace(&mut self.entries[at].0, key);
            if key < old {
                self.sift_up(at);
            } else if key > old {
                self.sift_down(at);
            }
            return;
        }
        if self.positions.len() <= id as usize {
            self.positions.resize(id as usize + 1, ABSENT);
        }
        let at = self.entries.len();
        self.entries.push((key, id));
        self.positions[id as usize] = at as u32;
        self.sift_up(at);
    }

    /// Takes `id` out, if it is in.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(at) = self.position(id) else { return };
        self.positions[id as usize] = ABSENT;
        self.entries.swap_remove(at);
        if let Some(&(_, moved)) = self.entries.get(at) {
            self.positions[moved as usize] = at as u32;
            let at = self.sift_up(at);
            self.sift_down(at);
        }
    }

    fn position(&self, id: u32) -> Option<usize> {
        self.positions.get(id as usize).filter(|&&at| at != ABSENT).map(|&at| at as usize)
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
        self.positions[self.entries[a].1 as usize] = a as u32;
        self.positions[self.entries[b].1 as usize] = b as u32;
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
        let present = self.positions.iter().filter(|&&at| at != ABSENT).count();
        assert_eq!(present, self.entries.len(), "every recorded position belongs to a member");
    }
}
