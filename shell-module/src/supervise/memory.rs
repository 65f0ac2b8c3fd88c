//! Whether the kernel has killed processes for want of memory: who finds its command killed wants to know.

use std::fs;

/// How many it had killed at one moment; `None` where it does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage(Option<u64>);

impl Shortage {
    pub(super) fn now() -> Self {
        let counters = fs::read_to_string("/proc/vmstat").unwrap_or_default();
        Self(kills(&counters))
    }

    /// Whether there were more since; from now on, only what comes later counts.
    pub(super) fn has_come(&mut self) -> Option<bool> {
        let before = std::mem::replace(self, Self::now());
        Some(self.0? > before.0?)
    }
}

/// Those of every group of processes of the host.
fn kills(counters: &str) -> Option<u64> {
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counter_is_found_or_not() {
        assert_eq!(kills("pgfault 9\noom_kill 3\noom_kill_x 7\n"), Some(3));
        assert_eq!(kills("pgfault 9\n"), None);
        let mut shortage = Shortage(Some(0));
        assert_eq!(shortage.has_come().is_some(), Shortage::now().0.is_some());
        assert_eq!(Shortage(None).has_come(), None);
    }
}
