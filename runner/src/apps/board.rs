//! The page that a child shares with its runner: busy or idle, and since when, without a message.

use std::{
    cell::Cell,
    fs::File,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::FileExt,
    },
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
    unistd::ftruncate,
};

/// Size of the page in bytes.
const SIZE: i64 = 4096;
/// The part that carries meaning.
const USED: usize = 128;
/// Where the runner counts its cancels.
const CANCEL_SEQ: u64 = 16;
/// Where it writes what it has taken back: the last stream, and the number of its lane.
const BAR: u64 = 48;

/// A child's board. It is read and written as a file and not mapped: a child cannot fault the runner through it, and at
/// a few reads a second a system call costs nothing.
#[derive(Debug)]
pub(crate) struct Board {
    page: File,
    cancels: Cell<u32>,
    bar: Cell<u64>,
}

/// What a board said at one moment. The child writes it, so every value may be nonsense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// CLOCK_MONOTONIC when the running request began; 0 while idle.
    pub busy_since_ns: u64,
    /// The running stream, or the last one that ran on its lane.
    pub stream: u32,
    /// The number of the lane that is served.
    pub lane: u32,
    /// Requests finished.
    pub requests: u64,
    /// The running request's id.
    pub request_id: String,
}

impl Reading {
    /// Whether a request runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy_since_ns != 0
    }
}

impl Board {
    /// A fresh page that nobody can resize.
    pub(crate) fn new() -> Result<Self, Errno> {
        let fd =
            memfd_create(c"ostler-board", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&fd, SIZE)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self { page: File::from(fd), cancels: Cell::new(0), bar: Cell::new(0) })
    }

    /// The descriptor for the child.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.page.as_fd()
    }

    /// What the child says at present.
    pub(crate) fn read(&self) -> Reading {
        let mut bytes = [0; USED];
        // A sealed page of our own can be read; if it ever cannot, an idle reading harms least.
        if self.page.read_exact_at(&mut bytes, 0).is_err() {
            return Reading::default();
        }
        Reading::parse(&bytes)
    }

    /// Tells the child that its running request is not wanted any more.
    pub(crate) fn cancel(&self) {
        self.cancels.set(self.cancels.get().wrapping_add(1));
        // As above: the page is ours, and the kill ladder goes on without the hint.
        let _ = self.page.write_all_at(&self.cancels.get().to_ne_bytes(), CANCEL_SEQ);
    }

    /// Tells the child to begin nothing more of this lane up to this stream. What it begins at this very moment shows a moment
    /// later: what has not begun by then never will. `false`: it was not told.
    pub(crate) fn bar(&self, lane: u32, last: u32) -> bool {
        let bar = u64::from(lane) << 32 | u64::from(last);
        self.bar.set(self.bar.get().max(bar));
        self.page.write_all_at(&self.bar.get().to_ne_bytes(), BAR).is_ok()
    }

    /// The last stream of this lane that the child has begun; 0: none. `None`: it is just writing.
    pub(crate) fn begun(&self, lane: u32) -> Option<u32> {
        let (once, again) = (self.read(), self.read());
        let at = |reading: &Reading| (reading.lane, reading.stream);
        let last = if once.lane == lane { once.stream } else { 0 };
        (at(&once) == at(&again)).then_some(last)
    }
}

impl Reading {
    fn parse(bytes: &[u8; USED]) -> Self {
        let long = |at: usize| {
            u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("a slice of eight bytes"))
        };
        let word = |at: usize| {
            u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("a slice of four bytes"))
        };
        let id = &bytes[64..USED];
        let id = &id[..id.iter().position(|&b| b == 0).unwrap_or(id.len())];
        Self {
            busy_since_ns: long(0),
            stream: word(8),
            lane: word(40),
            requests: long(24),
            request_id: String::from_utf8_lossy(id).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_reads_what_was_written_at_the_documented_offsets() {
        let board = Board::new().unwrap();
        assert!(!board.read().is_busy());
        board.page.write_all_at(&7_u64.to_ne_bytes(), 0).unwrap();
        board.page.write_all_at(&9_u32.to_ne_bytes(), 8).unwrap();
        board.page.write_all_at(&1_u32.to_ne_bytes(), 12).unwrap();
        board.page.write_all_at(&11_u64.to_ne_bytes(), 24).unwrap();
        board.page.write_all_at(b"req-1", 64).unwrap();
        let reading = board.read();
        assert_eq!((reading.busy_since_ns, reading.stream, reading.requests), (7, 9, 11));
        assert_eq!(reading.request_id, "req-1");
    }

    #[test]
    fn a_child_cannot_shrink_the_board() {
        let board = Board::new().unwrap();
        assert!(board.page.set_len(0).is_err());
    }

    #[test]
    fn a_cancel_counts_up_where_the_child_looks() {
        let board = Board::new().unwrap();
        board.cancel();
        board.cancel();
        let mut seq = [0; 4];
        board.page.read_exact_at(&mut seq, CANCEL_SEQ).unwrap();
        assert_eq!(u32::from_ne_bytes(seq), 2);
    }

    #[test]
    fn what_is_taken_back_stays_so_and_what_was_begun_is_of_its_lane() {
        let board = Board::new().unwrap();
        let barred = || {
            let mut bar = [0; 8];
            board.page.read_exact_at(&mut bar, BAR).unwrap();
            u64::from_ne_bytes(bar)
        };
        assert!(board.bar(1, 9) && board.bar(1, 4));
        assert_eq!(barred(), 1 << 32 | 9, "a smaller number takes nothing back");
        assert!(board.bar(2, 3));
        assert_eq!(barred(), 2 << 32 | 3);
        board.page.write_all_at(&7_u32.to_ne_bytes(), 8).unwrap();
        board.page.write_all_at(&2_u32.to_ne_bytes(), 40).unwrap();
        assert_eq!((board.begun(2), board.begun(3)), (Some(7), Some(0)));
    }
}
