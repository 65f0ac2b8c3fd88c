//! The limit of a read: when it is cancelled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

/// Ends a read that takes long: at a moment, or when nobody waits for it any more. Without either it goes on to its end.
#[derive(Clone, Debug, Default)]
pub struct ReadLimit {
    /// When it has taken long enough.
    pub until: Option<Instant>,
    /// Set when nobody waits for it any more.
    pub unwanted: Option<Arc<AtomicBool>>,
}

impl ReadLimit {
    /// Whether the read should end with what it has.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
            || self.unwanted.as_ref().is_some_and(|unwanted| unwanted.load(Relaxed))
    }
}
