//! Logs of attempts that are over which are not whole here yet: whose settling waits for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use ostler_job::{JobId, durable::AttemptKey};

/// See the module. Shared by the driver's thread and the one that moves bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed(Arc<Mutex<HashMap<AttemptKey, IsSettled>>>);

/// Whether the attempt's end is safe, so that it is settled when its log is.
type IsSettled = bool;

impl Owed {
    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptKey, IsSettled>> {
        self.0.lock().expect("no code panics while it holds the owed logs")
    }

    /// An attempt is over, and its log is to come.
    pub(super) fn expect(&self, key: AttemptKey) {
        self.lock().entry(key).or_default();
    }

    /// The attempt's end is safe. Whether its log is owed, so that settling waits for it.
    pub(super) fn settle(&self, key: AttemptKey) -> bool {
        self.lock().get_mut(&key).map(|is_settled| *is_settled = true).is_some()
    }

    /// The log is owed no longer. Whether settling waited for it.
    pub(super) fn release(&self, key: AttemptKey) -> bool {
        self.lock().remove(&key) == Some(true)
    }

    /// No log of the job is owed any more.
    pub(super) fn release_job(&self, job: JobId) {
        self.lock().retain(|key, _| key.job != job);
    }
}
