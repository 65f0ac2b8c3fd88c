//! What comes over the socket from the executor.

use std::{
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::exit,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ostler_process::{fds, launch};

use crate::message::{ASK, MESSAGE_MAX, NEXT, Task};

/// The next task and its descriptors. The end of the socket is the end of this process.
pub(super) fn receive(socket: &mut UnixStream) -> Result<(Task, Vec<OwnedFd>), String> {
    loop {
        let mut byte = [0];
        let (got, fds) = fds::receive(socket.as_fd(), &mut byte)
            .map_err(|e| format!("standard input is not its socket: {e}"))?;
        if got == 0 {
            exit(0);
        }
        // Anything else is an order that came too late for the task before.
        if byte[0] == NEXT {
            return Ok((launch::read(socket, &[], MESSAGE_MAX, "task")?, fds));
        }
    }
}

/// Whether the executor asks if this process is there. Orders are dropped: everything is being killed already.
pub(super) fn is_asked(socket: &mut UnixStream) -> bool {
    let mut is_asked = false;
    let mut byte = [0];
    while is_readable(socket.as_fd()) && matches!(socket.read(&mut byte), Ok(1..)) {
        is_asked |= byte[0] == ASK;
    }
    is_asked
}

pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
