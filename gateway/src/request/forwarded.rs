//! Who the client is: the peer itself, or who the listed proxies say it is (`Forwarded`, RFC 7239, and `X-Forwarded-*`).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use super::ServerState;
use crate::{config::Cidr, connection::Connection};

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) address: IpAddr,
    pub(crate) secure: bool,
    /// The host that the client asked for, when a proxy told; else empty.
    pub(crate) host: Bytes,
}

pub(crate) fn is_trusted(server: &ServerState, peer: IpAddr) -> bool {
    server.trusted.iter().any(|network| in_network(peer, *network))
}

/// Whether an address lies in a network. IPv4 addresses in IPv6 form are IPv4 addresses.
fn in_network(address: IpAddr, network: Cidr) -> bool {
    let same = |a: &[u8], b: &[u8]| {
        let (whole, rest) = (usize::from(network.prefix / 8), network.prefix % 8);
        a[..whole] == b[..whole] && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0)
    };
    match (address.to_canonical(), network.address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(&a.octets(), &b.octets()),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(&a.octets(), &b.octets()),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// A client without a proxy that we believe.
pub(crate) fn direct(connection: &Connection) -> Seen {
    Seen {
        address: connection.peer.ip().to_canonical(),
        secure: connection.secure,
        host: Bytes::new(),
    }
}

/// A client behind listed proxies: the rightmost address that is not one of them.
pub(crate) fn through_proxies(
    server: &ServerState,
    connection: &Connection,
    headers: &HeaderMap,
) -> Seen {
    let mut seen = direct(connection);
    let hops = hops(headers);
    for hop in hops.iter().rev() {
        if let Some(secure) = hop.secure {
            seen.secure = secure;
        }
        if let Some(host) = &hop.host {
            seen.host = host.clone();
        }
        let Some(address) = hop.address else { break };
        seen.address = address;
        if !is_trusted(server, address) {
            break;
        }
    }
    seen
}

#[derive(Debug, Default)]
struct Hop {
    address: Option<IpAddr>,
    secure: Option<bool>,
    host: Option<Bytes>,
}

/// What the proxies on the way told, in their order.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    // Common proxies set X-Forwarded-For and pass a Forwarded on that the client may have made up.
    match headers.contains_key(FORWARDED_FOR) {
        true => x_forwarded(headers),
        false => forwarded(headers).unwrap_or_else(|| x_forwarded(headers)),
    }
}

fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let values: Vec<_> = headers.get_all(header::FORWARDED).iter().collect();
    if values.is_empty() {
        return None;
    }
    let elements = values.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    Some(elements.map(element).collect())
}

fn element(text: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in text.split(';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(value),
            "proto" => hop.secure = Some(value.eq_ignore_ascii_case("https")),
            "host" => hop.host = host(value),
            _ => {}
        }
    }
    hop
}

fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let list = |name: &HeaderName| -> Vec<&str> {
        let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).map(str::trim).collect()
    };
    let mut hops: Vec<Hop> = list(&FORWARDED_FOR)
        .into_iter()
        .map(|text| Hop { address: address(text), ..Hop::default() })
        .collect();
    if hops.is_empty() {
        hops.push(Hop::default());
    }
    // Most proxies send one protocol and one host; of several, the last is what the nearest one saw.
    let last = hops.last_mut().expect("at least one was pushed");
    last.secure = list(&FORWARDED_PROTO).last().map(|p| p.eq_ignore_ascii_case("https"));
    last.host = list(&FORWARDED_HOST).last().and_then(|h| host(h));
    hops
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` or `2001:db8::1`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let parsed = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()));
    parsed.map(|a: IpAddr| a.to_canonical())
}

fn host(text: &str) -> Option<Bytes> {
    let bytes = text.as_bytes();
    let fine = !bytes.is_empty() && ostler_heads::http1::scan::check_host(bytes).is_ok();
    fine.then(|| Bytes::copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, prefix: u8) -> Cidr {
        Cidr { address: text.parse().unwrap(), prefix }
    }

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let holds = |a: &str, n: &str, p| in_network(a.parse().unwrap(), network(n, p));
        assert!(holds("10.1.2.3", "10.0.0.0", 8));
        assert!(!holds("11.1.2.3", "10.0.0.0", 8));
        assert!(holds("192.0.2.130", "192.0.2.128", 25));
        assert!(!holds("192.0.2.127", "192.0.2.128", 25));
        assert!(holds("::ffff:10.1.2.3", "10.0.0.0", 8));
        assert!(holds("2001:db8::1", "2001:db8::", 32));
        assert!(!holds("2001:db9::1", "2001:db8::", 32));
        assert!(holds("203.0.113.9", "0.0.0.0", 0));
    }

    #[test]
    fn forwarded_elements_are_read_in_every_form_of_rfc_7239() {
        let hop = element(r#"for="[2001:db8:cafe::17]:4711";proto=https;host=shop.example"#);
        assert_eq!(hop.address, Some("2001:db8:cafe::17".parse().unwrap()));
        assert_eq!(hop.secure, Some(true));
        assert_eq!(hop.host.as_deref(), Some(&b"shop.example"[..]));
        assert_eq!(element("for=_hidden").address, None);
        assert_eq!(element("For=192.0.2.43:80").address, Some("192.0.2.43".parse().unwrap()));
    }

    #[test]
    fn what_a_proxy_passed_on_unread_does_not_count_beside_what_it_said_itself() {
        let told = |fields: &[(&'static str, &str)]| -> Vec<Option<String>> {
            let pair = |&(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), value.parse().unwrap())
            };
            let headers: HeaderMap = fields.iter().map(pair).collect();
            hops(&headers).iter().map(|hop| hop.address.map(|it| it.to_string())).collect()
        };
        let (made_up, real) = (("forwarded", "for=10.0.0.9"), ("x-forwarded-for", "203.0.113.9"));
        assert_eq!(told(&[made_up, real]), [Some("203.0.113.9".into())]);
        assert_eq!(told(&[made_up]), [Some("10.0.0.9".into())]);
        assert_eq!(told(&[made_up, ("x-forwarded-proto", "https")]), [Some("10.0.0.9".into())]);
        assert_eq!(told(&[("x-forwarded-for", ""), made_up]), [None], "nobody is believed");
        assert_eq!(told(&[]), [None]);
    }

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        for text in ["192.0.2.1", "192.0.2.1:80", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"] {
            assert_eq!(address(text), Some("192.0.2.1".parse().unwrap()), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8:0::1]:80"] {
            assert_eq!(address(text), Some("2001:db8::1".parse().unwrap()), "{text}");
        }
        for text in ["", "unknown", "_hidden", "192.0.2.256", "192.0.2.1:x", "a.b"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
