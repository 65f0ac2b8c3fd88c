//! The protocol's own fields in the heads of requests and answers. What else is in them belongs to CGI and HTTP.

use bytes::{Bytes, BytesMut};

use super::key;
use crate::{Builder, FieldsWriter, HEADER, Kind};

/// How many digits the time in the queue has, which is known last.
pub const QUEUE_US_DIGITS: usize = 10;
const QUEUE_US: &[u8; QUEUE_US_DIGITS] = b"0000000000";

/// What a request's head begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// Milliseconds that the answer may take; 0: as long as it likes.
    pub deadline_ms: u64,
}

impl RequestHead<'_> {
    /// Writes the fields, the time in the queue as zeros. Returns where in the head its digits are.
    #[inline]
    pub fn put(&self, f: &mut FieldsWriter<'_>) -> usize {
        f.put(key::ID.as_bytes(), self.id);
        f.put(key::SCHEME.as_bytes(), self.scheme);
        f.put(key::QUEUE_US.as_bytes(), QUEUE_US);
        let digits = f.len() - QUEUE_US_DIGITS;
        f.number(key::DEADLINE_MS, self.deadline_ms);
        digits
    }
}

/// Copies a REQ frame with its stream's id, for a link with the app in front. Returns by how much the head moved.
#[inline]
pub fn put_request(out: &mut BytesMut, frame: &[u8], stream: u32, app: Option<&str>) -> usize {
    let start = out.len();
    let Some(app) = app else {
        out.extend_from_slice(frame);
        out[start + 8..start + 12].copy_from_slice(&stream.to_le_bytes());
        return 0;
    };
    Builder::new(out, Kind::Req, stream)
        .flags(frame[5])
        .fields(|f| {
            f.text(key::APP, app);
        })
        .body(&[]);
    let shift = out.len() - start - HEADER + 1;
    out.extend_from_slice(&[0]);
    out.extend_from_slice(&frame[HEADER..]);
    let grown = |at: usize| {
        let old = u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        (old + u32::try_from(shift).expect("app names are short")).to_le_bytes()
    };
    out[start..start + 4].copy_from_slice(&grown(0));
    out[start + 12..start + 16].copy_from_slice(&grown(12));
    shift
}

/// Writes a number into digits that are already there.
#[inline]
pub fn write_digits(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
}

/// The app that a request's head begins with on a link, and the rest of the head.
#[inline]
pub fn split_app(head: &Bytes) -> Option<(&str, Bytes)> {
    let value = head.strip_prefix(key::APP.as_bytes())?.strip_prefix(&[0])?;
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    let before = head.len() - value.len();
    let rest = head.slice((before + end + 1).min(head.len())..);
    Some((std::str::from_utf8(&value[..end]).ok()?, rest))
}

/// Whether a field of an answer is the protocol's own, the reason phrase.
#[inline]
pub fn is_reason_phrase(name: &[u8]) -> bool {
    name == key::REASON.as_bytes()
}
