//! What of a disk logs leave free: whatever fills it, the ends of attempts, and the store where it is the same disk, find room.

use std::path::Path;

/// The largest part that is left.
const MOST: u64 = 1 << 30;

/// Bytes that logs may take of a file's disk: a twentieth of it is left. Without an answer of the system, writing tells.
pub(crate) fn room(file: &Path) -> u64 {
    let Some(folder) = file.parent() else { return u64::MAX };
    let Ok(it) = nix::sys::statvfs::statvfs(folder) else { return u64::MAX };
    let unit = it.fragment_size();
    above(it.blocks() * unit, it.blocks_available() * unit)
}

fn above(size: u64, free: u64) -> u64 {
    // What has no size, as a device, keeps nothing.
    if size == 0 { u64::MAX } else { free.saturating_sub((size / 20).min(MOST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_left_and_a_gibibyte_at_most() {
        const GIB: u64 = 1 << 30;
        for (size, free, room) in [
            (20 * GIB, 2 * GIB, GIB),
            (1000 * GIB, 2 * GIB, GIB),
            (1000 * GIB, GIB, 0),
            (1000 * GIB, GIB - 1, 0),
            (20_000_000, 1_500_000, 500_000),
            (0, 0, u64::MAX),
        ] {
            assert_eq!(above(size, free), room, "{size} {free}");
        }
    }
}
