//! A frame, and the header that every one begins with.

use bytes::Bytes;

use crate::{Fields, HEADER, Kind, WireError};

/// Bits of [`Header::flags`].
pub mod flags {
    /// This side of the stream is finished.
    pub const END: u8 = 0x01;
    /// File descriptors travel with the first byte of this frame.
    pub const FD: u8 = 0x02;
    /// The body of the answer will be dropped (HEAD, 204, 304).
    pub const BODYLESS: u8 = 0x04;
    /// The answerer is not free with this end of the stream; FREE follows.
    pub const HOLD: u8 = 0x08;
    /// A receiver that does not know the type must close instead of skipping.
    pub const CRITICAL: u8 = 0x80;
}

/// Why a stream was reset: the code of a RESET frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Reset {
    /// The client left.
    ClientGone = 1,
    /// The deadline passed.
    Deadline = 2,
    /// The app raised an error; the body is a backtrace.
    AppError = 3,
    /// The other side broke a rule.
    Protocol = 4,
    /// Nothing of the job was started; it may be given to another child.
    NotStarted = 5,
    /// The child is leaving.
    Draining = 6,
    /// The body is larger than allowed.
    TooLarge = 7,
    /// Give the job back if it was not started.
    Recall = 8,
    /// The child ended while it had the job.
    ChildDied = 9,
}

impl Reset {
    /// The reason of a code, unless this version does not know it.
    pub const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            1 => Self::ClientGone,
            2 => Self::Deadline,
            3 => Self::AppError,
            4 => Self::Protocol,
            5 => Self::NotStarted,
            6 => Self::Draining,
            7 => Self::TooLarge,
            8 => Self::Recall,
            9 => Self::ChildDied,
            _ => return None,
        })
    }
}

/// The 16 bytes before each frame, little-endian: `len u32, type u8, flags u8, code u16, stream u32, aux u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes after the header.
    pub len: u32,
    /// What the frame says.
    pub kind: Kind,
    /// Bits of [`flags`].
    pub flags: u8,
    /// Status, reason or version, by kind.
    pub code: u16,
    /// The stream; 0 for the connection.
    pub stream: u32,
    /// Length of the head in frames that have one; a number in others.
    pub aux: u32,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[0..4].copy_from_slice(&self.len.to_le_bytes());
        out[4] = self.kind as u8;
        out[5] = self.flags;
        out[6..8].copy_from_slice(&self.code.to_le_bytes());
        out[8..12].copy_from_slice(&self.stream.to_le_bytes());
        out[12..16].copy_from_slice(&self.aux.to_le_bytes());
        out
    }
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// `name NUL value NUL … value`, empty when the kind has none.
    pub head: Bytes,
    /// What follows the head.
    pub body: Bytes,
}

impl Frame {
    /// Whether this side of the stream ends with the frame: by its flag, or because trailers are the end.
    pub const fn is_end(&self) -> bool {
        self.header.flags & flags::END != 0 || matches!(self.header.kind, Kind::Trail)
    }

    /// Whether its sender is not free with this end of the stream.
    pub const fn holds(&self) -> bool {
        self.header.flags & flags::HOLD != 0
    }

    /// The head's fields; an error when it is not pairs.
    pub fn fields(&self) -> Result<Fields<'_>, WireError> {
        Fields::parse(&self.head)
    }
}
