//! How many bytes there are, and whose.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use super::{owner::Owner, owners};

/// Counted once by a thread that walks the folder, and kept from then on. While it walks, every file is counted by whoever
/// comes to it first: the walk, or the one who is about to change it.
#[derive(Debug)]
pub(super) struct Size {
    bytes: AtomicI64,
    owned: Mutex<BTreeMap<Owner, i64>>,
    walk: Mutex<Option<Walk>>,
}

/// Hashes of the names that were counted: a million names would be a hundred megabytes.
#[derive(Debug, Default)]
struct Walk {
    counted: HashSet<u64>,
    hasher: RandomState,
}

/// Nothing is counted yet.
impl Default for Size {
    fn default() -> Self {
        let walk = Mutex::new(Some(Walk::default()));
        Self { bytes: AtomicI64::default(), owned: Mutex::default(), walk }
    }
}

impl Size {
    /// Counts what is in the folder.
    pub(super) fn count(self: &Arc<Self>, folder: PathBuf) {
        let counted = Arc::clone(self);
        let count = move || {
            for part in ["payload", "log"] {
                // What cannot be read has no size; whoever needs it will hear of it.
                let _unreadable = counted.walk(&folder.join(part));
            }
            *counted.lock() = None;
        };
        // Without a thread to count, what was there before is not counted.
        drop(std::thread::Builder::new().name("file sizes".to_owned()).spawn(count));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Walk>> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn walk(&self, folder: &Path) -> io::Result<()> {
        for entry in ostler_private::list(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path())?;
            } else {
                self.change(&entry.path(), |_| Ok(()))?;
            }
        }
        Ok(())
    }

    /// Does something to a file, which is counted as it was before, and then as it is.
    pub(super) fn change<T>(
        &self,
        path: &Path,
        change: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut walk = self.lock();
        let counted =
            walk.as_mut().is_none_or(|walk| !walk.counted.insert(walk.hasher.hash_one(path)));
        let before = if counted { owners::weigh(path) } else { owners::Weight::default() };
        let done = change(path);
        let after = owners::weigh(path);
        self.bytes.fetch_add(after.bytes - before.bytes, Relaxed);
        for (owner, bytes) in [(before.owner, -before.owned), (after.owner, after.owned)] {
            if let Some(owner) = owner {
                self.charge(owner, bytes);
            }
        }
        done
    }

    /// Somebody has so many bytes more, or less.
    pub(super) fn add(&self, owner: Owner, bytes: i64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.charge(owner, bytes);
    }

    fn charge(&self, owner: Owner, bytes: i64) {
        let mut owned = self.lock_owned();
        let its = owned.entry(owner).or_default();
        *its += bytes;
        if *its == 0 {
            owned.remove(&owner);
        }
    }

    fn lock_owned(&self) -> MutexGuard<'_, BTreeMap<Owner, i64>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> u64 {
        u64::try_from(self.bytes.load(Relaxed)).unwrap_or(0)
    }

    pub(super) fn of_owner(&self, owner: Owner) -> u64 {
        let its = self.lock_owned().get(&owner).copied();
        its.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
    }

    /// What whoever has most has.
    pub(super) fn most(&self) -> u64 {
        let most = self.lock_owned().values().max().copied();
        most.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
    }
}

/// Bytes that count as somebody's as long as this is there.
#[derive(Debug)]
pub struct Expected {
    size: Arc<Size>,
    owner: Owner,
    bytes: i64,
}

impl Expected {
    pub(super) fn new(size: Arc<Size>, owner: Owner, bytes: u64) -> Self {
        let mut it = Self { size, owner, bytes: 0 };
        it.more(bytes);
        it
    }

    /// So many more.
    pub(super) fn more(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        self.size.add(self.owner, bytes);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.size.add(self.owner, -self.bytes);
    }
}
