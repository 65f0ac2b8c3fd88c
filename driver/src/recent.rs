//! What is worth knowing for a while: the last things that were put in, between `max` and twice as many.

use std::collections::BTreeMap;

/// Two generations; when the young one is full, or old, the other is forgotten.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    max: usize,
}

impl<K: Ord, V> Recent<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), max }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.max {
            self.turn();
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes a value out, to put it in again changed.
    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// The young become the old, and the old are forgotten.
    pub(super) fn turn(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_and_the_bound_holds() {
        let mut recent = Recent::new(10);
        for n in 0..1_000_u32 {
            recent.put(n, n);
            assert!((n.saturating_sub(9)..=n).all(|it| recent.get(&it) == Some(&it)));
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert_eq!(recent.get(&900), None);
    }
}
