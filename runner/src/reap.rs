//! How processes end: waited for by pidfd, so that no other process's exit is ever taken for a child's.

use std::{
    fmt,
    os::fd::{AsFd, FromRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Strangers reaped in one sweep, at most.
const SWEEP_MAX: usize = 64;

/// The true reason why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It exited with this status.
    Status(i32),
    /// A signal killed it.
    Signal {
        /// Which one.
        signal: Signal,
        /// Whether it left a core file.
        core: bool,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal { signal, core: false } => write!(f, "{signal}"),
            Self::Signal { signal, core: true } => write!(f, "{signal} (core dumped)"),
        }
    }
}

/// A descriptor of a child that was just started; its pid cannot be reused before we reap it.
pub(crate) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits until the process ends, kills what is left of its group, and reaps it.
pub(crate) async fn wait(pid: Pid, pidfd: OwnedFd) -> std::io::Result<Ending> {
    // SAFETY: the descriptor is owned, nobody else closes it, and it is the same one until the AsyncFd is dropped.
    let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
    loop {
        let mut ready = pidfd.readable().await?;
        let id = || Id::PIDFd(pidfd.get_ref().as_fd());
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(id(), peek)? == WaitStatus::StillAlive {
            ready.clear_ready();
            continue;
        }
        // Before reaping: as long as the zombie keeps its pid, the group's number cannot mean anybody else.
        kill_group(pid, Signal::SIGKILL);
        return Ok(match waitid(id(), WaitPidFlag::WEXITED)? {
            WaitStatus::Signaled(_, signal, core) => Ending::Signal { signal, core },
            WaitStatus::Exited(_, status) => Ending::Status(status),
            WaitStatus::Stopped(..)
            | WaitStatus::PtraceEvent(..)
            | WaitStatus::PtraceSyscall(_)
            | WaitStatus::Continued(_)
            | WaitStatus::StillAlive => unreachable!("WEXITED reports only ended processes"),
        });
    }
}

/// Sends a signal to a child's whole process group, or to the child alone while it has not made its group yet. A child
/// that is gone needs none.
pub(crate) fn kill_group(pid: Pid, signal: Signal) {
    if killpg(pid, signal) == Err(Errno::ESRCH) {
        let _ = kill(pid, signal);
    }
}

/// Reaps ended strangers: grandchildren that fell to us as their subreaper. `is_ours` keeps the children, whose own
/// waiters want to learn the reason.
pub(crate) fn sweep_strangers(is_ours: impl Fn(Pid) -> bool) {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    for _ in 0..SWEEP_MAX {
        let Ok(status) = waitid(Id::All, peek) else { return };
        let Some(pid) = status.pid() else { return };
        // A child of ours is in front of the queue: its waiter takes it, and the next sweep sees what is behind.
        if is_ours(pid) || waitid(Id::Pid(pid), WaitPidFlag::WEXITED).is_err() {
            return;
        }
    }
}
