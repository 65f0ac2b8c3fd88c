//! What a program inherits of signals.

use nix::sys::signal::SigSet;

/// Default handlers and an empty mask: both survive exec, and a program that ignores SIGPIPE misbehaves in its own way.
pub fn reset() {
    // The C library hides its own two signals; ignored, they would stay so in the command. The zeroes are the kernel's
    // `struct sigaction` of the default action, whatever the order of its fields.
    let default = [0_u64; 4];
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the call reads the structure, which is as large as the kernel's, and writes nothing. SIGKILL and SIGSTOP
        // refuse, which is as it should be.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                std::ptr::null::<u8>(),
                8,
            )
        };
    }
    // Emptying the mask cannot fail with valid arguments.
    let _ = SigSet::empty().thread_set_mask();
}
