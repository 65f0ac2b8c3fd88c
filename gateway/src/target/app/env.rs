//! The request as a child gets it: one REQ frame with a CGI environment (RFC 3875) and the body's beginning.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request::Parts};
use ostler_heads::request_id::REQUEST_ID;
use ostler_machine::clock;
use ostler_pool::passing::Outgoing;
use ostler_wire::{Builder, FieldsWriter, HEADER, Kind, flags, message::RequestHead};

use crate::request::{
    Head, RequestRecord,
    forwarded::{FORWARDED_FOR, FORWARDED_PROTO},
    spool::Body,
};

/// The largest body that travels in the REQ frame itself: the child gets it with one read.
const INLINE_MAX: usize = 64 << 10;

const NONE: HeaderName = HeaderName::from_static("none");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY: HeaderName = HeaderName::from_static("proxy");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

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
            put_request(f, record, parts, head);
            put_body(f, parts, body);
            put_headers(f, &parts.headers, head, record);
            put_forwarded(f, record, parts);
        })
        .body(inline.as_deref().unwrap_or_default());
    Outgoing {
        frame,
        queue_us_at,
        more: inline.is_none(),
        replayable: !matches!(body, Body::Stream(..)),
    }
}

fn scheme(record: &RequestRecord) -> &'static [u8] {
    if record.secure { b"https" } else { b"http" }
}

/// Milliseconds that all of it may take; 0: there is no limit.
fn deadline(record: &RequestRecord) -> u64 {
    let total = record.route.as_ref().map_or(std::time::Duration::ZERO, |r| r.timeouts.total);
    u64::try_from(total.as_millis()).unwrap_or(0)
}

fn put_request(f: &mut FieldsWriter<'_>, record: &RequestRecord, parts: &Parts, head: &Head) {
    let target = parts.uri.path_and_query().map_or("*", |p| p.as_str()).as_bytes();
    let mut number = itoa::Buffer::new();
    f.put(b"REQUEST_METHOD", parts.method.as_str().as_bytes());
    f.put(b"SCRIPT_NAME", b"");
    f.put(b"PATH_INFO", head.path(&parts.uri));
    f.put(b"QUERY_STRING", parts.uri.query().unwrap_or("").as_bytes());
    f.put(b"REQUEST_URI", target);
    f.put(b"RAW_URI", target);
    f.put(b"SERVER_PROTOCOL", protocol(parts.version));
    let local = record.connection.local;
    match head.host.as_str() {
        "" => f.put(b"SERVER_NAME", local.ip().to_string().as_bytes()),
        host => f.put(b"SERVER_NAME", host.as_bytes()),
    };
    let port = head.port.unwrap_or_else(|| match (head.host.is_empty(), record.secure) {
        (true, _) => local.port(),
        (false, true) => 443,
        (false, false) => 80,
    });
    f.put(b"SERVER_PORT", number.format(port).as_bytes());
    match record.client == record.connection.peer.ip() {
        true => f.put(b"REMOTE_ADDR", &record.connection.peer_text),
        false => f.put(b"REMOTE_ADDR", record.client.to_string().as_bytes()),
    };
    f.put(b"REMOTE_PORT", number.format(record.connection.peer.port()).as_bytes());
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        _ => b"HTTP/1.1",
    }
}

/// The length is told whenever it is known, whether or not the client told it.
fn put_body(f: &mut FieldsWriter<'_>, parts: &Parts, body: &Body) {
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
        f.put(b"CONTENT_TYPE", kind.as_bytes());
    }
    let told = parts.headers.contains_key(header::CONTENT_LENGTH);
    if let Some(length) = body.len().filter(|length| *length > 0 || told) {
        f.put(b"CONTENT_LENGTH", itoa::Buffer::new().format(length).as_bytes());
    }
}

/// The other fields as `HTTP_NAME`; several of one name joined as RFC 9110 5.3 has it, cookies as RFC 9113 8.2.3 has it.
fn put_headers(f: &mut FieldsWriter<'_>, headers: &HeaderMap, head: &Head, record: &RequestRecord) {
    // A target with a host of its own overrules the field (RFC 9112 3.2.2), and HTTP/2 has only the former.
    let named = record.uri.authority();
    if let Some(named) = named {
        f.put(b"HTTP_HOST", named.as_str().as_bytes());
    }
    let mut last: &HeaderName = &NONE;
    for (name, value) in headers {
        if is_dropped(name, headers, head, record.trusted)
            || (named.is_some() && name == header::HOST)
        {
            continue;
        }
        if name == last {
            let between: &[u8] = if name == header::COOKIE { b"; " } else { b"," };
            f.extend(&[between, value.as_bytes()]);
            continue;
        }
        last = name;
        put_http(f, name, value);
    }
}

fn put_http(f: &mut FieldsWriter<'_>, name: &HeaderName, value: &HeaderValue) {
    let mut upper = [0; 64];
    let name = name.as_str().as_bytes();
    if name.len() > upper.len() {
        let upper: Vec<u8> = name.iter().map(|b| env_byte(*b)).collect();
        f.put_parts(&[b"HTTP_", &upper], &[value.as_bytes()]);
        return;
    }
    for (to, from) in upper.iter_mut().zip(name) {
        *to = env_byte(*from);
    }
    f.put_parts(&[b"HTTP_", &upper[..name.len()]], &[value.as_bytes()]);
}

const fn env_byte(b: u8) -> u8 {
    if b == b'-' { b'_' } else { b.to_ascii_uppercase() }
}

/// Hop-by-hop fields, fields that we set ourselves, and names that another name could be mistaken for.
fn is_dropped(name: &HeaderName, headers: &HeaderMap, head: &Head, trusted: bool) -> bool {
    if name == header::HOST || name == header::USER_AGENT || name == header::ACCEPT {
        return false;
    }
    let ours = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY,
        REQUEST_ID,
        REQUEST_START,
        FORWARDED_FOR,
        FORWARDED_PROTO,
    ];
    ours.contains(name)
        || (!trusted && is_a_proxys(name))
        || (name == header::FORWARDED && headers.contains_key(FORWARDED_FOR))
        || name.as_str().as_bytes().contains(&b'_')
        || head.of_connection.iter().any(|named| named == name.as_str().as_bytes())
}

/// What only a proxy should say about a client.
fn is_a_proxys(name: &HeaderName) -> bool {
    name == header::FORWARDED
        || name.as_str().starts_with("x-forwarded-")
        || name.as_str() == "x-real-ip"
}

fn put_forwarded(f: &mut FieldsWriter<'_>, record: &RequestRecord, parts: &Parts) {
    f.put(b"HTTP_X_FORWARDED_FOR", b"");
    if record.trusted {
        for list in parts.headers.get_all(FORWARDED_FOR) {
            f.extend(&[list.as_bytes(), b", "]);
        }
    }
    f.extend(&[&record.connection.peer_text]);
    f.put(b"HTTP_X_FORWARDED_PROTO", scheme(record));
    f.put(b"HTTP_X_REQUEST_ID", record.id.as_bytes());
    let micros = u64::try_from(clock::wall().as_micros()).unwrap_or(0);
    f.put_parts(
        &[b"HTTP_X_REQUEST_START"],
        &[b"t=", itoa::Buffer::new().format(micros).as_bytes()],
    );
}
