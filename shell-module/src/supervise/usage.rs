//! Waiting for children, and what they used.

use nix::{errno::Errno, sys::wait::WaitStatus, unistd::Pid};
use ostler_job::durable::Usage;

/// The next child that has ended, reaped, and what it and those that it had waited for used. Does not wait.
pub(super) fn wait() -> Result<(WaitStatus, Usage), Errno> {
    let mut status = 0;
    // SAFETY: the structure is numbers only, for which zeros are valid.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to variables that live through the call.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) };
    match Errno::result(pid)? {
        0 => Ok((WaitStatus::StillAlive, Usage::default())),
        pid => Ok((WaitStatus::from_raw(Pid::from_raw(pid), status)?, of(&used))),
    }
}

/// Times add up; the largest memory is the largest of one process.
pub(super) fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        user_us: one.user_us + other.user_us,
        system_us: one.system_us + other.system_us,
        rss_max: one.rss_max.max(other.rss_max),
    }
}

fn of(used: &libc::rusage) -> Usage {
    let us = |time: libc::timeval| {
        u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or_default()
    };
    Usage {
        user_us: us(used.ru_utime),
        system_us: us(used.ru_stime),
        rss_max: u64::try_from(used.ru_maxrss).unwrap_or_default() * 1024,
    }
}
