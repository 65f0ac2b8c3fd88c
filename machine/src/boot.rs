//! Which start of the host it is.

use std::{path::Path, sync::OnceLock};

/// The kernel's word for it, another after each start; of a container it is the host's. Empty where there is none.
pub fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    let read = || {
        ostler_private::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"))
            .unwrap_or_default()
    };
    ID.get_or_init(|| read().trim().to_owned())
}
