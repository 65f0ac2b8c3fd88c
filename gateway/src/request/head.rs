//! What must be true of a request head whatever the protocol version, and the facts that routing needs.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version, header, request::Parts};
use ostler_heads::{http1::scan, percent::percent_decode};

use super::{http2, page, record::RequestRecord, respond::Refusal};

/// The facts of a checked head.
#[derive(Debug)]
pub(crate) struct Head {
    /// Host without its port, lower case.
    pub(crate) host: String,
    /// The port that the client named.
    pub(crate) port: Option<u16>,
    /// The path with its percent escapes resolved, where it has any.
    decoded: Option<Vec<u8>>,
    /// The fields that Connection names, in lower case.
    pub(crate) of_connection: Vec<Vec<u8>>,
}

impl Head {
    /// The path of the target that was checked, with its percent escapes resolved: what the app gets.
    pub(crate) fn path<'a>(&'a self, uri: &'a Uri) -> &'a [u8] {
        self.decoded.as_deref().unwrap_or_else(|| uri.path().as_bytes())
    }
}

/// Fields that Connection may name; nobody has so many.
const CONNECTION_MAX: usize = 32;

/// Refuses what no app should see.
pub(crate) fn check(record: &mut RequestRecord, parts: &Parts) -> Result<Head, Refusal> {
    if let Some((refused, heard)) = record.connection.notes.next_request() {
        record.hear(heard);
        return Err(Refusal::malformed(refused.status, refused.reason).closing());
    }
    check_form(record, parts)?;
    if parts.version == Version::HTTP_2 {
        http2::check(parts, &record.server.limits)?;
    }
    // Nothing else than its one value tells what the body is, and of two each reader would take his own.
    if parts.headers.get_all(header::CONTENT_TYPE).iter().nth(1).is_some() {
        let reason = "more than one Content-Type";
        return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
    }
    let authority = authority(record, parts)?;
    let (mut host, port) = split_port(&authority);
    host.make_ascii_lowercase();
    // A name with a dot at its end is the same name (RFC 1034 3.1).
    host.truncate(host.strip_suffix('.').map_or(host.len(), str::len));
    let decoded = match decode_path(parts.uri.path())? {
        Cow::Borrowed(_) => None,
        Cow::Owned(decoded) => Some(decoded),
    };
    let of_connection = of_connection(&parts.headers)?;
    record.host = authority;
    page::note_who_may_see_details(record, &host, parts);
    Ok(Head { host, port, decoded, of_connection })
}

/// The request line, in whatever version it came.
fn check_form(record: &RequestRecord, parts: &Parts) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal::malformed(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported"));
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        let reason = "request target is neither a path nor an http URL";
        return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
    }
    let target_bytes = parts.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if target_bytes > record.server.limits.target_bytes {
        return Err(Refusal::malformed(StatusCode::URI_TOO_LONG, "request target is too long"));
    }
    Ok(())
}

/// The fields that belong to this connection only. Read once, since every field is looked up there.
fn of_connection(headers: &HeaderMap) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut named = Vec::new();
    let mut count = 0;
    for list in headers.get_all(header::CONNECTION) {
        // What nearly every request says names no field.
        if list.as_bytes().eq_ignore_ascii_case(b"keep-alive") || list.as_bytes() == b"close" {
            continue;
        }
        for name in list.as_bytes().split(|b| *b == b',') {
            count += 1;
            if count > CONNECTION_MAX {
                let reason = "Connection names too many fields";
                return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
            }
            named.push(scan::trim(name).to_ascii_lowercase());
        }
    }
    Ok(named)
}

/// The host that is meant: the target's own, else the Host field. In HTTP/2 both must agree (RFC 9113 8.3.1).
fn authority(record: &RequestRecord, parts: &Parts) -> Result<Bytes, Refusal> {
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
    Ok(match record.host.is_empty() {
        true => Bytes::copy_from_slice(named),
        false => record.host.clone(),
    })
}

fn split_port(authority: &[u8]) -> (String, Option<u16>) {
    let text = String::from_utf8_lossy(authority);
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.parse().ok()),
        Some(_) | None => (text.into_owned(), None),
    }
}

/// The path as routes see it: `//`, `/./` and `/.` at the end lead nowhere, so that no spelling of a path passes by its route.
/// The app gets the path as it was sent.
pub(crate) fn routed(path: &[u8]) -> Cow<'_, [u8]> {
    let odd = |pair: &[u8]| pair == b"//" || pair == b"/.";
    if path == b"*" || !path.windows(2).any(odd) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in path.split(|b| *b == b'/').filter(|s| !s.is_empty() && *s != b".") {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() || path.ends_with(b"/") || path.ends_with(b"/.") {
        out.push(b'/');
    }
    Cow::Owned(out)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_route_is_found_by_any_spelling_of_its_path() {
        for path in ["/admin", "//admin", "///admin", "/./admin", "/.//./admin", "/%2e/admin"] {
            let decoded = decode_path(path).unwrap();
            assert_eq!(routed(&decoded), &b"/admin"[..], "{path}");
        }
        for (path, wanted) in [
            ("/admin//", "/admin/"),
            ("/admin/.", "/admin/"),
            ("/a%2f/b", "/a/b"),
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("*", "*"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a./b", "/a./b"),
        ] {
            let decoded = decode_path(path).unwrap();
            assert_eq!(routed(&decoded), wanted.as_bytes(), "{path}");
        }
    }

    #[test]
    fn connection_is_read_once_and_bounded() {
        let headers = |values: &[&str]| -> HeaderMap {
            let pair = |v: &&str| (header::CONNECTION, v.parse().unwrap());
            values.iter().map(pair).collect()
        };
        assert!(of_connection(&headers(&["keep-alive"])).unwrap().is_empty());
        let named = of_connection(&headers(&["close", "X-A , x-b", "TE"])).unwrap();
        assert_eq!(named, [&b"x-a"[..], b"x-b", b"te"]);
        assert!(of_connection(&headers(&[&",".repeat(31)])).is_ok());
        assert!(of_connection(&headers(&[&",".repeat(32)])).is_err());
        assert!(of_connection(&headers(&["x"; 33])).is_err());
    }

    #[test]
    fn ports_are_split_from_names_and_bracketed_addresses() {
        assert_eq!(split_port(b"shop.example:8443"), ("shop.example".into(), Some(8443)));
        assert_eq!(split_port(b"[::1]:80"), ("[::1]".into(), Some(80)));
        assert_eq!(split_port(b"[::1]"), ("[::1]".into(), None));
        assert_eq!(split_port(b"shop.example"), ("shop.example".into(), None));
    }
}
