//! Follows a chunked request body to its end, so that the next request's head is found where hyper will find it.

use super::scan;

/// Where in the body the reader stands. RFC 9112 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunked {
    /// In a size line; digits so far and the size.
    Size { digits: u8, size: u64 },
    /// In a chunk extension; its bytes so far.
    Extension { bytes: u16, size: u64 },
    /// The size line's CR has passed.
    SizeLf { size: u64 },
    /// In data; bytes left.
    Data { left: u64 },
    /// After data, before CR.
    DataCr,
    /// After data's CR.
    DataLf,
    /// In the trailers: their bytes so far, and where in a line.
    Trailer { bytes: u16, line: Line },
    /// A trailer line's CR has passed.
    TrailerLf { bytes: u16, line: Line },
    /// The body is whole.
    Done,
}

/// Where in a line of the trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// At its beginning.
    Start,
    /// In the field's name.
    Name,
    /// Behind the colon.
    Value,
}

impl Line {
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Name, b':') | (Self::Value, _) => Some(Self::Value),
            // Neither a line that is folded nor a blank before the colon, as in a head.
            (Self::Start | Self::Name, byte) => scan::is_token(byte).then_some(Self::Name),
        }
    }
}

const fn is_control(b: u8) -> bool {
    matches!(b, 0..=8 | 10..=31 | 127)
}

const EXTENSION_MAX: u16 = 1024;
const TRAILERS_MAX: u16 = 8192;

impl Chunked {
    /// Before the first chunk.
    pub const START: Self = Self::Size { digits: 0, size: 0 };

    /// Reads on. Returns how many bytes belong to the body; an error names what is wrong.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            if let Self::Data { left } = self {
                let step = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += step;
                *left -= step as u64;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            *self = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn step(self, byte: u8) -> Result<Self, &'static str> {
        Ok(match (self, byte) {
            (Self::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                if digits == 15 {
                    return Err("chunk size is too long");
                }
                let digit = char::from(byte).to_digit(16).expect("a hex digit");
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
            }
            (Self::Size { digits: 0, .. }, _) => return Err("chunk without a size"),
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeLf { size }
            }
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { bytes: 1, size },
            (Self::Size { .. }, _) => return Err("malformed chunk size"),
            (Self::Extension { .. }, b) if is_control(b) => {
                return Err("control character in a chunk line");
            }
            (Self::Extension { bytes: EXTENSION_MAX, .. }, _) => {
                return Err("chunk extension is too long");
            }
            (Self::Extension { bytes, size }, _) => Self::Extension { bytes: bytes + 1, size },
            (Self::SizeLf { size: 0 }, b'\n') => Self::Trailer { bytes: 0, line: Line::Start },
            (Self::SizeLf { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::DataCr | Self::DataLf, _) => return Err("chunk data is longer than its size"),
            (Self::Trailer { line: Line::Name, .. }, b'\r') => {
                return Err("trailer without a colon");
            }
            (Self::Trailer { bytes, line }, b'\r') => Self::TrailerLf { bytes, line },
            (Self::Trailer { .. }, b) if is_control(b) => {
                return Err("control character in a trailer");
            }
            (Self::Trailer { bytes: TRAILERS_MAX, .. }, _) => return Err("trailers are too long"),
            (Self::Trailer { bytes, line }, byte) => {
                let line = line.step(byte).ok_or("malformed trailer")?;
                Self::Trailer { bytes: bytes + 1, line }
            }
            (Self::TrailerLf { line: Line::Start, .. }, b'\n') => Self::Done,
            (Self::TrailerLf { bytes, .. }, b'\n') => Self::Trailer { bytes, line: Line::Start },
            (Self::SizeLf { .. } | Self::TrailerLf { .. }, _) => {
                return Err("CR without LF in the chunked body");
            }
            (Self::Data { .. } | Self::Done, _) => unreachable!("follow handles these"),
        })
    }
}
