//! Stands between a socket and h2, so that pseudo fields in trailers are an error of their stream (RFC 9113 8.1).
//!
//! h2 takes such a field and forgets it, and nobody behind it can know. What it does refuse, in any block, is a pseudo field after
//! one of another kind. So each block of trailers gets such a field at its beginning, which nobody reads: trailers are thrown away.
//! That takes no decoding: a HEADERS frame of a stream that is known already has trailers, and the field is a literal that is not
//! to be remembered. All else passes as it is, without being copied.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
/// The largest frame that is taken, since we ask for no larger ones: h2 says so to whoever sends one.
const FRAME_MAX: usize = 16 << 10;
/// The field `x` without a value, as a literal without indexing (RFC 7541 6.2.2).
const MARK: [u8; 4] = [0, 1, b'x', 0];

/// See the module.
#[derive(Debug)]
pub struct Guard<T> {
    io: T,
    /// The highest stream of which a head has come.
    last: u32,
    /// Bytes of the present frame that are still to come, or of the preface.
    left: usize,
    /// Frame heads and trailers that are not whole yet.
    half: BytesMut,
    /// What is to be passed before anything else is read.
    ready: BytesMut,
}

struct FrameHead {
    len: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<FRAME_HEAD>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        // The first bit means nothing.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Some(Self { len, kind, flags, stream })
    }
}

impl<T> Guard<T> {
    /// Guards a connection.
    pub fn new(io: T) -> Self {
        let (half, ready) = (BytesMut::new(), BytesMut::new());
        Self { io, last: 0, left: PREFACE, half, ready }
    }

    fn is_of_trailers(&self, head: &FrameHead) -> bool {
        head.kind == HEADERS && head.stream <= self.last && head.len <= FRAME_MAX
    }

    /// How many bytes may pass as they are: to the next trailers, or to a frame whose head is not whole.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let step = self.left.min(bytes.len() - at);
            at += step;
            self.left -= step;
            if self.left > 0 {
                return at;
            }
            match FrameHead::read(&bytes[at..]) {
                Some(head) if !self.is_of_trailers(&head) => {
                    if head.kind == HEADERS {
                        self.last = self.last.max(head.stream);
                    }
                    at += FRAME_HEAD;
                    self.left = head.len;
                }
                Some(_) | None => return at,
            }
        }
    }

    /// Passes what is whole.
    fn sort(&mut self) {
        loop {
            let mut half = std::mem::take(&mut self.half);
            let passes = self.follow(&half);
            self.ready.extend_from_slice(&half[..passes]);
            half.advance(passes);
            self.half = half;
            let Some(head) = FrameHead::read(&self.half) else { return };
            // Whole frames of other kinds are never held.
            if self.half.len() < FRAME_HEAD + head.len {
                return;
            }
            let frame = self.half.split_to(FRAME_HEAD + head.len);
            match marked(&head, &frame[FRAME_HEAD..]) {
                Some(marked) => self.ready.extend_from_slice(&marked),
                None => self.ready.extend_from_slice(&frame),
            }
        }
    }
}

/// The trailers with the field before theirs. The field has a frame of its own, so that none becomes too large. None: the frame is
/// malformed, which h2 says itself.
fn marked(head: &FrameHead, payload: &[u8]) -> Option<Vec<u8>> {
    let has = |flag| head.flags & flag != 0;
    let padding = if has(PADDED) { usize::from(*payload.first()?) } else { 0 };
    let start = usize::from(has(PADDED)) + if has(PRIORITY) { 5 } else { 0 };
    let block = payload.get(start..payload.len().checked_sub(padding)?)?;
    let (updates, fields) = block.split_at(size_updates(block)?);
    let mut out = Vec::with_capacity(2 * FRAME_HEAD + MARK.len() + block.len());
    let mut frame = |kind, flags, parts: [&[u8]; 2]| {
        let len = u32::try_from(parts[0].len() + parts[1].len()).ok()?.to_be_bytes();
        out.extend_from_slice(&[len[1], len[2], len[3], kind, flags]);
        out.extend_from_slice(&head.stream.to_be_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
        Some(())
    };
    frame(HEADERS, head.flags & END_STREAM, [updates, &MARK])?;
    frame(CONTINUATION, head.flags & END_HEADERS, [fields, &[]])?;
    Some(out)
}

/// The bytes of a block that change the table's size, which they may do only at its beginning (RFC 7541 6.3).
fn size_updates(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = block.get(at).filter(|byte| *byte & 0xe0 == 0x20) {
        at += 1;
        if byte & 0x1f == 0x1f {
            at += block[at..].iter().position(|byte| byte & 0x80 == 0)? + 1;
        }
    }
    Some(at)
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let bytes = this.ready.split_to(this.ready.len().min(out.remaining()));
                out.put_slice(&bytes);
                return Poll::Ready(Ok(()));
            }
            let before = out.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
            let fresh = &out.filled()[before..];
            if fresh.is_empty() {
                // The end: what is not whole is told as it is.
                this.ready = std::mem::take(&mut this.half);
                if this.ready.is_empty() || out.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let passes = if this.half.is_empty() { this.follow(fresh) } else { 0 };
            if passes < fresh.len() {
                this.half.extend_from_slice(&fresh[passes..]);
                out.set_filled(before + passes);
                this.sort();
            }
            if passes > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [&head[..], payload].concat()
    }

    /// What comes out when the bytes come in pieces of this size.
    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut io = tokio_test_io(bytes, piece);
        let mut out = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Guard::new(&mut io).read_to_end(&mut out)).unwrap();
        out
    }

    struct Pieces(Vec<u8>, usize);

    fn tokio_test_io(bytes: &[u8], piece: usize) -> Pieces {
        Pieces(bytes.to_vec(), piece)
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let len = self.1.min(self.0.len()).min(out.remaining());
            out.put_slice(&self.0[..len]);
            self.0.drain(..len);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn trailers_get_a_field_and_all_else_passes_as_it_is() {
        let start = [vec![b'p'; PREFACE], frame(4, 0, 0, &[]), frame(1, 4, 1, b"head")].concat();
        let end = [frame(0, 1, 1, &[7; 300]), frame(1, 5, 3, b"next"), vec![0, 0]].concat();
        let rest = |block: &[u8], flags| frame(CONTINUATION, flags, 1, block);
        for (trailers, marked) in [
            (frame(1, 5, 1, b"\x01fields"), [frame(1, 1, 1, &MARK), rest(b"\x01fields", 4)]),
            (frame(1, 1, 1, b"\x01half"), [frame(1, 1, 1, &MARK), rest(b"\x01half", 0)]),
            (frame(1, 5, 1, b""), [frame(1, 1, 1, &MARK), rest(b"", 4)]),
            // Padding, the priority and changes of the table's size.
            (
                frame(1, 0x2d, 1, b"\x02prior\x20\x3f\x80\x01\x01f\0\0"),
                [frame(1, 1, 1, b"\x20\x3f\x80\x01\0\x01x\0"), rest(b"\x01f", 4)],
            ),
        ] {
            let sent = [&start[..], &trailers, &end].concat();
            let wanted = [&start[..], &marked.concat(), &end].concat();
            for piece in [1, 7, 10, 64, 4096] {
                assert_eq!(passed(&sent, piece), wanted, "{piece}");
            }
        }
    }

    #[test]
    fn what_is_malformed_passes_as_it_is() {
        let start = [vec![b'p'; PREFACE], frame(1, 4, 1, b"head")].concat();
        for odd in [
            frame(1, 0x0d, 1, b"\x09short"),
            frame(1, 0x0d, 1, b""),
            frame(1, 0x25, 1, b"few"),
            frame(1, 5, 1, b"\x3f\xff\xff"),
            frame(1, 5, 1, &[1; FRAME_MAX + 1]),
            frame(1, 5, 1, b"cut off")[..12].to_vec(),
        ] {
            let sent = [&start[..], &odd].concat();
            for piece in [1, 10, 40_000] {
                assert_eq!(passed(&sent, piece), sent, "{odd:?}");
            }
        }
    }
}
