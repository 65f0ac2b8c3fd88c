//! Slots: who offers them, and what happens to jobs when they go away.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use ostler_job::{HostId, Mono, Span, SupplierId, Termination};
use ostler_machine::clock;
use ostler_scheduler::Supply;

use super::{
    Inner, Pool, Supplier,
    carrier::{Carrier, Ended, Passing},
    passing::Failure,
};

static NEXT_SUPPLIER: AtomicU32 = AtomicU32::new(1);

impl Pool {
    /// An id for a new offer. Reused after four billion lanes, when the first are long gone.
    pub fn next_supplier() -> SupplierId {
        SupplierId(NEXT_SUPPLIER.fetch_add(1, Ordering::Relaxed))
    }

    /// A carrier offers slots, or another number of them.
    pub fn supply(
        &self,
        supplier: SupplierId,
        carrier: &Arc<Carrier>,
        host: HostId,
        slots: u32,
        prefetches: bool,
    ) {
        let now = clock::now();
        let mut inner = self.lock();
        let (carrier, suspended, unheard) = (carrier.clone(), None, false);
        let entry = Supplier { carrier, host, slots, prefetches, suspended, unheard };
        inner.suppliers.insert(supplier, entry);
        inner.supply(supplier, now);
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
    }

    /// A carrier takes no new jobs, and keeps those it has.
    pub fn withdraw(&self, supplier: SupplierId) {
        let now = clock::now();
        let mut inner = self.lock();
        inner.withdraw(supplier, now);
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
    }

    /// A lane's child did not begin what it was given. It is given nothing more before something is heard of it.
    pub(crate) fn mark_unheard(&self, supplier: SupplierId) {
        let now = clock::now();
        let mut inner = self.lock();
        inner.set_unheard(supplier, true, now);
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
    }

    /// A carrier is gone with its slots: what it had not started goes elsewhere, what it had ends as `failure` says.
    pub fn supply_gone(
        &self,
        supplier: SupplierId,
        unstarted: Vec<Arc<Passing>>,
        started: Vec<Arc<Passing>>,
        failure: &Failure,
    ) {
        let now = clock::now();
        let mut inner = self.lock();
        inner.suppliers.remove(&supplier);
        inner.scheduler.handle_supply_gone(supplier, now);
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
        let mut ended = Ended { returned: unstarted, ..Ended::default() };
        for passing in started {
            if passing.may_run_again() {
                ended.returned.push(passing);
            } else {
                passing.fail(failure.clone());
                ended.finished.push((passing, Span::ZERO));
            }
        }
        self.settle(ended, now);
        self.settle_orphans(failure);
    }

    /// Without any slot and with a failed app, nothing that waits can be served.
    fn settle_orphans(&self, failure: &Failure) {
        if failure.termination == Termination::AppFailed || self.is_failed() {
            self.fail_waiting(Termination::AppFailed);
        }
    }
}

impl Inner {
    pub(super) fn withdraw(&mut self, id: SupplierId, now: Mono) {
        if let Some(entry) = self.suppliers.get_mut(&id) {
            entry.slots = 0;
            entry.prefetches = false;
            self.supply(id, now);
        }
    }

    pub(super) fn supply(&mut self, id: SupplierId, now: Mono) {
        let supplier = &self.suppliers[&id];
        let ahead = supplier.prefetches && supplier.suspended.is_none() && !supplier.unheard;
        let prefetch = if ahead { self.pace.depth() } else { 0 };
        let slots = if supplier.unheard { 0 } else { supplier.slots };
        let supply = Supply { host: supplier.host, slots, prefetch };
        self.scheduler.handle_supply(id, supply, now);
    }

    pub(super) fn set_unheard(&mut self, id: SupplierId, unheard: bool, now: Mono) {
        if let Some(supplier) = self.suppliers.get_mut(&id) {
            supplier.unheard = unheard;
            self.supply(id, now);
        }
        if unheard {
            self.timeouts.expect_word(now);
        }
    }

    /// The depth of prefetch has changed.
    pub(super) fn supply_again(&mut self, now: Mono) {
        let ids: Vec<_> = self.suppliers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.supply(id, now));
    }
}
