//! Puts the child's descriptors where its contract says, and nothing else.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl, open},
    sys::stat::Mode,
    unistd::{dup2_raw, dup2_stdin},
};

use super::Failure;

/// Where the control socket is in a child.
pub(crate) const CTL_FD: RawFd = 3;
/// Where the lane is in a child.
pub(crate) const LANE_FD: RawFd = 4;
/// Where the board is in a child.
pub(crate) const BOARD_FD: RawFd = 5;
/// Where the folder of the children's code is in a child of another user.
pub(crate) const CODE_FD: RawFd = 6;

/// Received descriptors are moved to numbers from here on. No higher than need be: a process may be allowed few files.
const ASIDE: RawFd = CODE_FD + 1;

/// What the runner hands to a child.
#[derive(Debug)]
pub(super) struct Descriptors {
    ctl: OwnedFd,
    lane: OwnedFd,
    board: OwnedFd,
    code: Option<OwnedFd>,
}

impl Descriptors {
    /// Control, lane and board, in this order.
    pub(super) fn from_received(fds: Vec<OwnedFd>) -> Result<Self, String> {
        let [ctl, lane, board] = <[OwnedFd; 3]>::try_from(fds)
            .map_err(|fds| format!("{} descriptors came instead of 3", fds.len()))?;
        let aside = |fd| move_aside(fd).map_err(|e| format!("cannot move a descriptor: {e}"));
        Ok(Self { ctl: aside(ctl)?, lane: aside(lane)?, board: aside(board)?, code: None })
    }

    /// The control socket, usable until the very exec.
    pub(super) fn ctl(&self) -> BorrowedFd<'_> {
        self.ctl.as_fd()
    }

    /// Opens the folder of the children's code, while still the user who may: the state folder is nobody else's.
    pub(super) fn open_code(&mut self, folder: &Path) -> Result<(), Failure> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = open(folder, flags, Mode::empty()).and_then(move_aside);
        let opened = opened.map_err(|e| {
            let folder = folder.display();
            Failure::new("descriptors", format!("cannot open the children's code, {folder}: {e}"))
        })?;
        self.code = Some(opened);
        Ok(())
    }

    /// Puts /dev/null, control, lane, board and code in place; everything else closes at exec.
    pub(super) fn install(&self) -> Result<(), Failure> {
        let failure = |e: Errno| Failure::new("descriptors", format!("cannot place them: {e}"));
        let null = File::open("/dev/null")
            .map_err(|e| Failure::new("descriptors", format!("cannot open /dev/null: {e}")))?;
        dup2_stdin(&null).map_err(failure)?;
        // It may have one of the numbers that are given away next.
        drop(null);
        place(&self.ctl, CTL_FD).map_err(failure)?;
        place(&self.lane, LANE_FD).map_err(failure)?;
        place(&self.board, BOARD_FD).map_err(failure)?;
        if let Some(code) = &self.code {
            place(code, CODE_FD).map_err(failure)?;
        }
        let last = if self.code.is_some() { CODE_FD } else { BOARD_FD };
        close_above_at_exec(last).map_err(failure)
    }
}

/// Gives a descriptor a number that no child's descriptor has, so that placing one never overwrites another.
fn move_aside(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    let moved = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(ASIDE))?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Copies `from` onto the number `to`, which survives exec.
fn place(from: &OwnedFd, to: RawFd) -> Result<(), Errno> {
    // SAFETY: the numbers of a child's descriptors belong to nobody here: what was received was moved aside, and this
    // single-threaded process opens nothing between this and exec.
    let placed = unsafe { dup2_raw(from, to)? };
    // Stays open for the child: forgetting the owner is the purpose.
    let _ = placed.into_raw_fd();
    Ok(())
}

fn close_above_at_exec(last: RawFd) -> Result<(), Errno> {
    let first = last as libc::c_uint + 1;
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call only sets a flag on open descriptors and touches no memory.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    Errno::result(done).map(drop)
}
