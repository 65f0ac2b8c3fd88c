//! All replies that are held for their clients.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use ostler_job::Mono;

use super::Store;

/// All stores, so that those of clients that take nothing are found.
#[derive(Debug, Default)]
pub(crate) struct Stores(Mutex<Vec<Weak<Store>>>);

impl Stores {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Store>>> {
        self.0.lock().expect("no code panics while it holds the stores")
    }

    pub(super) fn add(&self, store: &Arc<Store>) {
        self.lock().push(Arc::downgrade(store));
    }

    /// Gives up replies that nobody takes. Called now and then.
    pub(crate) fn sweep(&self, now: Mono) {
        let stores: Vec<_> = {
            let mut stores = self.lock();
            stores.retain(|store| store.strong_count() > 0);
            stores.iter().filter_map(Weak::upgrade).collect()
        };
        stores.iter().for_each(|store| store.give_up_idle(now));
    }
}
