//! Checks request heads before hyper reads them, strictly as RFC 9112 asks.
//!
//! hyper forgives what another server on the way may read differently: both lengths in one head, bare line feeds,
//! folded lines. Whatever two readers can disagree about is refused here, with a reason. No I/O: bytes in, verdicts out.

use http::StatusCode;

/// A head that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub reason: &'static str,
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// Bounds of a head.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: usize,
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

/// The longest method, in bytes.
pub const METHOD_MAX: usize = 32;

/// The longest body that is believed; what comes close to the end of the numbers is no length.
const LENGTH_MAX: u64 = i64::MAX as u64;

const fn bad(reason: &'static str) -> Refused {
    Refused { status: StatusCode::BAD_REQUEST, reason }
}

/// What is known of a head that is not whole yet, so that no byte of it is looked at for every one that comes after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So many bytes hold no end.
    searched: usize,
    /// The request line has come and is right.
    line: bool,
}

/// Looks at the beginning of a request. `None`: the head is not whole yet. Else its length in bytes and its framing.
pub fn head(bytes: &[u8], bounds: Bounds) -> Result<Option<(usize, Framing)>, Refused> {
    resume(bytes, bounds, &mut Progress::default())
}

/// Goes on with a head of which more has come: `bytes` begins where it began before.
pub fn resume(
    bytes: &[u8],
    bounds: Bounds,
    progress: &mut Progress,
) -> Result<Option<(usize, Framing)>, Refused> {
    let skipped = leading_empty_lines(bytes);
    let from = progress.searched.saturating_sub(3).max(skipped);
    let Some(end) = memchr::memmem::find(&bytes[from..], b"\r\n\r\n") else {
        return incomplete(&bytes[skipped..], skipped, bounds, progress).map(|()| None);
    };
    let head = &bytes[skipped..from + end];
    if head.len() > bounds.bytes {
        incomplete(head, skipped, bounds, progress)?;
        return Err(too_large("request head is too long"));
    }
    let mut lines = Lines(Some(head));
    let version = request_line(lines.next_line()?.expect("a head has a first line"), bounds)?;
    let framing = fields(lines, version, bounds)?;
    Ok(Some((from + end + 4, framing)))
}

/// What can already be said about a head whose end has not come. `skipped` bytes came before it.
fn incomplete(
    start: &[u8],
    skipped: usize,
    bounds: Bounds,
    progress: &mut Progress,
) -> Result<(), Refused> {
    let from = progress.searched.saturating_sub(skipped).min(start.len());
    for at in memchr::memchr_iter(b'\n', &start[from..]).map(|at| from + at) {
        if at == 0 || start[at - 1] != b'\r' {
            return Err(bad("line ends in a bare LF"));
        }
        // Whoever waits for an answer to half a request gets one (HTTP/0.9), or is told at once (TLS on the wrong port).
        if !std::mem::replace(&mut progress.line, true) {
            let line = Lines(Some(&start[..=at])).next_line()?;
            request_line(line.expect("a head has a first line"), bounds)?;
        }
    }
    match start.first() {
        _ if progress.line => {}
        _ if start.len() > bounds.target + 64 => return Err(uri_too_long()),
        Some(&first) if first != b'\r' && !is_token(first) => return Err(bad("malformed method")),
        Some(_) | None => {}
    }
    progress.searched = skipped + start.len();
    // What may be the beginning of its end is not yet of its length: the end comes in any number of pieces.
    let end = [&b"\r\n\r"[..], b"\r\n", b"\r"].into_iter().find(|end| start.ends_with(end));
    match start.len() - end.map_or(0, <[u8]>::len) > bounds.bytes {
        true => Err(too_large("request head is too long")),
        false => Ok(()),
    }
}

fn uri_too_long() -> Refused {
    Refused { status: StatusCode::URI_TOO_LONG, reason: "request target is too long" }
}

const fn too_large(reason: &'static str) -> Refused {
    Refused { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason }
}

/// A client may send an empty line or two before a request (RFC 9112 2.2).
fn leading_empty_lines(bytes: &[u8]) -> usize {
    let mut skipped = 0;
    while skipped < 4 && bytes[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    skipped
}

/// Lines of a head, each ended by CRLF and by nothing else.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Result<Option<&'a [u8]>, Refused> {
        let Some(rest) = self.0 else { return Ok(None) };
        let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) else {
            self.0 = None;
            return Ok(Some(rest));
        };
        match (rest[at], rest.get(at + 1)) {
            (b'\r', Some(b'\n')) => {
                self.0 = Some(&rest[at + 2..]);
                Ok(Some(&rest[..at]))
            }
            (b'\r', _) => Err(bad("bare CR in the request head")),
            (b'\n', _) => Err(bad("line ends in a bare LF")),
            _ => Err(bad("NUL in the request head")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8], bounds: Bounds) -> Result<Version, Refused> {
    let malformed = bad("malformed request line");
    let method_end = memchr::memchr(b' ', line).ok_or_else(|| malformed.clone())?;
    let (method, rest) = (&line[..method_end], &line[method_end + 1..]);
    let target_end = memchr::memchr(b' ', rest).ok_or_else(|| malformed.clone())?;
    let (target, version) = (&rest[..target_end], &rest[target_end + 1..]);
    if method.is_empty() || method.len() > METHOD_MAX || !method.iter().copied().all(is_token) {
        return Err(bad("malformed method"));
    }
    if method == b"CONNECT" {
        return Err(Refused {
            status: StatusCode::NOT_IMPLEMENTED,
            reason: "CONNECT is not supported",
        });
    }
    check_target(method, target, bounds)?;
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refused {
                status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                reason: "only HTTP/1.1, HTTP/1.0 and HTTP/2 are supported",
            })
        }
        _ => Err(malformed),
    }
}

/// RFC 9112 3.2: origin form, absolute form, or `*` for OPTIONS.
fn check_target(method: &[u8], target: &[u8], bounds: Bounds) -> Result<(), Refused> {
    if target.len() > bounds.target {
        return Err(uri_too_long());
    }
    target_characters(target)?;
    let scheme = |name: &[u8]| {
        target.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    };
    let absolute = || scheme(b"http://") || scheme(b"https://");
    match target.first() {
        Some(b'/') => {}
        Some(b'*') if target == b"*" && method == b"OPTIONS" => {}
        Some(_) if absolute() => {}
        Some(_) => return Err(bad("request target is neither a path nor an http URL")),
        None => return Err(bad("malformed request line")),
    }
    match http::Uri::try_from(target) {
        Ok(_) => Ok(()),
        Err(_) => Err(bad("malformed request target")),
    }
}

/// Of what RFC 3986 leaves out, braces, a bar and a caret pass, since browsers send them. In a query they send a backslash as well; in a
/// path some would take it for a slash.
pub fn target_characters(target: &[u8]) -> Result<(), Refused> {
    let allowed = |b: &u8| matches!(b, 0x21..=0x7e) && !matches!(b, b'<' | b'>' | b'#');
    let query = memchr::memchr(b'?', target).unwrap_or(target.len());
    let split = memchr::memchr(b'\\', &target[..query]);
    match split.is_none() && target.iter().all(allowed) {
        true => Ok(()),
        false => Err(bad("forbidden character in the request target")),
    }
}

#[derive(Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

fn fields(mut lines: Lines<'_>, version: Version, bounds: Bounds) -> Result<Framing, Refused> {
    let mut seen = Seen::default();
    let mut count = 0;
    while let Some(line) = lines.next_line()? {
        count += 1;
        if count > bounds.fields {
            return Err(too_large("too many header fields"));
        }
        field(line, &mut seen)?;
    }
    if seen.hosts > 1 {
        return Err(bad("more than one Host"));
    }
    if version == Version::Http11 && seen.hosts == 0 {
        return Err(bad("no Host"));
    }
    match (seen.chunked, seen.length) {
        (true, Some(_)) => Err(bad("both Content-Length and Transfer-Encoding")),
        (true, None) if version == Version::Http10 => {
            Err(bad("Transfer-Encoding in an HTTP/1.0 request"))
        }
        (true, None) => Ok(Framing::Chunked),
        (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

fn field(line: &[u8], seen: &mut Seen) -> Result<(), Refused> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(bad("folded header line"));
    }
    let colon = memchr::memchr(b':', line).ok_or_else(|| bad("header line without a colon"))?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(bad("malformed header name"));
    }
    if value.iter().any(|b| matches!(b, 0..=8 | 10..=31 | 127)) {
        return Err(bad("control character in a header value"));
    }
    if name.eq_ignore_ascii_case(b"host") {
        seen.hosts += 1;
        return check_host(value);
    }
    if name.eq_ignore_ascii_case(b"content-length") {
        let length = decimal(value).ok_or_else(|| bad("malformed Content-Length"))?;
        if length > LENGTH_MAX {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refused { status, reason: "request body is too long" });
        }
        return match seen.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(bad("more than one Content-Length")),
        };
    }
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        if std::mem::replace(&mut seen.chunked, true) {
            return Err(bad("more than one Transfer-Encoding"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(bad("Transfer-Encoding other than chunked"));
        }
    }
    Ok(())
}

/// Host is a name, an IPv4 or a bracketed IPv6 address, with or without a port (RFC 9110 7.2); empty is allowed.
pub fn check_host(value: &[u8]) -> Result<(), Refused> {
    let wrong = || bad("malformed Host");
    let (name, port) = match value.first() {
        Some(b'[') => {
            let end = memchr::memchr(b']', value).ok_or_else(wrong)?;
            let inside = std::str::from_utf8(&value[1..end]).map_err(|_| wrong())?;
            inside.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (&value[..0], &value[end + 1..])
        }
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !name.iter().copied().all(in_name) {
        return Err(wrong());
    }
    match port {
        [] => Ok(()),
        // A port of nothing.
        [b':', ..] if value.first() == Some(&b':') => Err(wrong()),
        [b':', digits @ ..]
            if digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && decimal(digits).unwrap_or(0) <= 65535 =>
        {
            Ok(())
        }
        _ => Err(wrong()),
    }
}

/// Without the blanks around it.
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digit = |sum: u64, b: &u8| {
        let value = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(value)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, digit) }
}

/// RFC 9110 5.6.2.
pub const fn is_token(b: u8) -> bool {
    matches!(
        b,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || b.is_ascii_alphanumeric()
}

/// What can be told of a head that was refused, for the log: its method, its target and its host, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub method: String,
    pub target: String,
    pub host: Vec<u8>,
}

/// Bytes of a refused head that are looked at, and of its target that are told.
const HEARD_MAX: usize = 16 << 10;
const TOLD_MAX: usize = 1024;

/// Reads what it can; nothing of it is right.
pub fn hear(bytes: &[u8]) -> Heard {
    let bytes = &bytes[leading_empty_lines(bytes)..];
    let mut lines = bytes[..bytes.len().min(HEARD_MAX)].split(|b| matches!(b, b'\r' | b'\n'));
    let line = lines.next().unwrap_or_default();
    let (method, rest) = match memchr::memchr(b' ', line) {
        Some(at) if at <= METHOD_MAX => (&line[..at], trim(&line[at..])),
        Some(_) | None => (&line[..0], line),
    };
    let target = match memchr::memrchr(b' ', rest) {
        Some(at) if rest[at..].starts_with(b" HTTP/") => &rest[..at],
        Some(_) | None => rest,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(TOLD_MAX)]).into();
    let named = |line: &&[u8]| line.get(..5).is_some_and(|n| n.eq_ignore_ascii_case(b"host:"));
    let host = lines.find(named).map_or(&line[..0], |line| trim(&line[5..]));
    let host = host[..host.len().min(TOLD_MAX)].to_vec();
    Heard { method: text(method), target: text(target), host }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
