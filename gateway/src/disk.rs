//! The disk of the state folder: what of it is free for everybody, and what is the store's alone.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The free disk is looked at so often, and reckoned in between.
const LOOK: Duration = Duration::from_millis(100);

/// The room on the disk that is left for everything but the store.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    /// `None`: a part of the disk's size.
    reserve: Option<u64>,
    seen: Mutex<Option<(Instant, u64)>>,
}

impl Disk {
    pub(crate) fn new(folder: PathBuf, reserve: Option<u64>) -> Self {
        Self { folder, reserve, seen: Mutex::default() }
    }

    /// Bytes above the reserve. Without an answer of the system there is no bound.
    pub(crate) fn room(&self) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some((at, room)) if at.elapsed() < LOOK => room,
            _ => {
                let room = self.look().unwrap_or(u64::MAX);
                *seen = Some((Instant::now(), room));
                room
            }
        }
    }

    /// Takes so many bytes, if there is room.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let room = self.room();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, left)) = &mut *seen {
            *left = room.saturating_sub(bytes);
        }
        room >= bytes
    }

    fn look(&self) -> Option<u64> {
        let it = nix::sys::statvfs::statvfs(&self.folder).ok()?;
        let unit = it.fragment_size();
        let (size, free) = (it.blocks() * unit, it.blocks_available() * unit);
        Some(free.saturating_sub(self.reserve.unwrap_or_else(|| reserve(size))))
    }
}

/// 5 % of a disk, at least 1 GiB and at most 8; of a small disk a quarter.
const fn reserve(size: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    let part = size / 20;
    let part = if part < GIB {
        GIB
    } else if part > 8 * GIB {
        8 * GIB
    } else {
        part
    };
    if part > size / 4 { size / 4 } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_keeps_a_quarter_and_a_large_one_some_gigabytes() {
        const GIB: u64 = 1 << 30;
        for (size, kept) in [
            (64 << 20, 16 << 20),
            (2 * GIB, GIB / 2),
            (10 * GIB, GIB),
            (40 * GIB, 2 * GIB),
            (4096 * GIB, 8 * GIB),
        ] {
            assert_eq!(reserve(size), kept, "{size}");
        }
    }
}
