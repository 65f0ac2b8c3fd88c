//! Figures about this process, from procfs, under the names that Prometheus clients agree on.

/// Reads what can be read; a figure that cannot be is left out.
pub fn read(mut put: impl FnMut(&str, &str, f64)) {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    if let (Ok(stat), Some(ticks)) = (std::fs::read_to_string("/proc/self/stat"), ticks) {
        // The name in the second field may hold anything, so the fields are counted from behind it.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
        if let (Some(user), Some(kernel)) = (number(11), number(12)) {
            let seconds = (user + kernel) / ticks as f64;
            put("process_cpu_seconds_total", "Processor time of the gateway.", seconds);
        }
        if let Some(threads) = number(17) {
            put("process_threads", "Threads of the gateway.", threads);
        }
    }
    if let (Ok(statm), Some(page)) = (std::fs::read_to_string("/proc/self/statm"), page)
        && let Some(pages) = statm.split(' ').nth(1).and_then(|f| f.parse::<f64>().ok())
    {
        put("process_resident_memory_bytes", "Memory of the gateway.", pages * page as f64);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        put("process_open_fds", "Open file descriptors of the gateway.", open.count() as f64);
    }
}
