//! Kinds of which a request has lived since the first death: a bounded number, those of late.

use std::collections::HashSet;

use super::KINDS_MAX;

/// Two halves: when the newer is full it takes the place of the older, so that names which somebody makes up push out what
/// is asked for all the time no more than anything else.
#[derive(Debug, Default)]
pub(super) struct Lived {
    newer: HashSet<u64>,
    older: HashSet<u64>,
}

impl Lived {
    pub(super) fn contains(&self, kind: u64) -> bool {
        self.newer.contains(&kind) || self.older.contains(&kind)
    }

    pub(super) fn insert(&mut self, kind: u64) {
        if self.newer.len() >= KINDS_MAX && !self.newer.contains(&kind) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(kind);
    }

    /// `true`: it was there.
    pub(super) fn remove(&mut self, kind: u64) -> bool {
        let was_newer = self.newer.remove(&kind);
        self.older.remove(&kind) || was_newer
    }
}
