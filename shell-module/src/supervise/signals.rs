//! Signals to a supervisor itself.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Nobody has a word for this process by them.
pub(super) fn ignore_signals() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE, Signal::SIGXFSZ] {
        // SAFETY: ignoring a signal runs no code of ours.
        let _ = unsafe { sigaction(signal, &ignore) };
    }
}

/// Until a child ends, at most 20 ms.
pub(super) fn await_child() {
    let set = SigSet::from(Signal::SIGCHLD);
    let limit = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    // SAFETY: the set and the limit live through the call, and the null pointer says that no details are wanted.
    unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &limit) };
}
