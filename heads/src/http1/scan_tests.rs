use super::*;

const BOUNDS: Bounds = Bounds { bytes: 32 << 10, fields: 100, target: 8 << 10 };

/// What becomes of bytes that come in pieces of a size.
fn in_pieces(bytes: &[u8], size: usize) -> Result<Option<(usize, Framing)>, Refused> {
    let mut progress = Progress::default();
    let mut end = 0;
    while end < bytes.len() {
        end = (end + size).min(bytes.len());
        if let Some(found) = resume(&bytes[..end], BOUNDS, &mut progress)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[test]
fn a_head_in_pieces_is_read_as_one_that_comes_at_once() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET",
        "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n\r\n",
        "GET /\r\n",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a",
        "\r\n",
        "\r",
    ] {
        let whole = self::head(head.as_bytes(), BOUNDS);
        for size in [1, 2, 3, 5, 17] {
            assert_eq!(in_pieces(head.as_bytes(), size), whole, "{head:?} in pieces of {size}");
        }
    }
}

#[test]
fn a_head_that_just_fits_is_taken_however_its_end_comes() {
    let head = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len()))
    };
    for bytes in BOUNDS.bytes - 4..BOUNDS.bytes + 5 {
        let head = head(bytes);
        let whole = self::head(head.as_bytes(), BOUNDS);
        assert_eq!(whole.is_ok(), bytes <= BOUNDS.bytes, "{bytes}");
        for size in [1, 2, 3, head.len() - 1, head.len() - 2, head.len() - 3] {
            assert_eq!(in_pieces(head.as_bytes(), size), whole, "{bytes} in pieces of {size}");
        }
    }
}

#[test]
fn a_length_near_the_end_of_the_numbers_is_too_large_and_beyond_it_malformed() {
    let refused = |length: &str| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        self::head(head.as_bytes(), BOUNDS).map_err(|refused| refused.status.as_u16())
    };
    assert!(refused("9223372036854775807").is_ok());
    for length in ["9223372036854775808", "18446744073709551613", "18446744073709551615"] {
        assert_eq!(refused(length), Err(413), "{length}");
    }
    assert_eq!(refused("18446744073709551616"), Err(400));
}

#[test]
fn a_host_has_a_name_when_it_has_a_port() {
    for host in ["", "a", "a.", "a:80", "a:", "[::1]:80", "127.0.0.1:1"] {
        assert!(check_host(host.as_bytes()).is_ok(), "{host:?}");
    }
    for host in [":80", ":", "a:b", "a:99999", "[::1", "a b"] {
        assert!(check_host(host.as_bytes()).is_err(), "{host:?}");
    }
}

#[test]
fn what_was_refused_can_still_be_told() {
    let heard = |text: &str| {
        let Heard { method, target, host } = hear(text.as_bytes());
        (method, target, String::from_utf8(host).unwrap())
    };
    let told = |method: &str, target: &str, host: &str| {
        (method.to_owned(), target.to_owned(), host.to_owned())
    };
    assert_eq!(
        heard("\r\nPUT /a?b HTTP/1.1\r\nHOST:  shop.example \r\nX: 1\n\r\n"),
        told("PUT", "/a?b", "shop.example")
    );
    assert_eq!(heard("GET /a b HTTP/1.1\r\n\r\n"), told("GET", "/a b", ""));
    assert_eq!(heard("nonsense\r\n\r\n"), told("", "nonsense", ""));
    assert_eq!(heard("GET /"), told("GET", "/", ""));
    assert_eq!(heard(""), told("", "", ""));
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    assert_eq!(hear(long.as_bytes()).target.len(), TOLD_MAX);
}
