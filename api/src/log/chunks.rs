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

/// Bytes of the wanted stream between two places that a layout remembers.
const MARK: u64 = 1 << 20;
/// Behind a chunk that is longer, the next header is read alone: the file of a long log is not read through for its headers.
const SPARSE: u32 = 4 << 10;
/// Bytes that are read along with a header elsewhere.
const WINDOW: usize = 8 << 10;

/// A log as its headers tell: how much there is of it, and where in the file that is.
#[derive(Debug)]
pub(super) struct Layout {
    which: Which,
    /// Bytes of both streams.
    pub(super) both: u64,
    /// Bytes of the wanted one.
    pub(super) wanted: u64,
    /// Chunks, with the bytes of the wanted stream before each, in their order.
    marks: Vec<(u64, u64)>,
}

impl Layout {
    /// Walks all headers.
    pub(super) fn of(source: &Source, which: Which) -> io::Result<Self> {
        let mut steps = Steps::at(source, 0);
        let mut layout = Self { which, both: 0, wanted: 0, marks: vec![(0, 0)] };
        while let Some((at, header, here)) = steps.next()? {
            let (_, marked) = layout.marks[layout.marks.len() - 1];
            if layout.wanted - marked >= MARK {
                layout.marks.push((at, layout.wanted));
            }
            layout.both += here;
            layout.wanted += if which.takes(header.stream) { here } else { 0 };
        }
        Ok(layout)
    }

    /// Where in the file a byte of the wanted stream is; behind all of it, the end.
    pub(super) fn place(&self, source: &Source, start: u64) -> io::Result<Place> {
        let after = self.marks.partition_point(|(_, before)| *before <= start);
        let (chunk, mut before) = self.marks[after - 1];
        let mut steps = Steps::at(source, chunk);
        while let Some((chunk, header, here)) = steps.next()? {
            let counted = if self.which.takes(header.stream) { here } else { 0 };
            if before + counted > start {
                return Ok(Place { chunk, skip: start - before });
            }
            before += counted;
        }
        Ok(Place { chunk: steps.at, skip: 0 })
    }
}

/// Whether a chunk begins at an offset of the file, or the file ends there.
pub(super) fn is_boundary(source: &Source, offset: u64) -> io::Result<bool> {
    let mut steps = Steps::at(source, 0);
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
    /// How much is read at the next header that is not in the window.
    reads: usize,
    len: u64,
}

impl<'a> Steps<'a> {
    /// From the chunk on that is there.
    fn at(source: &'a Source, at: u64) -> Self {
        let len = source.len();
        Self { source, at, window: Vec::new(), window_at: at, reads: WINDOW, len }
    }

    /// The next chunk: where it is, what it says, and how many of its bytes are there.
    fn next(&mut self) -> io::Result<Option<(u64, Header, u64)>> {
        let begins = self.at + HEADER as u64;
        if begins > self.len {
            return Ok(None);
        }
        let within = usize::try_from(self.at - self.window_at).unwrap_or(usize::MAX);
        if within.saturating_add(HEADER) > self.window.len() {
            self.window = self.source.read_at(self.at, self.reads)?.to_vec();
            self.window_at = self.at;
            if self.window.len() < HEADER {
                return Ok(None);
            }
        }
        let within = usize::try_from(self.at - self.window_at).unwrap_or(0);
        let header = Header::read(&self.window[within..within + HEADER]);
        self.reads = if header.len > SPARSE { HEADER } else { WINDOW };
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

    /// How many bytes there are, and where one of them is.
    fn found(source: &Source, which: Which, start: u64) -> (u64, Place) {
        let layout = Layout::of(source, which).unwrap();
        (layout.wanted, layout.place(source, start).unwrap())
    }

    #[test]
    fn a_place_is_found_in_the_chunk_that_holds_it() {
        let source = Source::whole(log());
        assert_eq!(found(&source, Which::Both, 0), (13, Place { chunk: 0, skip: 0 }));
        assert_eq!(found(&source, Which::Both, 5).1, Place { chunk: 20, skip: 1 });
        assert_eq!(found(&source, Which::Only(1), 6), (9, Place { chunk: 56, skip: 2 }));
        assert_eq!(found(&source, Which::Only(1), 99).1, Place { chunk: 77, skip: 0 });
    }

    #[test]
    fn a_place_of_a_long_log_is_found_from_the_mark_before_it() {
        // Chunks of every size, of both streams in turn, over several marks.
        let (mut log, mut firsts) = (Vec::new(), Vec::new());
        let mut before = 0;
        for (number, len) in (0..150_usize).map(|n| (n, n * 7919 % 60_000)) {
            let stream = if number.is_multiple_of(3) { 2 } else { 1 };
            if stream == 1 && len > 0 {
                firsts.push((before, log.len() as u64, len as u64));
                before += len as u64;
            }
            log.extend(chunk(1, stream, &vec![b'x'; len]));
        }
        let source = Source::whole(log);
        let layout = Layout::of(&source, Which::Only(1)).unwrap();
        assert!(layout.marks.len() > 2 && layout.both > layout.wanted, "{layout:?}");
        assert_eq!(layout.wanted, before);
        for (before, chunk, len) in firsts {
            for skip in [0, len - 1] {
                let place = layout.place(&source, before + skip).unwrap();
                assert_eq!(place, Place { chunk, skip });
            }
        }
    }

    #[test]
    fn of_a_log_in_long_chunks_little_more_than_the_headers_is_read() {
        let source = Source::whole(chunk(1, 1, &[b'x'; 60_000]).repeat(20));
        let mut steps = Steps::at(&source, 0);
        let mut read = 0;
        while let Some((at, ..)) = steps.next().unwrap() {
            assert_eq!(steps.window_at, at);
            read += steps.window.len();
        }
        assert_eq!(read, WINDOW + 19 * HEADER);
    }

    #[test]
    fn a_chunk_that_is_not_whole_yet_counts_as_far_as_it_is_there() {
        for (left, whole) in [(2, 11), (47, 4)] {
            let mut torn = log();
            torn.truncate(torn.len() - left);
            assert_eq!(found(&Source::whole(torn), Which::Both, 0).0, whole);
        }
    }

    #[test]
    fn only_beginnings_of_chunks_are_boundaries() {
        let source = Source::whole(log());
        let found: Vec<_> = (0..100).filter(|at| is_boundary(&source, *at).unwrap()).collect();
        assert_eq!(found, [0, 20, 40, 56, 77]);
    }
}
