//! Hosts: how busy and how quick each is, and which of its suppliers was freed last.

#[cfg(test)]
mod tests;

use ostler_job::{HostId, Span};

use super::Turn;
use super::suppliers::{NONE, Suppliers};
use crate::hash::IdMap;
use crate::heap::IndexedHeap;

/// One host's sums over its suppliers.
struct Host {
    id: HostId,
    suppliers: u32,
    slots: u64,
    /// Jobs granted to its suppliers and not over, those of gone suppliers included: they still use the host.
    outstanding: u64,
    /// Mean of observed service times in nanoseconds; rises faster than it falls, and doubles when a job comes back.
    service: u64,
    /// The suppliers with a free slot, last freed first.
    first: u32,
    last: u32,
}

/// Every host with a supplier.
#[derive(Default)]
pub(crate) struct Hosts {
    table: Vec<Option<Host>>,
    free: Vec<u32>,
    by_id: IdMap<HostId, u32>,
    /// Hosts with a free slot by (busy fraction, service time).
    open: IndexedHeap<(u64, u64)>,
}

impl Hosts {
    /// The supplier that the next job goes to.
    pub(super) fn first_free(&self) -> Option<u32> {
        self.open.first().map(|(_, host)| self.host(host).first)
    }

    /// The supplier that the next job for this host goes to.
    pub(super) fn first_free_at(&self, host: HostId) -> Option<u32> {
        let &at = self.by_id.get(&host)?;
        Some(self.host(at).first).filter(|&first| first != NONE)
    }

    /// The one of these that is least busy, of those with a free slot.
    pub(super) fn best_of(&self, hosts: impl Iterator<Item = HostId>) -> Option<HostId> {
        let open = hosts.filter_map(|id| Some((self.open.key(*self.by_id.get(&id)?)?, id)));
        open.min().map(|(_, id)| id)
    }

    /// Free slots of a host's suppliers.
    pub(super) fn free_at(&self, host: HostId, suppliers: &Suppliers) -> u32 {
        let listed = std::iter::successors(self.first_free_at(host), |&it| {
            Some(suppliers[it].after).filter(|&after| after != NONE)
        });
        listed.map(|it| suppliers[it].free).sum()
    }

    pub(super) fn id(&self, at: u32) -> HostId {
        self.host(at).id
    }

    /// Finds or adds a host, counting one supplier more on it.
    pub(super) fn enter(&mut self, id: HostId) -> u32 {
        if let Some(&at) = self.by_id.get(&id) {
            self.hold(at);
            return at;
        }
        let host = Host {
            id,
            suppliers: 1,
            slots: 0,
            outstanding: 0,
            service: 0,
            first: NONE,
            last: NONE,
        };
        let at = if let Some(at) = self.free.pop() {
            self.table[at as usize] = Some(host);
            at
        } else {
            self.table.push(Some(host));
            self.table.len() as u32 - 1
        };
        self.by_id.insert(id, at);
        at
    }

    /// Counts one supplier more, so that the host stays while a supplier is refiled.
    pub(super) fn hold(&mut self, at: u32) {
        self.host_mut(at).suppliers += 1;
    }

    /// Adds an entered supplier's slots and jobs.
    pub(super) fn attach(&mut self, at: u32, slots: u32, outstanding: u32) {
        let host = self.host_mut(at);
        host.slots += u64::from(slots);
        host.outstanding += u64::from(outstanding);
    }

    /// Takes a supplier's slots and jobs off; forgets the host with its last supplier.
    pub(super) fn detach(&mut self, at: u32, slots: u32, outstanding: u32) {
        let host = self.host_mut(at);
        host.slots -= u64::from(slots);
        host.outstanding -= u64::from(outstanding);
        host.suppliers -= 1;
        if host.suppliers == 0 {
            let id = host.id;
            self.open.remove(at);
            self.table[at as usize] = None;
            self.by_id.remove(&id);
            self.free.push(at);
        } else {
            self.rekey(at);
        }
    }

    pub(super) fn count_taken(&mut self, at: u32) {
        self.host_mut(at).outstanding += 1;
    }

    pub(super) fn count_released(&mut self, at: u32, served: Option<Span>) {
        self.withdraw(at);
        let service = &mut self.host_mut(at).service;
        *service = match served {
            Some(Span(sample)) if sample > *service => *service + (sample - *service) / 2,
            Some(Span(sample)) => *service - (*service - sample) / 8,
            None => service.saturating_mul(2).min(SERVICE_MAX),
        };
    }

    /// A job is gone that never held a slot.
    pub(super) fn withdraw(&mut self, at: u32) {
        self.host_mut(at).outstanding -= 1;
    }

    /// Puts a supplier among those with a free slot.
    #[inline]
    pub(super) fn list(&mut self, at: u32, it: u32, rank: Turn, suppliers: &mut Suppliers) {
        if suppliers[it].listed {
            if rank == Turn::Keep {
                return;
            }
            self.unlist(at, it, suppliers);
        }
        let host = self.host_mut(at);
        let (before, after) = match rank {
            Turn::Front => (NONE, host.first),
            Turn::Keep | Turn::Back => (host.last, NONE),
        };
        match before {
            NONE => host.first = it,
            before => suppliers[before].after = it,
        }
        match after {
            NONE => host.last = it,
            after => suppliers[after].before = it,
        }
        let supplier = &mut suppliers[it];
        (supplier.listed, supplier.before, supplier.after) = (true, before, after);
    }

    /// Takes a supplier out of those with a free slot, if it is there.
    pub(super) fn unlist(&mut self, at: u32, it: u32, suppliers: &mut Suppliers) {
        let supplier = &mut suppliers[it];
        if !supplier.listed {
            return;
        }
        supplier.listed = false;
        let (before, after) = (supplier.before, supplier.after);
        let host = self.host_mut(at);
        match before {
            NONE => host.first = after,
            before => suppliers[before].after = after,
        }
        match after {
            NONE => host.last = before,
            after => suppliers[after].before = before,
        }
    }

    /// Files the host under how busy it is, after any change of it.
    #[inline]
    pub(super) fn rekey(&mut self, at: u32) {
        let host = self.host(at);
        if host.first == NONE {
            self.open.remove(at);
        } else {
            let fraction = (host.outstanding << 32) / host.slots.max(1);
            let service = host.service;
            self.open.set(at, (fraction, service));
        }
    }

    pub(super) fn check(&self, suppliers: &Suppliers) {
        self.open.check();
        for (at, host) in self.table.iter().enumerate() {
            let Some(host) = host else { continue };
            let at = at as u32;
            let of_host =
                || suppliers.iter().filter(move |(_, it)| it.host == at).map(|(_, it)| it);
            assert_eq!(of_host().count(), host.suppliers as usize, "a host counts its suppliers");
            let slots: u64 = of_host().map(|it| u64::from(it.slots)).sum();
            assert_eq!(slots, host.slots, "a host's slots are those of its suppliers");
            let outstanding: u64 = of_host().map(|it| u64::from(it.outstanding())).sum();
            assert_eq!(outstanding, host.outstanding, "a host's jobs are those of its suppliers");
            let mut listed = 0;
            let (mut before, mut it) = (NONE, host.first);
            while it != NONE {
                assert_eq!(
                    suppliers[it].before, before,
                    "the list of free suppliers is linked both ways"
                );
                (before, it) = (it, suppliers[it].after);
                listed += 1;
            }
            assert_eq!(host.last, before, "the last of the free suppliers is known");
            assert_eq!(
                of_host().filter(|it| it.listed).count(),
                listed,
                "free suppliers are listed once"
            );
            assert_eq!(
                self.open.contains(at),
                listed > 0,
                "hosts with a free slot, and only they, are open"
            );
        }
    }

    fn host(&self, at: u32) -> &Host {
        self.table[at as usize].as_ref().expect("a host stays known while a supplier is on it")
    }

    fn host_mut(&mut self, at: u32) -> &mut Host {
        self.table[at as usize].as_mut().expect("a host stays known while a supplier is on it")
    }
}

/// A penalty never grows past an hour, so that a host that recovered is believed again after some jobs.
const SERVICE_MAX: u64 = 3_600_000_000_000;
