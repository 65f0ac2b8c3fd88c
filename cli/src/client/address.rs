//! Where the API is, as a person tells it.

use std::fmt;

/// The port of an address without one.
const PORT: u16 = 2691;

/// An API's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) secure: bool,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path before `/v1`, without a slash at its end.
    pub(crate) prefix: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl Address {
    /// Host and port as they are written.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Whether only this host is behind it.
    pub(crate) fn is_local(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// `http://…`, `https://…`, or a host with or without a port.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let wrong = || format!("{text:?} is not an API's address; write https://host or host:2691");
    let (secure, rest, port) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest, 80),
        Some(("https", rest)) => (true, rest, 443),
        Some(_) => return Err(wrong()),
        None => (false, text, PORT),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, port),
        Some((host, rest)) => (host, number(rest.strip_prefix(':')).ok_or_else(wrong)?),
        None => match authority.split_once(':') {
            Some((host, digits)) => (host, number(Some(digits)).ok_or_else(wrong)?),
            None => (authority, port),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) || path.contains(['?', '#', ' ']) {
        return Err(wrong());
    }
    let prefix = path.trim_end_matches('/').to_owned();
    Ok(Address { secure, host: host.to_owned(), port, prefix })
}

fn number(digits: Option<&str>) -> Option<u16> {
    digits?.parse().ok().filter(|port| *port > 0)
}

/// Text as it may stand in a path or a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_or_hosts_with_or_without_a_port() {
        let shown = |text: &str| parse(text).map(|address| address.to_string());
        assert_eq!(shown("localhost").unwrap(), "http://localhost:2691");
        assert_eq!(shown("10.0.0.1:99").unwrap(), "http://10.0.0.1:99");
        assert_eq!(shown("[::1]:99").unwrap(), "http://[::1]:99");
        assert_eq!(shown("https://jobs.example").unwrap(), "https://jobs.example:443");
        assert_eq!(shown("http://a.example/x/y/").unwrap(), "http://a.example:80/x/y");
        for bad in ["", "ftp://x", "host:port", "host:0", "[::1", "a b", "http://x?y=1/", "::1"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_loopback_is_local() {
        assert!(parse("127.0.0.9").unwrap().is_local());
        assert!(parse("[::1]").unwrap().is_local());
        assert!(!parse("gateway.example").unwrap().is_local());
    }

    #[test]
    fn what_a_query_cannot_hold_is_escaped() {
        assert_eq!(encode("!0 a&b=ü"), "%210%20a%26b%3D%C3%BC");
    }
}
