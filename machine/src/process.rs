//! Figures about this process, from procfs.

/// What this process takes; what cannot be read is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Seconds of processor time.
    pub cpu_seconds: Option<f64>,
    /// Bytes in memory.
    pub resident_bytes: Option<f64>,
    /// Open file descriptors.
    pub open_files: Option<f64>,
    /// Threads.
    pub threads: Option<f64>,
}

/// Reads what can be read.
pub fn read() -> Figures {
    let mut figures = Figures::default();
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    if let (Ok(stat), Some(ticks)) = (std::fs::read_to_string("/proc/self/stat"), ticks) {
        // The name in the second field may hold anything, so the fields are counted from behind it.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
        if let (Some(user), Some(kernel)) = (number(11), number(12)) {
            figures.cpu_seconds = Some((user + kernel) / ticks as f64);
        }
        figures.threads = number(17);
    }
    if let (Ok(statm), Some(page)) = (std::fs::read_to_string("/proc/self/statm"), page) {
        let pages = statm.split(' ').nth(1).and_then(|f| f.parse::<f64>().ok());
        figures.resident_bytes = pages.map(|pages| pages * page as f64);
    }
    figures.open_files = std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64);
    figures
}
