//! The disk of the state folder: what of it is free for everybody, and what is the store's alone.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The free disk is looked at so often, and reckoned in between.
const LOOK: Duration = Duration::from_millis(100);

/// The room on the disk that is left for everything but the store.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    reserve: u64,
    seen: Mutex<Option<(Instant, u64)>>,
}

impl Disk {
    /// `reserve`: `None` for a part of the disk.
    pub fn new(folder: PathBuf, reserve: Option<u64>) -> Self {
        let part = || look(&folder).map_or(0, |(size, free)| self::reserve(size, free));
        let reserve = reserve.unwrap_or_else(part);
        Self { folder, reserve, seen: Mutex::default() }
    }

    /// Bytes above the reserve. Without an answer of the system there is no bound.
    pub fn room(&self) -> u64 {
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
    pub fn take(&self, bytes: u64) -> bool {
        let room = self.room();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, left)) = &mut *seen {
            *left = room.saturating_sub(bytes);
        }
        room >= bytes
    }

    fn look(&self) -> Option<u64> {
        look(&self.folder).map(|(_, free)| free.saturating_sub(self.reserve))
    }
}

/// Bytes of a folder's disk, and those that are free.
fn look(folder: &Path) -> Option<(u64, u64)> {
    let it = nix::sys::statvfs::statvfs(folder).ok()?;
    let unit = it.fragment_size();
    Some((it.blocks() * unit, it.blocks_available() * unit))
}

/// 5 % of a disk, at least 1 GiB and at most 8; but no more than a quarter of what is free when it is chosen, so that a
/// disk that is small or quite full is used as well. Something is kept on any disk.
fn reserve(size: u64, free: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    let least = (64 << 20).min(size / 20);
    (size / 20).clamp(GIB, 8 * GIB).min(free / 4).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_disk_is_kept_and_one_that_is_small_or_quite_full_is_used_as_well() {
        const GIB: u64 = 1 << 30;
        const MIB: u64 = 1 << 20;
        for (size, free, kept) in [
            (64 * MIB, 60 * MIB, 15 * MIB),
            (10 * GIB, 9 * GIB, GIB),
            (100 * GIB, 50 * GIB, 5 * GIB),
            (4096 * GIB, 900 * GIB, 8 * GIB),
            (4096 * GIB, 6 * GIB, 3 * GIB / 2),
            (4096 * GIB, 0, 64 * MIB),
        ] {
            assert_eq!(reserve(size, free), kept, "{size} {free}");
        }
    }
}
