//! Whether a carrier lives: when it is over, and what is known of a child that says nothing.

use std::task::Waker;

use super::Carrier;

impl Carrier {
    /// Whether the stream is the one that the child should be at: the oldest that has not ended.
    pub(crate) fn is_oldest(&self, stream: u32) -> bool {
        self.lock().jobs.first_key_value().is_some_and(|(oldest, _)| *oldest == stream)
    }

    /// The highest stream that has not ended, where many run side by side, if its time is up: that is the one that the child's
    /// board shows, so its runner can see whether the child lets go.
    pub fn highest_overdue(&self) -> Option<u32> {
        let inner = self.lock();
        let (stream, job) = inner.jobs.last_key_value()?;
        (!self.takes_turns() && job.is_overdue()).then_some(*stream)
    }

    /// Retired and nothing is left to do, or nothing can come any more.
    pub fn is_finished(&self) -> bool {
        let inner = self.lock();
        let is_idle = inner.jobs.is_empty() && inner.held.is_empty() && inner.out.is_empty();
        inner.aborted || (inner.retired && is_idle)
    }

    /// The child's process is gone: its driver ends, whoever holds the other end open.
    pub fn abort(&self) {
        let mut inner = self.lock();
        inner.aborted = true;
        inner.driver.take().into_iter().for_each(Waker::wake);
    }
}
