//! The budget of bodies in memory, shared among clients.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_machine::peer::Peer;

/// Bytes of bodies in memory, all clients' together.
#[derive(Debug)]
pub(crate) struct Memory {
    max: u64,
    used: Mutex<(u64, BTreeMap<Peer, u64>)>,
}

impl Memory {
    pub(crate) fn new(max: u64) -> Self {
        Self { max, used: Mutex::default() }
    }

    /// Bytes in memory now.
    pub(crate) fn used(&self) -> u64 {
        self.lock().0
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<Peer, u64>)> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many bytes. `false`: they are to go to a file. A client may have as much as is left to the others, so that
    /// these have room in memory as well.
    pub(crate) fn take(&self, client: Peer, bytes: u64) -> bool {
        let mut used = self.lock();
        let own = used.1.get(&client).copied().unwrap_or(0);
        let fits = used.0 + own + bytes <= self.max;
        if fits {
            used.add(client, bytes);
        }
        fits
    }

    /// Takes so many bytes that have nowhere else to go.
    pub(crate) fn force(&self, client: Peer, bytes: u64) {
        self.lock().add(client, bytes);
    }

    pub(crate) fn give(&self, client: Peer, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let mut used = self.lock();
        used.0 -= bytes;
        let own = used.1.entry(client).or_default();
        *own -= bytes;
        if *own == 0 {
            used.1.remove(&client);
        }
    }
}

trait Add {
    fn add(&mut self, client: Peer, bytes: u64);
}

impl Add for (u64, BTreeMap<Peer, u64>) {
    fn add(&mut self, client: Peer, bytes: u64) {
        self.0 += bytes;
        *self.1.entry(client).or_default() += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of([10, 0, 0, last].into())
    }

    #[test]
    fn memory_leaves_room_for_the_others() {
        let memory = Memory::new(100);
        assert!(memory.take(peer(1), 50));
        assert!(!memory.take(peer(1), 1), "half is left to the others");
        assert!(memory.take(peer(2), 25));
        memory.force(peer(1), 30);
        assert!(!memory.take(peer(3), 1));
        memory.give(peer(1), 80);
        assert!(memory.take(peer(3), 30));
        memory.give(peer(2), 25);
        memory.give(peer(3), 30);
        assert_eq!(*memory.lock(), (0, BTreeMap::new()));
    }
}
