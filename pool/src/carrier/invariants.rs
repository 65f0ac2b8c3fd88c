//! What must hold whenever nobody is at work on a carrier.

use super::{Concurrency, Inner};

impl Inner {
    /// Asserts that streams and jobs belong together. Debug builds call it after every frame that came and every job that was put.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub(super) fn check_invariants(&self) {
        let takes_turns = self.concurrency == Concurrency::Sequential;
        assert!(takes_turns || self.held.is_empty(), "jobs are held back where they take turns");
        assert!(
            takes_turns || self.unheard.is_none(),
            "a child is waited for where jobs take turns"
        );
        if self.closed {
            assert!(self.jobs.is_empty() && self.held.is_empty(), "a closed carrier has no jobs");
        }
        if self.closed || self.retired {
            return;
        }
        for stream in self.streams.ids() {
            assert!(self.jobs.contains_key(&stream), "stream {stream} is open for a job");
        }
        if let Some(stream) = self.sending {
            assert!(self.streams.is_open(stream), "the body of an open stream is sent");
        }
    }

    /// Checks in debug builds; release builds do not check by themselves.
    pub(super) fn changed(&self) {
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
    }
}
