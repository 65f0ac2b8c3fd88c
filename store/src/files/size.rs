//! How many bytes there are.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

/// Counted once by a thread that walks the folder, and kept from then on. While it walks, every file is counted by whoever
/// comes to it first: the walk, or the one who is about to change it.
#[derive(Debug, Default)]
pub(super) struct Size {
    bytes: AtomicI64,
    walk: Mutex<Option<Walk>>,
}

/// Hashes of the names that were counted: a million names would be a hundred megabytes.
#[derive(Debug, Default)]
struct Walk {
    counted: HashSet<u64>,
    hasher: RandomState,
}

impl Size {
    pub(super) fn of(folder: PathBuf) -> Arc<Self> {
        let size = Arc::new(Self { walk: Mutex::new(Some(Walk::default())), ..Self::default() });
        let counted = Arc::clone(&size);
        let count = move || {
            for part in ["payload", "log"] {
                // What cannot be read has no size; whoever needs it will hear of it.
                let _unreadable = counted.walk(&folder.join(part));
            }
            *counted.lock() = None;
        };
        // Without a thread to count, what was there before is not counted.
        drop(std::thread::Builder::new().name("file sizes".to_owned()).spawn(count));
        size
    }

    fn lock(&self) -> MutexGuard<'_, Option<Walk>> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn walk(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
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
        let before = length(path);
        let done = change(path);
        let known = if counted { before } else { 0 };
        self.bytes.fetch_add(length(path) - known, Relaxed);
        done
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        u64::try_from(self.bytes.load(Relaxed)).unwrap_or(0)
    }
}

/// Of a file that is not there: nothing.
fn length(path: &Path) -> i64 {
    path.metadata().map_or(0, |it| i64::try_from(it.len()).unwrap_or(i64::MAX))
}
