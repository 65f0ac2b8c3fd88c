//! What must hold whenever a pool's decisions have been drained.

use super::Inner;

/// Entries of limits that are looked at after every decision; of many it would take too long.
const FEW: usize = 64;

impl Inner {
    /// Asserts that pool, scheduler and tenants count the same jobs, and that none passes a limit unnoticed. Debug builds call it after every decision.
    ///
    /// # Panics
    /// When something does not hold, with the sentence that is broken.
    pub(super) fn check_invariants(&self) {
        let known = self.scheduler.waiting() + self.scheduler.running();
        assert_eq!(self.jobs.len(), known, "the scheduler has the pool's jobs and no others");
        assert_eq!(self.tenants.jobs(), self.jobs.len() as u64, "a tenant counts its jobs");
        for supplier in self.suppliers.values() {
            assert!(
                supplier.slots > 0 || !supplier.prefetches,
                "nothing is sent ahead without slots"
            );
        }
        if self.timeouts.len() <= FEW {
            self.timeouts.check(&self.jobs);
        }
    }

    /// Checks in debug builds; release builds do not check by themselves.
    pub(super) fn decided(&self) {
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
    }
}
