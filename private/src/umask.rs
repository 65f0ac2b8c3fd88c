//! What new files lack, process-wide: a second line of defence behind explicit modes.

use std::sync::OnceLock;

use nix::sys::stat::{Mode, umask};

static INHERITED: OnceLock<u32> = OnceLock::new();

/// From now on nothing that this process makes is open to others, libraries' files included. Returns the mask that the process
/// was started with, for those that it starts and that are not Ostler's own. Call it before there are threads.
pub fn close_umask() -> u32 {
    *INHERITED.get_or_init(|| umask(Mode::from_bits_truncate(0o077)).bits())
}
