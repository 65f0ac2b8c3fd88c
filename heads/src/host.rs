//! Which hosts are this one: names that no foreign name server can make point here.

use std::net::IpAddr;

/// The address that a host is, if it is one. `host` has no port; IPv6 is in brackets.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A name or address of this host only.
pub fn is_loopback(host: &str) -> bool {
    is_localhost(host) || address(host).is_some_and(|address| address.is_loopback())
}

/// A name that no page of another site can have: DNS rebinding needs a name of the attacker's.
pub fn is_not_rebound(host: &str) -> bool {
    is_localhost(host) || address(host).is_some()
}

/// `localhost` and names below it are loopback by RFC 6761 6.3.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_told_from_others() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "notlocalhost", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
        for host in ["localhost", "10.0.0.1", "[2001:db8::1]", "[::ffff:10.0.0.1]"] {
            assert!(is_not_rebound(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io"] {
            assert!(!is_not_rebound(host), "{host}");
        }
    }
}
