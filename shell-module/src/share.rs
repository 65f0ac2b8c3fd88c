//! What the logs of each tenant take on a runner's disk. A tenant may have as much as it leaves to others, so that whoever
//! writes most is the first whose output is cut.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Bytes of one tenant's log files.
#[derive(Debug, Default)]
pub(crate) struct Share(AtomicU64);

impl Share {
    /// Whether so many bytes more leave as much of the room as the tenant has then.
    pub(crate) fn has_room(&self, bytes: u64, room: u64) -> bool {
        let own = self.0.load(Relaxed).saturating_add(bytes);
        room.checked_sub(bytes).is_some_and(|left| own <= left)
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Relaxed);
    }
}

/// The tenants that have logs here.
#[derive(Debug, Default)]
pub(crate) struct Shares(RefCell<BTreeMap<String, Weak<Share>>>);

impl Shares {
    pub(crate) fn of(&self, tenant: &str) -> Arc<Share> {
        let mut shares = self.0.borrow_mut();
        if let Some(share) = shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::default();
        shares.insert(tenant.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_as_much_as_it_leaves_and_is_forgotten_with_its_last_log() {
        let shares = Shares::default();
        let (one, same) = (shares.of("shop"), shares.of("shop"));
        assert!(one.has_room(50, 100) && !one.has_room(51, 100) && !one.has_room(1, 0));
        one.add(50);
        assert!(!same.has_room(1, 50) && same.has_room(1, 52));
        assert!(shares.of("bank").has_room(25, 50), "another has its own");
        same.give_back(50);
        assert!(one.has_room(25, 50));
        drop((one, same));
        let _bank = shares.of("bank");
        assert_eq!(shares.0.borrow().len(), 1);
    }
}
