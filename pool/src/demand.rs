//! How many jobs wait, for whoever wants to hear of every change but not at once.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Pool;

/// See the module.
#[derive(Debug)]
pub(super) struct Demand {
    waiting: usize,
    /// It is another number than was asked for last.
    has_changed: bool,
    changes: Arc<Notify>,
}

impl Demand {
    pub(super) fn new(changes: Arc<Notify>) -> Self {
        Self { waiting: 0, has_changed: false, changes }
    }

    /// So many jobs wait.
    pub(super) fn is(&mut self, waiting: usize) {
        if self.waiting != waiting {
            self.waiting = waiting;
            if !std::mem::replace(&mut self.has_changed, true) {
                self.changes.notify_one();
            }
        }
    }
}

impl Pool {
    /// Waits until the number of waiting jobs has changed since it was asked for.
    pub async fn demand_changes(&self) {
        self.demand.notified().await;
    }

    /// How many jobs wait.
    pub fn demand(&self) -> usize {
        let demand = &mut self.lock().demand;
        demand.has_changed = false;
        demand.waiting
    }
}
