//! The request as a child gets it: one REQ frame with a CGI environment (RFC 3875) and the body's beginning.

use bytes::BytesMut;
use http::request::Parts;
use ostler_pool::passing::Outgoing;
use ostler_wire::{Builder, HEADER, Kind, flags, message::RequestHead};

use super::cgi;
use crate::request::{Head, RequestRecord, spool::Body};

/// The largest body that travels in the REQ frame itself: the child gets it with one read.
const INLINE_MAX: usize = 64 << 10;

/// Writes the frame. Its stream and queue time are filled in when a child is found.
pub(crate) fn request_frame(
    record: &RequestRecord,
    parts: &Parts,
    head: &Head,
    body: &Body,
) -> Outgoing {
    let inline = match body {
        Body::Memory(bytes) if bytes.len() <= INLINE_MAX => Some(bytes.clone()),
        Body::Memory(_) | Body::File(_) | Body::Stream(..) => None,
    };
    let mut frame = BytesMut::with_capacity(1024 + inline.as_ref().map_or(0, |b| b.len()));
    let mut bits = if inline.is_some() { flags::END } else { 0 };
    if parts.method == http::Method::HEAD {
        bits |= flags::BODYLESS;
    }
    let mut queue_us_at = 0;
    Builder::new(&mut frame, Kind::Req, 0)
        .flags(bits)
        .fields(|f| {
            let own = RequestHead {
                id: record.id.as_bytes(),
                scheme: scheme(record),
                deadline_ms: deadline(record),
            };
            queue_us_at = HEADER + own.put(f);
            cgi::put_request(f, record, parts, head);
            cgi::put_body(f, parts, body);
            cgi::put_headers(f, &parts.headers, head, record);
            cgi::put_forwarded(f, record, parts);
        })
        .body(inline.as_deref().unwrap_or_default());
    Outgoing {
        frame,
        queue_us_at,
        more: inline.is_none(),
        replayable: !matches!(body, Body::Stream(..)),
    }
}

pub(super) fn scheme(record: &RequestRecord) -> &'static [u8] {
    if record.secure { b"https" } else { b"http" }
}

/// Milliseconds that all of it may take; 0: there is no limit.
fn deadline(record: &RequestRecord) -> u64 {
    let total = record.route.as_ref().map_or(std::time::Duration::ZERO, |r| r.timeouts.total);
    u64::try_from(total.as_millis()).unwrap_or(0)
}
