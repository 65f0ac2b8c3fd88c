//! Values that are written as text: durations, sizes, addresses, targets.
//!
//! Each function takes the text and gives the value or the rest of a sentence that says what is
//! wrong and what is right. Flags and the config file share them.

use std::{
    fmt::{Display, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use ostler_gateway::{
    Cidr, TargetConfig, TenantKey,
    name::{RULE, is_good},
    units,
};

/// A hundred years: what fits every clock that a duration is ever added to.
const DURATION_MAX: u64 = 100 * 365 * 86_400_000;

/// `500ms`, `30s`, `1h30m`, `1d`, `2w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match units::duration(text).map(|(_, millis)| millis) {
        Some(millis) if millis <= DURATION_MAX => Ok(Duration::from_millis(millis)),
        Some(_) => Err(format!("{text:?} is longer than 100 years")),
        None => Err(format!("{text:?} is not a duration; write 500ms, 30s, 5m, 1h30m, 2w")),
    }
}

/// A whole number of a flag, within these bounds.
pub(crate) fn number<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Copy,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| match most.to_string() {
            // What only the machine bounds is not bounded for people.
            most if most == u64::MAX.to_string() => format!("expected a whole number from {least}"),
            most => format!("expected a whole number from {least} to {most}"),
        })
    }
}

/// `64KiB`, `4GiB`, or a plain number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    text.parse::<u64>()
        .ok()
        .or_else(|| units::read(text, &units::SIZE))
        .filter(|bytes| *bytes <= i64::MAX as u64)
        .ok_or_else(|| format!("{text:?} is not a size; write 512B, 64KiB, 8MiB, 4GiB"))
}

/// The shortest exact way to write a duration.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(DURATION_MAX);
    if millis == 0 { "0s".to_owned() } else { units::show(millis, &units::DURATION) }
}

/// The shortest exact way to write a size.
pub(crate) fn show_size(bytes: u64) -> String {
    if bytes == 0 { "0B".to_owned() } else { units::show(bytes, &units::SIZE) }
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse::<u16>().ok())
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local.or_else(|| text.parse().ok()).ok_or_else(|| {
        format!("{text:?} is not an address; write 0.0.0.0:8080, [::1]:8080 or \"off\"")
    })
}

/// An address or `off`, as flags have it.
pub(crate) fn address_or_off(text: &str) -> Result<Vec<SocketAddr>, String> {
    if text == "off" { Ok(Vec::new()) } else { address(text).map(|one| vec![one]) }
}

/// `10.0.0.0/8`, or one address.
pub(crate) fn network(text: &str) -> Result<Cidr, String> {
    let wrong = || format!("{text:?} is not a network; write 10.0.0.0/8, fd00::/8 or 192.0.2.7");
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
    if prefix > bits {
        return Err(wrong());
    }
    let base = masked(address, prefix);
    if base != address {
        return Err(format!("{text:?} has bits beyond its prefix; write {base}/{prefix}"));
    }
    Ok(Cidr { address, prefix })
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::from((four.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::from((six.to_bits() & mask).to_be_bytes())
        }
    }
}

/// `shop.example` or `*.shop.example`, in lower case.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    let six = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if six.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Ok(lower);
    }
    let right = "write shop.example or *.shop.example";
    if text.contains("://") {
        return Err(format!("{text:?} has a scheme; {right}"));
    }
    if text.contains('/') {
        return Err(format!("{text:?} has a path, which belongs into `path`; {right}"));
    }
    if text.contains(':') {
        return Err(format!("{text:?} has a port; a route holds for all ports; {right}"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!("{text:?} is not a host name; {right}"));
    }
    Ok(lower)
}

/// A path prefix, without the `/` at its end.
pub(crate) fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} does not begin with \"/\"; write /{text}"));
    }
    if text.contains(['?', '#']) || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("{text:?} is not a path; no query, fragment or white space"));
    }
    let trimmed = text.trim_end_matches('/');
    if trimmed.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("{text:?} has empty or dot segments, which no request has"));
    }
    Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

/// `header:NAME`, `client`, `none`.
pub(crate) fn tenant(text: &str) -> Result<TenantKey, String> {
    let right = "write \"header:x-api-key\", \"client\" or \"none\"";
    if let Some(name) = text.strip_prefix("header:") {
        return name
            .trim()
            .parse()
            .map(TenantKey::Header)
            .map_err(|_| format!("{name:?} is not a header name; {right}"));
    }
    match text {
        "client" => Ok(TenantKey::Client),
        "none" => Ok(TenantKey::None),
        "token" => Err(format!("\"token\" is not supported yet; {right}")),
        _ => Err(format!("{text:?} names no tenant; {right}")),
    }
}

/// How the tenant key is written.
pub(crate) fn show_tenant(key: &TenantKey) -> String {
    match key {
        TenantKey::Header(name) => format!("header:{name}"),
        TenantKey::Client => "client".to_owned(),
        TenantKey::None => "none".to_owned(),
    }
}

const TARGETS: &str = "write app:NAME, redirect:[STATUS:]LOCATION, respond:STATUS[:TEXT] or api";

/// `app:NAME`, `redirect:[STATUS:]LOCATION`, `respond:STATUS[:TEXT]`, `api`.
pub(crate) fn target(text: &str) -> Result<TargetConfig, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "api" if text == "api" => Ok(TargetConfig::Api),
        "app" if !rest.is_empty() => Ok(TargetConfig::App(rest.to_owned())),
        "redirect" => redirect(rest),
        "respond" => respond(rest),
        "upstream" | "files" => Err(format!("\"{kind}:\" is not supported yet; {TARGETS}")),
        _ => Err(format!("{text:?} leads nowhere; {TARGETS}")),
    }
}

fn redirect(rest: &str) -> Result<TargetConfig, String> {
    let (status, location) = match rest.split_once(':') {
        Some((status, location)) if status.bytes().all(|b| b.is_ascii_digit()) => {
            (status, location)
        }
        _ => ("308", rest),
    };
    let status: u16 = status
        .parse()
        .ok()
        .filter(|status| matches!(status, 301 | 302 | 303 | 307 | 308))
        .ok_or_else(|| format!("{status} is no redirect; write 301, 302, 303, 307 or 308"))?;
    let good = !location.is_empty() && location.bytes().all(|b| b.is_ascii_graphic());
    if !good {
        return Err(format!("{location:?} is not a location; write https://$host$uri"));
    }
    Ok(TargetConfig::Redirect(status, location.to_owned()))
}

fn respond(rest: &str) -> Result<TargetConfig, String> {
    let (status, text) = rest.split_once(':').unwrap_or((rest, ""));
    let status: u16 = status
        .parse()
        .ok()
        .filter(|status| (200..=599).contains(status))
        .ok_or_else(|| format!("{status:?} is not a status from 200 to 599"))?;
    if matches!(status, 204 | 205 | 304) && !text.is_empty() {
        return Err(format!("an answer {status} has no text; write respond:{status}"));
    }
    Ok(TargetConfig::Respond(status, text.to_owned()))
}

/// How the target is written.
pub(crate) fn show_target(target: &TargetConfig) -> String {
    match target {
        TargetConfig::Api => "api".to_owned(),
        TargetConfig::App(name) => format!("app:{name}"),
        TargetConfig::Redirect(status, location) => format!("redirect:{status}:{location}"),
        TargetConfig::Respond(status, text) if text.is_empty() => format!("respond:{status}"),
        TargetConfig::Respond(status, text) => format!("respond:{status}:{text}"),
    }
}

/// A name for an app or a runner.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if is_good(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a name; {RULE}")) }
}

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=,@%+".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The words as a sentence lists them: `a, b or c`.
pub(crate) fn listing<'a>(words: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let glue = match index {
            0 => "",
            _ if index + 1 == words.len() => &format!(" {last} "),
            _ => ", ",
        };
        write!(text, "{glue}{word}").expect("a String takes every write");
    }
    text
}
