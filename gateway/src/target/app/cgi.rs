//! The CGI environment of a request (RFC 3875): its variables, its header fields as `HTTP_NAME` without the hop-by-hop ones, and what is
//! said of the proxies on its way.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request::Parts};
use ostler_heads::request_id::REQUEST_ID;
use ostler_machine::clock;
use ostler_wire::FieldsWriter;

use super::request_frame::scheme;
use crate::request::{
    Head, RequestRecord,
    forwarded::{FORWARDED_FOR, FORWARDED_PROTO},
    spool::Body,
};

const NONE: HeaderName = HeaderName::from_static("none");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY: HeaderName = HeaderName::from_static("proxy");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

pub(super) fn put_request(
    f: &mut FieldsWriter<'_>,
    record: &RequestRecord,
    parts: &Parts,
    head: &Head,
) {
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
pub(super) fn put_body(f: &mut FieldsWriter<'_>, parts: &Parts, body: &Body) {
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
        f.put(b"CONTENT_TYPE", kind.as_bytes());
    }
    let told = parts.headers.contains_key(header::CONTENT_LENGTH);
    if let Some(length) = body.len().filter(|length| *length > 0 || told) {
        f.put(b"CONTENT_LENGTH", itoa::Buffer::new().format(length).as_bytes());
    }
}

/// The other fields as `HTTP_NAME`; several of one name joined as RFC 9110 5.3 has it, cookies as RFC 9113 8.2.3 has it.
pub(super) fn put_headers(
    f: &mut FieldsWriter<'_>,
    headers: &HeaderMap,
    head: &Head,
    record: &RequestRecord,
) {
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

pub(super) fn put_forwarded(f: &mut FieldsWriter<'_>, record: &RequestRecord, parts: &Parts) {
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
