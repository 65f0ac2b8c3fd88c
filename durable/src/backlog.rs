//! Backpressure of links towards the driver: what a link has told and the driver has not taken yet is bounded: whoever floods holds nobody up, and fills no memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

/// Reports, attempts and frames that may wait to be heard, at most: some times as many as a runner has slots.
const MAX: usize = 50_000;
/// So many bytes count as one more.
const BYTES: usize = 5 << 10;

/// Of one link.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    count: AtomicUsize,
    void: AtomicBool,
}

/// What waits to be heard, for as long as this lives.
#[derive(Debug)]
pub(super) struct BacklogPermit {
    of: Arc<Backlog>,
    count: usize,
}

impl Backlog {
    /// Counts a frame with so many parts and bytes; `None`: it is too much, and nothing that waits is heard any more. The link
    /// ends then, and a runner that means well tells everything anew on its next one.
    pub(super) fn weigh(self: &Arc<Self>, parts: usize, bytes: usize) -> Option<BacklogPermit> {
        let count = 1 + parts + bytes / BYTES;
        let before = self.count.fetch_add(count, Relaxed);
        let weight = BacklogPermit { of: self.clone(), count };
        if before >= MAX {
            self.void.store(true, Relaxed);
        }
        (before < MAX).then_some(weight)
    }
}

impl BacklogPermit {
    /// Whether its link was given up for all that it told.
    pub(super) fn is_void(&self) -> bool {
        self.of.void.load(Relaxed)
    }
}

impl Drop for BacklogPermit {
    fn drop(&mut self) {
        self.of.count.fetch_sub(self.count, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tells_more_than_can_be_heard_is_not_heard_at_all() {
        for (parts, bytes, most) in [(0, 60, 50_001), (3_000, 150_000, 20), (0, 900 << 10, 300)] {
            let unheard = Arc::new(Backlog::default());
            // What is heard in time never ends.
            assert!((0..200_000).all(|_| unheard.weigh(parts, bytes).is_some()));
            let waiting: Vec<_> = std::iter::from_fn(|| unheard.weigh(parts, bytes)).collect();
            assert!((1..=most).contains(&waiting.len()), "{}", waiting.len());
            assert!(waiting.iter().all(BacklogPermit::is_void), "others wait behind it");
        }
    }
}
