//! What must be true of a request head whatever the protocol version, and the facts that routing needs.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Method, StatusCode, Version, header, request::Parts};

use super::{respond::Refusal, trip::Trip};
use crate::http1::scan;

/// The facts of a checked head.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// Host without its port, lower case.
    pub(super) host: String,
    /// The port that the client named.
    pub(super) port: Option<u16>,
    /// The path with its percent escapes resolved.
    pub(super) path_decoded: Cow<'a, [u8]>,
}

/// Refuses what no app should see.
pub(super) fn check<'a>(trip: &mut Trip, parts: &'a Parts) -> Result<Head<'a>, Refusal> {
    if let Some(refused) = trip.connection.notes.next_request() {
        trip.method = Method::default();
        return Err(Refusal::malformed(refused.status, refused.reason).closing());
    }
    if parts.method == Method::CONNECT {
        return Err(Refusal::malformed(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported"));
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        let reason = "request target is neither a path nor an http URL";
        return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
    }
    let target_bytes = parts.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if target_bytes > scan::TARGET_MAX {
        return Err(Refusal::malformed(StatusCode::URI_TOO_LONG, "request target is too long"));
    }
    if parts.headers.len() > trip.gate.limits.header_count {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal::malformed(status, "too many header fields"));
    }
    let authority = authority(trip, parts)?;
    let (mut host, port) = split_port(&authority);
    host.make_ascii_lowercase();
    let head = Head { host, port, path_decoded: decode_path(parts.uri.path())? };
    trip.host = authority;
    Ok(head)
}

/// The host that is meant: the target's own, else the Host field. In HTTP/2 both must agree (RFC 9113 8.3.1).
fn authority(trip: &Trip, parts: &Parts) -> Result<Bytes, Refusal> {
    let bad = |reason| Refusal::malformed(StatusCode::BAD_REQUEST, reason);
    let field = parts.headers.get(header::HOST).map(|h| h.as_bytes());
    let target = parts.uri.authority().map(|a| a.as_str().as_bytes());
    if let (Some(target), Some(field)) = (target, field)
        && parts.version == Version::HTTP_2
        && !target.eq_ignore_ascii_case(field)
    {
        return Err(bad("Host differs from :authority"));
    }
    if parts.headers.get_all(header::HOST).iter().count() > 1 {
        return Err(bad("more than one Host"));
    }
    let named = target.or(field).unwrap_or_default();
    if scan::check_host(named).is_err() {
        return Err(bad("malformed Host"));
    }
    if parts.version == Version::HTTP_2 && named.is_empty() {
        return Err(bad("no :authority and no Host"));
    }
    Ok(match trip.host.is_empty() {
        true => Bytes::copy_from_slice(named),
        false => trip.host.clone(),
    })
}

fn split_port(authority: &[u8]) -> (String, Option<u16>) {
    let text = String::from_utf8_lossy(authority);
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.parse().ok()),
        Some(_) | None => (text.into_owned(), None),
    }
}

/// Resolves percent escapes. A NUL would end the value on the wire, `..` would leave the prefix that was routed by.
fn decode_path(path: &str) -> Result<Cow<'_, [u8]>, Refusal> {
    let bad = |reason| Refusal::malformed(StatusCode::BAD_REQUEST, reason);
    let bytes = path.as_bytes();
    let decoded = match memchr::memchr(b'%', bytes) {
        None => Cow::Borrowed(bytes),
        Some(_) => Cow::Owned(percent_decode(bytes)),
    };
    if memchr::memchr(0, &decoded).is_some() {
        return Err(bad("NUL in the path"));
    }
    if memchr::memmem::find(&decoded, b"..").is_some()
        && decoded.split(|b| *b == b'/').any(|segment| segment == b"..")
    {
        return Err(bad("dot segments in the path"));
    }
    Ok(decoded)
}

/// An escape that is none stays as it is, as every WSGI server has it.
pub(super) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).expect("two hex digits are a byte"));
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_broken_ones_stay() {
        assert_eq!(percent_decode(b"/a%20b%2Fc%zz%4"), b"/a b/c%zz%4");
        assert_eq!(percent_decode("/caf%C3%A9".as_bytes()), "/café".as_bytes());
    }

    #[test]
    fn nul_and_dot_segments_are_refused_in_any_spelling() {
        for path in ["/a%00b", "/%00", "/..", "/a/../b", "/a/%2e%2e/b", "/a/.%2E"] {
            assert!(decode_path(path).is_err(), "{path}");
        }
        for path in ["/", "/a..b/c", "/...", "/.well-known/x", "/a%20b"] {
            assert!(decode_path(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn ports_are_split_from_names_and_bracketed_addresses() {
        assert_eq!(split_port(b"shop.example:8443"), ("shop.example".into(), Some(8443)));
        assert_eq!(split_port(b"[::1]:80"), ("[::1]".into(), Some(80)));
        assert_eq!(split_port(b"[::1]"), ("[::1]".into(), None));
        assert_eq!(split_port(b"shop.example"), ("shop.example".into(), None));
    }
}
