//! The log file's chunks (docs/WIRE.md 13): walked by their headers, or decoded as they come.

use std::{io, ops::Range};

use bytes::{Buf as _, Bytes, BytesMut};

use super::source::Source;

pub(super) const HEADER: usize = 16;

/// Which of the two streams are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Both,
    /// The stream of this number.
    Only(u8),
}

impl Which {
    /// Each with its word.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("both", Self::Both), ("stdout", Self::Only(1)), ("stderr", Self::Only(2))];

    pub(super) fn takes(self, stream: u8) -> bool {
        match self {
            Self::Both => true,
            Self::Only(only) => only == stream,
        }
    }
}

/// What a chunk's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Microseconds since the epoch.
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) stream: u8,
}

impl Header {
    pub(super) fn read(mut bytes: &[u8]) -> Self {
        Self { at: bytes.get_u64_le(), len: bytes.get_u32_le(), stream: bytes.get_u8() }
    }
}

/// Where a range of the decoded stream lies in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The chunk that the range begins in.
    pub(super) chunk: u64,
    /// Decoded bytes of it and later ones before the range.
    pub(super) skip: u64,
}

/// Walks the headers of a log: tells how many decoded bytes there are, and the place of each of the given starts.
pub(super) fn walk(source: &Source, which: Which, start: u64) -> io::Result<(u64, Place)> {
    let mut steps = Steps::new(source);
    let (mut total, mut place) = (0, None);
    while let Some((at, header, here)) = steps.next()? {
        let counted = if which.takes(header.stream) { here } else { 0 };
        if place.is_none() && total + counted > start {
            place = Some(Place { chunk: at, skip: start - total });
        }
        total += counted;
    }
    Ok((total, place.unwrap_or(Place { chunk: steps.at, skip: 0 })))
}

/// Whether a chunk begins at an offset of the file, or the file ends there.
pub(super) fn is_boundary(source: &Source, offset: u64) -> io::Result<bool> {
    let mut steps = Steps::new(source);
    while steps.at < offset {
        if steps.next()?.is_none() {
            break;
        }
    }
    Ok(steps.at == offset)
}

/// Steps from header to header; the bytes between are skipped unless they were read along.
struct Steps<'a> {
    source: &'a Source,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    len: u64,
}

impl<'a> Steps<'a> {
    fn new(source: &'a Source) -> Self {
        let len = source.len();
        Self { source, at: 0, window: Vec::new(), window_at: 0, len }
    }

    /// The next chunk: where it is, what it says, and how many of its bytes are there.
    fn next(&mut self) -> io::Result<Option<(u64, Header, u64)>> {
        let begins = self.at + HEADER as u64;
        if begins > self.len {
            return Ok(None);
        }
        let within = usize::try_from(self.at - self.window_at).unwrap_or(usize::MAX);
        if within.saturating_add(HEADER) > self.window.len() {
            self.window = self.source.read_at(self.at, 8 << 10)?.to_vec();
            self.window_at = self.at;
            if self.window.len() < HEADER {
                return Ok(None);
            }
        }
        let within = usize::try_from(self.at - self.window_at).unwrap_or(0);
        let header = Header::read(&self.window[within..within + HEADER]);
        let here = u64::from(header.len).min(self.len - begins);
        let at = self.at;
        self.at = begins + u64::from(header.len);
        Ok(Some((at, header, here)))
    }
}

/// Decodes a log as it is read, piece by piece.
pub(super) struct Decoder {
    which: Which,
    pending: BytesMut,
    header: Option<Header>,
    left: usize,
}

impl Decoder {
    pub(super) fn new(which: Which) -> Self {
        Self { which, pending: BytesMut::new(), header: None, left: 0 }
    }

    /// What was written of the wanted streams in a piece of the file.
    pub(super) fn feed(&mut self, mut piece: Bytes, out: &mut BytesMut) {
        while !piece.is_empty() {
            let Some(header) = self.header else {
                let want = (HEADER - self.pending.len()).min(piece.len());
                self.pending.extend_from_slice(&piece.split_to(want));
                if self.pending.len() == HEADER {
                    let header = Header::read(&self.pending);
                    self.pending.clear();
                    self.left = header.len as usize;
                    self.header = (self.left > 0).then_some(header);
                }
                continue;
            };
            let part = piece.split_to(self.left.min(piece.len()));
            self.left -= part.len();
            if self.which.takes(header.stream) {
                out.extend_from_slice(&part);
            }
            if self.left == 0 {
                self.header = None;
            }
        }
    }
}

/// Decoded bytes of which the first so many are left out, and which end after so many more.
pub(super) struct Cut {
    skip: u64,
    left: u64,
}

impl Cut {
    pub(super) fn new(skip: u64, range: &Range<u64>) -> Self {
        Self { skip, left: range.end - range.start }
    }

    pub(super) fn apply(&mut self, bytes: &mut BytesMut) -> Bytes {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        bytes.advance(skip);
        self.skip -= skip as u64;
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        bytes.split().freeze()
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
pub(crate) fn chunk(at: u64, stream: u8, text: &[u8]) -> Vec<u8> {
    let mut chunk = at.to_le_bytes().to_vec();
    chunk.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    chunk.extend([stream, 0, 0, 0]);
    chunk.extend(text);
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<u8> {
        [chunk(1, 1, b"one "), chunk(2, 2, b"two "), chunk(3, 1, b""), chunk(4, 1, b"three")]
            .concat()
    }

    #[test]
    fn a_log_decodes_the_same_however_it_is_cut() {
        for size in 1..40 {
            let mut decoder = Decoder::new(Which::Only(1));
            let mut out = BytesMut::new();
            for piece in log().chunks(size) {
                decoder.feed(Bytes::copy_from_slice(piece), &mut out);
            }
            assert_eq!(&out[..], b"one three", "pieces of {size}");
        }
    }

    #[test]
    fn a_place_is_found_in_the_chunk_that_holds_it() {
        let source = Source::whole(log());
        assert_eq!(walk(&source, Which::Both, 0).unwrap(), (13, Place { chunk: 0, skip: 0 }));
        assert_eq!(walk(&source, Which::Both, 5).unwrap().1, Place { chunk: 20, skip: 1 });
        assert_eq!(walk(&source, Which::Only(1), 6).unwrap(), (9, Place { chunk: 56, skip: 2 }));
        assert_eq!(walk(&source, Which::Only(1), 99).unwrap().1, Place { chunk: 77, skip: 0 });
    }

    #[test]
    fn a_chunk_that_is_not_whole_yet_counts_as_far_as_it_is_there() {
        let mut torn = log();
        torn.truncate(torn.len() - 2);
        assert_eq!(walk(&Source::whole(torn), Which::Both, 0).unwrap().0, 11);
        let mut torn = log();
        torn.truncate(30);
        assert_eq!(walk(&Source::whole(torn), Which::Both, 0).unwrap().0, 4);
    }

    #[test]
    fn only_beginnings_of_chunks_are_boundaries() {
        let source = Source::whole(log());
        let found: Vec<_> = (0..100).filter(|at| is_boundary(&source, *at).unwrap()).collect();
        assert_eq!(found, [0, 20, 40, 56, 77]);
    }
}
