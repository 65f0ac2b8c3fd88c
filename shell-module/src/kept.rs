//! What of an attempt's log is mailed: its beginning, and its last bytes where that is not all.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Bytes of output from the beginning, at most.
pub(crate) const BEGIN_MAX: usize = 256 << 10;
/// Before the bytes of a chunk: a time, a length, a stream.
const CHUNK_HEAD: usize = 16;
/// Bytes of a log's file that are looked at: chunks of single lines have as much around them as in them.
const READ_MAX: usize = 2 * BEGIN_MAX;

/// A log as it is when its attempt is over. It can be read when the attempt is forgotten, too.
#[derive(Debug)]
pub(crate) struct Kept {
    /// All of it, as chunks.
    pub(crate) chunks: Chunks,
    /// Its first and last bytes.
    pub(crate) ends: [Vec<u8>; 2],
    /// How many there were in all.
    pub(crate) written: u64,
}

/// Where the chunks of a log are.
#[derive(Debug)]
pub(crate) enum Chunks {
    /// Here.
    Memory(Vec<u8>),
    /// In a file of so many bytes.
    File(File, u64),
}

/// The output as it is mailed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) begin: Vec<u8>,
    /// Bytes between the two.
    pub(crate) left_out: u64,
    pub(crate) end: Vec<u8>,
}

impl Kept {
    /// Reads it; may wait for the disk.
    pub(crate) fn read(self) -> io::Result<Output> {
        let [head, tail] = self.ends;
        let chunks = match self.chunks {
            Chunks::Memory(bytes) => bytes,
            Chunks::File(file, length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(READ_MAX);
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, 0)?;
                bytes
            }
        };
        let mut begin = text_of(&chunks);
        // A disk that was full has kept none of it.
        if begin.len() < head.len() {
            begin = head;
        }
        let rest = self.written.saturating_sub(begin.len() as u64);
        let from = tail.len() - usize::try_from(rest).unwrap_or(usize::MAX).min(tail.len());
        let end = tail[from..].to_vec();
        Ok(Output { begin, left_out: rest - end.len() as u64, end })
    }
}

/// The bytes of the chunks, without what is around them.
fn text_of(mut chunks: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((head, rest)) = chunks.split_at_checked(CHUNK_HEAD) {
        let length = u32::from_le_bytes(head[8..12].try_into().expect("four bytes"));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let there = length.min(rest.len()).min(BEGIN_MAX - text.len());
        text.extend_from_slice(&rest[..there]);
        if there < length {
            break;
        }
        chunks = &rest[length..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap();
        [&[0; 8][..], &length.to_le_bytes(), &[1, 0, 0, 0], bytes].concat()
    }

    fn read(chunks: Vec<u8>, (head, tail): (&[u8], &[u8]), written: u64) -> Output {
        let kept =
            Kept { chunks: Chunks::Memory(chunks), ends: [head.to_vec(), tail.to_vec()], written };
        kept.read().unwrap()
    }

    #[test]
    fn a_log_that_is_not_long_is_mailed_whole() {
        let output = read([chunk(b"one\n"), chunk(b"two\n")].concat(), (b"one\ntwo\n", b""), 8);
        assert_eq!(output, Output { begin: b"one\ntwo\n".to_vec(), left_out: 0, end: vec![] });
        // What is after the head may be the tail's already.
        let output = read(chunk(b"abcdef"), (b"abc", b"def"), 6);
        assert_eq!(output, Output { begin: b"abcdef".to_vec(), left_out: 0, end: vec![] });
    }

    #[test]
    fn of_a_long_log_the_beginning_and_the_end_are_mailed_and_what_is_between_is_counted() {
        let output = read(chunk(&[b'x'; BEGIN_MAX + 9]), (b"xxx", b"tail"), 1 << 30);
        assert_eq!((output.begin.len(), output.end.as_slice()), (BEGIN_MAX, &b"tail"[..]));
        assert_eq!(output.left_out, (1 << 30) - BEGIN_MAX as u64 - 4);
        // Two bytes are left out of the beginning; only they come from the end.
        let output = read(chunk(&[b'x'; BEGIN_MAX + 2]), (b"x", b"xyz"), BEGIN_MAX as u64 + 2);
        assert_eq!((output.left_out, output.end.as_slice()), (0, &b"yz"[..]));
    }

    #[test]
    fn of_a_log_that_could_not_be_kept_its_ends_are_mailed() {
        let output = read(Vec::new(), (b"head", b"tail"), 100);
        assert_eq!(output, Output { begin: b"head".to_vec(), left_out: 92, end: b"tail".to_vec() });
    }

    #[test]
    fn damaged_chunks_are_mailed_as_far_as_they_go() {
        let mut long = chunk(b"abc");
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(text_of(&long), b"abc");
        assert_eq!(text_of(&chunk(b"abc")[..10]), b"");
        assert_eq!(text_of(&[chunk(b""), chunk(b"z")].concat()), b"z");
    }
}
