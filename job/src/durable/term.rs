//! A writer's time: what makes numbers that are never given twice.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// The number of a term. It is never used twice, whatever becomes of the store: who writes under a lower one is over.
/// Zero is that of a store nobody has begun a term of since it was opened.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time of one writer, from when it takes the store until anything is in doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Its number.
    pub epoch: Epoch,
    /// Fences that it may give: above every one that was ever given, below what the store has reserved. Who needs more
    /// reserves the next block.
    pub fences: Range<u64>,
    /// The store is older than what was last known of it: a backup was put in its place.
    pub went_back: bool,
    /// Leases with fences below this were given before it was last found to be older: it knows nothing of what their runners
    /// were told since, and that one has nothing of them proves nothing. Zero: it never was.
    pub doubted: u64,
}

impl Term {
    /// Fences that are reserved at once.
    pub const BLOCK: u64 = 1 << 20;
    /// Every fence is below this: every reader of JSON keeps such numbers exactly.
    pub const FENCE_END: u64 = 1 << 53;
}
