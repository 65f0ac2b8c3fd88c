//! Request heads, the guard and chunked bodies in any bytes and any split: no panic, the same verdict however the bytes
//! come, and nothing passes that a plain reading of the rules would refuse.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::http1::{
    chunked::Chunked,
    guard::{Guard, Notes},
    scan::{self, Bounds, Framing, Progress},
};

/// Small enough that a fuzzer finds the limits.
const TIGHT: Bounds = Bounds { bytes: 512, fields: 16, target: 128 };
/// Never reached, so that a split cannot decide when a limit is noticed.
const WIDE: Bounds = Bounds { bytes: 1 << 20, fields: 1 << 10, target: 1 << 16 };

/// The first byte chooses the split, the rest is what comes on the connection.
pub(crate) fn check_heads(data: &[u8]) {
    let Some((split, bytes)) = data.split_first() else { return };
    let piece = usize::from(*split) + 1;
    for bounds in [TIGHT, WIDE] {
        check_head(bytes, piece, bounds);
    }
    let whole = guarded(bytes, bytes.len().max(1), 1 << 16);
    for (piece, room) in [(piece, 1 << 16), (1, 64), (bytes.len().max(1), piece)] {
        let (out, refused, broke) = guarded(bytes, piece, room);
        assert_eq!((refused, broke), (whole.1, whole.2), "pieces of {piece} read into {room}");
        // Of a piece with something malformed in it nothing passes, so that the split decides how much comes before.
        let same = if broke { out.len().min(whole.0.len()) } else { out.len().max(whole.0.len()) };
        assert_eq!(out.get(..same), whole.0.get(..same), "pieces of {piece} read into {room}");
        assert!(out.get(..same).is_some(), "pieces of {piece} read into {room}");
    }
    let (out, refused, _) = whole;
    let own = if refused { out.len() - stand_in(&out) } else { out.len() };
    assert_eq!(out[..own], bytes[..own], "what passes is what came");
}

/// A head that comes in pieces is judged as one that comes whole, and an accepted one is right.
fn check_head(bytes: &[u8], piece: usize, bounds: Bounds) {
    let whole = scan::head(bytes, bounds);
    let mut progress = Progress::default();
    let mut ends = (piece..bytes.len()).step_by(piece).chain([bytes.len()]);
    let verdict =
        ends.find_map(|end| scan::resume(&bytes[..end], bounds, &mut progress).transpose());
    match &whole {
        Ok(Some((len, framing))) => {
            check_accepted(&bytes[..*len], *framing, bounds);
            assert_eq!(verdict, Some(Ok((*len, *framing))), "a split changes nothing");
        }
        Ok(None) => assert_eq!(verdict, None, "a split changes nothing"),
        Err(_) => assert!(matches!(verdict, Some(Err(_))), "a split lets nothing pass"),
    }
    let heard = scan::hear(bytes);
    assert!(heard.method.len() <= 3 * scan::METHOD_MAX && heard.host.len() <= 1024);
}

fn check_accepted(head: &[u8], framing: Framing, bounds: Bounds) {
    assert!(head.ends_with(b"\r\n\r\n") && head.len() <= bounds.bytes + 12);
    let text = head.strip_suffix(b"\r\n\r\n").expect("just seen");
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    let (last, others) = lines.split_last().expect("split gives one at least");
    assert!(others.iter().all(|line| line.ends_with(b"\r")), "every line ends in CRLF");
    for line in others.iter().map(|line| &line[..line.len() - 1]).chain([*last]) {
        assert!(!line.contains(&b'\r') && !line.contains(&0), "no bare CR, no NUL");
    }
    let named = |name: &str| {
        let is = |line: &&&[u8]| {
            line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        };
        lines.iter().filter(is).count()
    };
    let (lengths, codings) = (named("content-length:"), named("transfer-encoding:"));
    assert!(lengths + codings <= 1 && named("host:") <= 1, "one framing, one host");
    assert_eq!(framing == Framing::Chunked, codings == 1);
}

/// What hyper would read, whether a request was refused, and whether the connection broke.
fn guarded(bytes: &[u8], piece: usize, room: usize) -> (Vec<u8>, bool, bool) {
    let notes = Arc::new(Notes::default());
    let io = Pieces { bytes, piece };
    let mut guard = Guard::new(io, WIDE, Duration::from_secs(1), notes.clone());
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    let broke = loop {
        let mut read = ReadBuf::new(&mut buffer);
        match Pin::new(&mut guard).poll_read(&mut Context::from_waker(Waker::noop()), &mut read) {
            Poll::Ready(Ok(())) if read.filled().is_empty() => break false,
            Poll::Ready(Ok(())) => out.extend_from_slice(read.filled()),
            Poll::Ready(Err(_)) => break true,
            Poll::Pending => unreachable!("there is always something to read, or the end"),
        }
    };
    // As many requests as there can be.
    let refused = (0..=bytes.len()).any(|_| notes.next_request().is_some());
    (out, refused, broke)
}

/// The length of what stands for a refused request.
fn stand_in(out: &[u8]) -> usize {
    let methods = [&b"GET"[..], b"HEAD"];
    let rest = b" / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
    let found = methods.iter().find(|method| out.ends_with(&[method, &rest[..]].concat()));
    found.expect("a refused request is stood in for").len() + rest.len()
}

/// A connection on which bytes come in pieces, and then its end.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.piece.min(out.remaining()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        out.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// The first byte chooses the split, the rest is the body and what follows it.
pub(crate) fn check_chunks(data: &[u8]) {
    let Some((split, bytes)) = data.split_first() else { return };
    let whole = follow(bytes, bytes.len().max(1));
    for piece in [usize::from(*split) + 1, 1] {
        assert_eq!(follow(bytes, piece), whole, "a split changes nothing");
    }
    match whole {
        Some((len, true)) => {
            assert_eq!(read_plainly(bytes), Some(len), "the body ends where it ends")
        }
        Some((_, false)) | None => assert_eq!(read_plainly(bytes), None, "a whole body is seen"),
    }
}

/// How many bytes were taken and whether the body is over; `None`: it is malformed.
fn follow(bytes: &[u8], piece: usize) -> Option<(usize, bool)> {
    let mut chunked = Chunked::START;
    let mut taken = 0;
    for piece in bytes.chunks(piece) {
        let len = chunked.follow(piece).ok()?;
        taken += len;
        if len < piece.len() {
            break;
        }
    }
    Some((taken, chunked == Chunked::Done))
}

/// RFC 9112 7.1 read line by line, with the limits of the gateway: the length of the body when it is whole and right.
fn read_plainly(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let extension = &line[digits..];
        let begins = extension.first().is_none_or(|b| b";\t ".contains(b));
        if digits == 0 || digits > 15 || extension.len() > 1024 || !begins {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            return trailers(bytes, at);
        }
        at = at.checked_add(size)?;
        if bytes.get(at..at.checked_add(2)?)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
}

fn trailers(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut total = 0;
    loop {
        let line = line(bytes, &mut at)?;
        if line.is_empty() {
            return Some(at);
        }
        total += line.len();
        let name = &line[..line.iter().position(|b| *b == b':')?];
        if total > 8192 || name.is_empty() || !name.iter().all(|b| scan::is_token(*b)) {
            return None;
        }
    }
}

/// The line at a place, without its CRLF; none with a control character in it.
fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    let line = &rest[..end];
    let control = |b: &u8| *b != b'\t' && (*b < 32 || *b == 127);
    (!line.iter().any(control)).then_some(line)
}
