//! Suppliers, their slots and the hosts they are on: where the next job goes.
//!
//! With free slots on several hosts the host with the least busy fraction is taken, ties by the smaller penalised mean of
//! service times; inside a host the supplier whose slot was freed last, since its caches are warm and the others may
//! rest. Without a free slot, a supplier with an allowance for prefetch may take a job behind those it runs.

mod hosts;
mod suppliers;

use ostler_job::{HostId, Span, SupplierId};

use crate::event::Supply;
use crate::hash::IdMap;
use crate::heap::IndexedHeap;
use crate::jobs::JobIx;
use hosts::Hosts;
use suppliers::{Supplier, Suppliers};

/// Where a job goes.
pub(crate) struct Place {
    pub(crate) supplier: u32,
    pub(crate) id: SupplierId,
    pub(crate) prefetched: bool,
}

/// Everything that can run a job.
#[derive(Default)]
pub(crate) struct Fleet {
    suppliers: Suppliers,
    hosts: Hosts,
    /// Suppliers without a free slot that may hold one job more, by the number they hold.
    spare: IndexedHeap<u32>,
    free: u32,
    slots: u64,
}

impl Fleet {
    /// Free slots of all suppliers.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Slots of all suppliers that are not gone.
    pub(crate) fn slots(&self) -> u64 {
        self.slots
    }

    /// Whether a job could be granted.
    pub(crate) fn has_room(&self) -> bool {
        self.free > 0 || !self.spare.is_empty()
    }

    /// Free slots of a host.
    #[cold]
    pub(crate) fn free_at(&self, host: HostId) -> u32 {
        self.hosts.free_at(host, &self.suppliers)
    }

    /// The one of these hosts that a job goes to, if one has a free slot.
    #[cold]
    pub(crate) fn best_of(&self, hosts: impl Iterator<Item = HostId>) -> Option<HostId> {
        if self.free == 0 { None } else { self.hosts.best_of(hosts) }
    }

    /// The host of a supplier.
    #[cold]
    pub(crate) fn host_of(&self, at: u32) -> HostId {
        self.hosts.id(self.suppliers[at].host)
    }

    /// Takes the best place for a job, if there is any.
    pub(crate) fn take(&mut self, job: JobIx) -> Option<Place> {
        let (at, prefetched) = match self.hosts.first_free() {
            Some(at) => (at, false),
            None => (self.spare.first()?.1, true),
        };
        Some(self.take_from(at, prefetched, job))
    }

    /// Takes a free slot of a host, if it has one.
    #[cold]
    pub(crate) fn take_at(&mut self, host: HostId, job: JobIx) -> Option<Place> {
        let at = self.hosts.first_free_at(host)?;
        Some(self.take_from(at, false, job))
    }

    /// The supplier, known or not, has the job: it holds a slot there, whatever is offered.
    pub(crate) fn adopt(&mut self, id: SupplierId, host: HostId, job: JobIx) -> Place {
        let at = self.suppliers.find(id).unwrap_or_else(|| {
            let host = self.hosts.enter(host);
            self.suppliers.insert(Supplier::new(id, host))
        });
        self.take_from(at, false, job)
    }

    #[inline(always)]
    fn take_from(&mut self, at: u32, prefetched: bool, job: JobIx) -> Place {
        let supplier = &mut self.suppliers[at];
        if prefetched {
            supplier.prefetched.push_back(job);
        } else {
            supplier.busy += 1;
        }
        let (id, host) = (supplier.id, supplier.host);
        self.hosts.count_taken(host);
        self.rekey(at, Turn::Keep);
        Place { supplier: at, id, prefetched }
    }

    /// A job that held a slot is gone from it; `served` is how long it did, `None` if it never started. Answers the
    /// prefetched job that holds the slot from here on.
    pub(crate) fn release(&mut self, at: u32, served: Option<Span>) -> Option<JobIx> {
        let supplier = &mut self.suppliers[at];
        supplier.busy -= 1;
        let next = supplier.promote();
        let host = supplier.host;
        self.hosts.count_released(host, served);
        self.rekey(at, if served.is_some() { Turn::Front } else { Turn::Back });
        self.retire(at);
        next
    }

    /// A prefetched job is gone before it held a slot.
    pub(crate) fn release_prefetched(&mut self, at: u32, job: JobIx) {
        let supplier = &mut self.suppliers[at];
        supplier.prefetched.retain(|&other| other != job);
        self.hosts.withdraw(supplier.host);
        self.rekey(at, Turn::Back);
        self.retire(at);
    }

    /// Adds a supplier or changes what it offers. Answers prefetched jobs that now hold a slot through `promoted`.
    pub(crate) fn supply(
        &mut self,
        id: SupplierId,
        supply: Supply,
        mut promoted: impl FnMut(JobIx),
    ) {
        let host = self.hosts.enter(supply.host);
        let at = match self.suppliers.find(id) {
            Some(at) => {
                self.leave_host(at);
                at
            }
            None => self.suppliers.insert(Supplier::new(id, host)),
        };
        let supplier = &mut self.suppliers[at];
        supplier.host = host;
        supplier.slots = supply.slots;
        supplier.prefetch = supply.prefetch;
        supplier.gone = false;
        let outstanding = supplier.outstanding();
        while let Some(job) = supplier.promote() {
            promoted(job);
        }
        self.hosts.attach(host, supply.slots, outstanding);
        self.slots += u64::from(supply.slots);
        self.rekey(at, Turn::Back);
    }

    /// The supplier takes nothing more; it is forgotten once its last job is gone.
    pub(crate) fn supply_gone(&mut self, id: SupplierId) {
        let Some(at) = self.suppliers.find(id) else { return };
        let host = self.suppliers[at].host;
        self.hosts.hold(host);
        self.leave_host(at);
        let supplier = &mut self.suppliers[at];
        supplier.slots = 0;
        supplier.prefetch = 0;
        supplier.gone = true;
        let outstanding = supplier.outstanding();
        self.hosts.attach(host, 0, outstanding);
        self.rekey(at, Turn::Back);
        self.retire(at);
    }

    /// Takes the supplier, its slots and its jobs out of its host's sums.
    fn leave_host(&mut self, at: u32) {
        let supplier = &mut self.suppliers[at];
        let (host, slots, outstanding) = (supplier.host, supplier.slots, supplier.outstanding());
        self.free -= supplier.free;
        supplier.free = 0;
        self.slots -= u64::from(slots);
        self.hosts.unlist(host, at, &mut self.suppliers);
        self.hosts.detach(host, slots, outstanding);
    }

    /// Forgets a supplier that is gone and holds nothing.
    fn retire(&mut self, at: u32) {
        let supplier = &self.suppliers[at];
        if supplier.gone && supplier.outstanding() == 0 {
            let host = supplier.host;
            self.suppliers.remove(at);
            self.hosts.detach(host, 0, 0);
        }
    }

    /// Files the supplier under what it can take, after any change of it.
    fn rekey(&mut self, at: u32, rank: Turn) {
        let supplier = &mut self.suppliers[at];
        let held = supplier.outstanding();
        let free = supplier.slots.saturating_sub(held);
        self.free = self.free - supplier.free + free;
        supplier.free = free;
        let host = supplier.host;
        let spare = supplier.prefetch > 0 && supplier.may_prefetch();
        if free == 0 {
            self.hosts.unlist(host, at, &mut self.suppliers);
        } else {
            self.hosts.list(host, at, rank, &mut self.suppliers);
        }
        if spare {
            self.spare.set(at, held);
        } else if !self.spare.is_empty() {
            self.spare.remove(at);
        }
        self.hosts.rekey(host);
    }

    /// Asserts that every sum is the sum of its parts.
    pub(crate) fn check(&self, outstanding: &IdMap<u32, (u32, u32)>) {
        let (mut free, mut slots) = (0, 0);
        for (at, supplier) in self.suppliers.iter() {
            let (busy, prefetched) = outstanding.get(&at).copied().unwrap_or_default();
            supplier.check(busy, prefetched);
            assert_eq!(
                self.spare.contains(at),
                supplier.may_prefetch(),
                "suppliers that may prefetch, and only they, are filed so"
            );
            free += supplier.free;
            slots += u64::from(supplier.slots);
        }
        assert_eq!(free, self.free, "the free slots are those of the suppliers");
        assert_eq!(slots, self.slots, "the slots are those of the suppliers");
        let known = outstanding.len();
        let busy = self.suppliers.iter().filter(|(_, supplier)| supplier.outstanding() > 0).count();
        assert_eq!(known, busy, "every granted job's supplier is known");
        self.spare.check();
        self.hosts.check(&self.suppliers);
    }
}

/// Where a supplier stands among the free ones of its host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Where it is; behind the others if it was not free.
    Keep,
    /// Before the others: its slot was freed last.
    Front,
    /// Behind the others: it is new, or it sent a job back.
    Back,
}
