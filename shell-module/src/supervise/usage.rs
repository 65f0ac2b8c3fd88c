//! Waiting for children, and what they used.

use nix::{errno::Errno, unistd::Pid};
use ostler_job::durable::Usage;

/// What a shell exits with when its command was killed.
const KILLED: i32 = 128 + libc::SIGKILL;

/// How a process ended. A signal is a number, since the real-time ones have no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Status(i32),
    Signal(i32),
}

impl End {
    /// From what wait(2) gives for a process that has ended.
    const fn of(status: libc::c_int) -> Self {
        match libc::WIFSIGNALED(status) {
            true => Self::Signal(libc::WTERMSIG(status)),
            false => Self::Status(libc::WEXITSTATUS(status)),
        }
    }

    /// By SIGKILL, or by a shell's word for it.
    pub(super) const fn is_kill(self) -> bool {
        matches!(self, Self::Signal(libc::SIGKILL) | Self::Status(KILLED))
    }
}

/// The next child that has ended, reaped, and what it and those that it had waited for used; `None` when all that there
/// are go on. Does not wait. An error but for EINTR says that there is no child.
pub(super) fn wait() -> Result<Option<(Pid, End, Usage)>, Errno> {
    let mut status = 0;
    // SAFETY: the structure is numbers only, for which zeros are valid.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to variables that live through the call.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) };
    Ok(match Errno::result(pid)? {
        0 => None,
        pid => Some((Pid::from_raw(pid), End::of(status), of(&used))),
    })
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
