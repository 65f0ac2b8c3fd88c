//! What of a disk logs leave free: whatever fills it, the ends of attempts, and the store where it is the same disk, find room.

use std::path::Path;

/// The largest part that is left.
const MOST: u64 = 1 << 30;

/// Whether so many bytes more leave a twentieth of the disk. Without an answer of the system, writing tells.
pub(crate) fn has_room(file: &Path, bytes: u64) -> bool {
    let Some(folder) = file.parent() else { return true };
    let Ok(it) = nix::sys::statvfs::statvfs(folder) else { return true };
    let unit = it.fragment_size();
    leaves_enough(it.blocks() * unit, it.blocks_available() * unit, bytes)
}

fn leaves_enough(size: u64, free: u64, bytes: u64) -> bool {
    // What has no size, as a device, keeps nothing.
    size == 0 || free.saturating_sub(bytes) >= (size / 20).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_left_and_a_gibibyte_at_most() {
        const GIB: u64 = 1 << 30;
        for (size, free, bytes, fits) in [
            (20 * GIB, 2 * GIB, GIB, true),
            (20 * GIB, 2 * GIB, GIB + 1, false),
            (1000 * GIB, 2 * GIB, GIB, true),
            (1000 * GIB, GIB, 1, false),
            (20_000_000, 1_500_000, 500_000, true),
            (20_000_000, 1_400_000, 500_000, false),
            (0, 0, 1, true),
            (20 * GIB, 0, u64::MAX, false),
        ] {
            assert_eq!(leaves_enough(size, free, bytes), fits, "{size} {free} {bytes}");
        }
    }
}
