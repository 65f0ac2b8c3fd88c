//! How processes end: waited for by pidfd, so that no other process's exit is ever taken for a child's.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::child_pool::Ending;

/// Strangers reaped in one sweep, at most.
const SWEEP_MAX: usize = 64;

/// Waits until the process ends, kills what is left of its group, and reaps it.
pub(crate) async fn wait(pid: Pid, pidfd: OwnedFd) -> std::io::Result<Ending> {
    // SAFETY: the descriptor is owned, nobody else closes it, and it is the same one until the AsyncFd is dropped.
    let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
    loop {
        let mut ready = pidfd.readable().await?;
        let id = (libc::P_PIDFD, pidfd.get_ref().as_raw_fd().cast_unsigned());
        if look(id, libc::WNOHANG | libc::WNOWAIT)?.is_none() {
            ready.clear_ready();
            continue;
        }
        // Before reaping: as long as the zombie keeps its pid, the group's number cannot mean anybody else.
        kill_group(pid, Signal::SIGKILL);
        if let Some((_, ending)) = look(id, 0)? {
            return Ok(ending);
        }
    }
}

/// waitid(2) for processes that end: which did, and how; `None` when none has. The one of nix takes an end by a signal
/// that it has no name for as an error, and the process stays.
fn look(
    (kind, id): (libc::idtype_t, libc::id_t),
    flags: i32,
) -> Result<Option<(Pid, Ending)>, Errno> {
    // SAFETY: the structure is numbers only, for which zeros are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a variable that lives through the call.
    let done = unsafe { libc::waitid(kind, id, &raw mut info, libc::WEXITED | flags) };
    Errno::result(done)?;
    // SAFETY: the kernel has filled in the fields of SIGCHLD, or left the zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let ending = match info.si_code {
        libc::CLD_EXITED => Ending::Status(status),
        code => Ending::Signal { signal: status, core: code == libc::CLD_DUMPED },
    };
    Ok((pid != 0).then_some((Pid::from_raw(pid), ending)))
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
    for _ in 0..SWEEP_MAX {
        let Ok(Some((pid, _))) = look((libc::P_ALL, 0), libc::WNOHANG | libc::WNOWAIT) else {
            return;
        };
        // A child of ours is in front of the queue: its waiter takes it, and the next sweep sees what is behind.
        let id = (libc::P_PID, pid.as_raw().cast_unsigned());
        if is_ours(pid) || look(id, 0).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn every_end_is_told_also_that_by_a_signal_without_a_name() {
        for (line, said) in [
            ("exit 3", "exit status 3"),
            ("ulimit -c 0; kill -9 $$", "SIGKILL"),
            ("kill -35 $$", "signal 35"),
            ("kill -64 $$", "signal 64"),
        ] {
            let mut child = Command::new("/bin/sh").args(["-c", line]).spawn().unwrap();
            let pid = Pid::from_raw(child.id().cast_signed());
            let ending = wait(pid, ostler_process::pidfd::open(pid).unwrap()).await.unwrap();
            assert_eq!(ending.to_string(), said);
            assert!(child.wait().is_err(), "it was reaped");
        }
    }
}
