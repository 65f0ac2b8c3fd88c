//! What HTTP/1 refuses by its form must be refused in HTTP/2, too: an app cannot tell by which it was reached.

use http::{HeaderMap, StatusCode, header, request::Parts};
use ostler_heads::http1::scan;

use super::respond::Refusal;
use crate::config::Limits;

/// Checks a head that came over HTTP/2.
pub(super) fn check(parts: &Parts, limits: &Limits) -> Result<(), Refusal> {
    let bad = |reason| Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
    if parts.method.as_str().len() > scan::METHOD_MAX {
        return bad("malformed method");
    }
    if !matches!(parts.uri.scheme_str(), None | Some("http" | "https")) {
        return bad("request target is neither a path nor an http URL");
    }
    let target = parts.uri.path_and_query().map_or("*", |p| p.as_str());
    if let Err(refused) = scan::target_characters(target.as_bytes()) {
        return Err(Refusal::malformed(refused.status, refused.reason));
    }
    if parts.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return bad("more than one Content-Length");
    }
    // RFC 9113 8.2.1.
    let padded = |value: &[u8]| scan::trim(value).len() < value.len();
    if parts.headers.values().any(|value| padded(value.as_bytes())) {
        return bad("blanks around a header value");
    }
    check_size(target.len(), &parts.headers, limits.header_bytes, limits.header_count)
}

/// The size that the head would have in HTTP/1. A cookie comes in pieces, and is one field (RFC 9113 8.2.3).
fn check_size(
    target: usize,
    headers: &HeaderMap,
    bytes: usize,
    count: usize,
) -> Result<(), Refusal> {
    let too_large = |reason| {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Err(Refusal::malformed(status, reason))
    };
    let crumbs = headers.get_all(header::COOKIE).iter().count();
    if headers.len() - crumbs.saturating_sub(1) > count {
        return too_large("too many header fields");
    }
    let line =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| match *name == header::COOKIE {
            true => value.len() + "; ".len(),
            false => name.as_str().len() + value.len() + ": \r\n".len(),
        };
    match target + headers.iter().map(line).sum::<usize>() > bytes {
        true => too_large("request head is too long"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(target: usize, headers: &HeaderMap, bytes: usize, count: usize) -> Option<u16> {
        check_size(target, headers, bytes, count).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn crumbs_of_a_cookie_are_one_field_and_count_their_bytes() {
        let mut headers = HeaderMap::new();
        for number in 0..500 {
            headers.append(header::COOKIE, format!("c{number}=v").parse().unwrap());
        }
        headers.append("x-a", "1".parse().unwrap());
        assert_eq!(status(1, &headers, 32 << 10, 2), None);
        assert_eq!(status(1, &headers, 32 << 10, 1), Some(431));
        assert_eq!(status(1, &headers, 2000, 100), Some(431));
        assert_eq!(status(40_000, &headers, 32 << 10, 100), Some(431));
    }
}
