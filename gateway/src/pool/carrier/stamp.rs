//! The last touch on a REQ frame: its stream, its time in the queue, and on a link its app.

use bytes::BytesMut;
use ostler_wire::{Builder, HEADER, Kind};

/// Copies a REQ frame with its stream's id, for a link with the app in front. Returns by how much the head moved.
pub(super) fn put_request(
    out: &mut BytesMut,
    frame: &[u8],
    stream: u32,
    app: Option<&str>,
) -> usize {
    let start = out.len();
    let Some(app) = app else {
        out.extend_from_slice(frame);
        out[start + 8..start + 12].copy_from_slice(&stream.to_le_bytes());
        return 0;
    };
    Builder::new(out, Kind::Req, stream)
        .flags(frame[5])
        .fields(|f| {
            f.put(b":app", app.as_bytes());
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
pub(super) fn write_digits(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
}
