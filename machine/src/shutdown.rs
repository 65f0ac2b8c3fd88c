//! The end of a server, in two steps: drain, then now.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serve,
    Drain,
    Now,
    Over,
}

/// Tells a server to end. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that serves.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serve)))
    }

    /// Stops accepting, finishes what runs, then ends.
    pub fn drain(&self) {
        self.raise(Phase::Drain);
    }

    /// Ends without waiting.
    pub fn now(&self) {
        self.raise(Phase::Now);
    }

    /// The drain is finished.
    pub fn finish(&self) {
        self.raise(Phase::Over);
    }

    fn raise(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Whether nothing new is to be begun.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Drain
    }

    /// Returns when nothing new is to be begun.
    pub async fn draining(&self) {
        self.reached(Phase::Drain).await;
    }

    /// Returns when nothing is to be waited for.
    pub async fn hurried(&self) {
        self.reached(Phase::Now).await;
    }

    /// Returns when the drain is finished.
    pub async fn over(&self) {
        self.reached(Phase::Over).await;
    }

    async fn reached(&self, phase: Phase) {
        // The sender lives as long as this value does.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}
