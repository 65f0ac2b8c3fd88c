//! What a runner needs to know of its host.

use std::{io, path::PathBuf};

/// The host, as the runner finds it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The program that has the `launch` mode: this one.
    pub launcher: PathBuf,
    /// Processors that children may use.
    pub cpus: u32,
}

impl Host {
    pub(crate) fn this() -> io::Result<Self> {
        // The number that affinity and control groups leave to us.
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
        Ok(Self { launcher: std::env::current_exe()?, cpus })
    }
}
