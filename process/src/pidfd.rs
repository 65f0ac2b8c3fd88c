//! Descriptors that mean one process and never another.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::{errno::Errno, sys::signal::Signal, unistd::Pid};

use crate::Sent;

/// A descriptor that means this process and no other.
pub fn open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to the process that a descriptor means.
pub fn signal(fd: &OwnedFd, signal: Signal) -> Sent {
    // SAFETY: the descriptor is open; the null pointer means that the kernel fills the details in itself.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match Errno::result(sent) {
        Ok(_) => Sent::Yes,
        Err(Errno::EPERM) => Sent::Refused,
        Err(_) => Sent::Gone,
    }
}

/// Sends a signal to a process that `is_meant` confirms once its number cannot be given to another any more.
pub fn signal_if(pid: Pid, signal: Signal, is_meant: impl Fn(Pid) -> bool) -> Sent {
    let Ok(fd) = open(pid) else { return Sent::Gone };
    if !is_meant(pid) {
        return Sent::Gone;
    }
    self::signal(&fd, signal)
}
