//! What a command inherits of its supervisor besides its environment, and whoever may signal a supervisor can change: a
//! command that did has had its last successor.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, rlim_t};

/// Its limits, all that the kernel knows of on every platform.
const LIMITS: [Resource; 9] = [
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_AS,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_STACK,
    Resource::RLIMIT_MEMLOCK,
];
/// Where the kernel shows the rest.
const FILES: [&str; 4] = ["oom_score_adj", "cgroup", "coredump_filter", "timerslack_ns"];
/// `IOPRIO_WHO_PROCESS`, which the libc crate lacks.
const IOPRIO_PROCESS: libc::c_int = 1;

/// How this process stands at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProcessAttributes {
    limits: Vec<Option<(rlim_t, rlim_t)>>,
    /// Niceness, policy, priority for the disk.
    priorities: [libc::c_long; 3],
    processors: Vec<u8>,
    files: Vec<Option<String>>,
}

impl ProcessAttributes {
    pub(super) fn now() -> Self {
        // SAFETY: these calls take integers and touch no memory.
        let priorities = unsafe {
            [
                libc::c_long::from(libc::getpriority(libc::PRIO_PROCESS, 0)),
                libc::c_long::from(libc::sched_getscheduler(0)),
                libc::syscall(libc::SYS_ioprio_get, IOPRIO_PROCESS, 0),
            ]
        };
        let read = |name: &&str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        Self {
            limits: LIMITS.iter().map(|&limit| getrlimit(limit).ok()).collect(),
            priorities,
            processors: processors(),
            files: FILES.iter().map(read).collect(),
        }
    }
}

/// Those that it may run on, as bits.
fn processors() -> Vec<u8> {
    let mut bits = vec![0; size_of::<libc::cpu_set_t>()];
    // SAFETY: the call writes at most as many bytes as it is told that there are.
    unsafe { libc::sched_getaffinity(0, bits.len(), bits.as_mut_ptr().cast()) };
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes_by_itself() {
        assert_eq!(ProcessAttributes::now(), ProcessAttributes::now());
    }
}
