//! What a person or a program reads when a request was refused.

use http::{StatusCode, Version, request::Parts};
use ostler_heads::host;

use super::{record::RequestRecord, respond::Refusal};
use crate::config::ErrorDetails;

/// Content type and text of a refusal: a page for browsers, a line for everything else.
pub(crate) fn render(record: &RequestRecord, refusal: &Refusal) -> (&'static str, String) {
    let wants_html = record
        .accept
        .as_ref()
        .and_then(|a| a.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !wants_html {
        return ("text/plain; charset=utf-8", line(refusal));
    }
    let text = match &refusal.page {
        Some(page) => page.clone(),
        None => html(refusal.status, &escape(&sentence(refusal)), ""),
    };
    ("text/html; charset=utf-8", text)
}

fn line(refusal: &Refusal) -> String {
    match refusal.reason.is_empty() {
        true => format!("{}\n", title(refusal.status)),
        false => format!("{}: {}\n", title(refusal.status), refusal.reason),
    }
}

fn sentence(refusal: &Refusal) -> String {
    let mut text = refusal.reason.to_string();
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    if !text.is_empty() && !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn title(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"))
}

/// Details are for the developer, if the config says so: on the same host, by its own name, and without a trace of a proxy. A
/// proxy on this host that adds nothing cannot be told from a client, hence the config's word.
pub(crate) fn note_who_may_see_details(record: &mut RequestRecord, host: &str, parts: &Parts) {
    record.sees_details = record.server.details == ErrorDetails::Loopback
        && record.connection.peer.ip().to_canonical().is_loopback()
        && !record.trusted
        && host::is_loopback(host)
        // What nginx speaks to those behind it, unless told otherwise, and no browser.
        && parts.version != Version::HTTP_10
        && !parts.headers.keys().any(|name| is_added_by_proxies(name.as_str()));
}

/// Fields that proxies, balancers, tunnels and content networks add.
fn is_added_by_proxies(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "forwarded",
        "via",
        "true-client-ip",
        "client-ip",
        "fastly-client-ip",
        "cdn-loop",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
    ];
    const FAMILIES: [&str; 8] = [
        "x-forwarded",
        "x-original-",
        "cf-",
        "fly-",
        "x-envoy-",
        "x-amz",
        "x-azure-",
        "tailscale-",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// A whole page.
pub(crate) fn html(status: StatusCode, lead: &str, body: &str) -> String {
    let title = title(status);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1><p>{lead}</p>{body}</main></html>\n"
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fafafa;margin:0}\
main{max-width:56rem;margin:4rem auto;padding:0 1.5rem}h1{font-size:1.6rem;margin:0 0 .5rem}\
h2{font-size:1rem;margin:1.5rem 0 .3rem}pre{background:#fff;border:1px solid #ddd;border-radius:6px;\
padding:.8rem 1rem;overflow:auto;font-size:13px;line-height:1.45}.what{font-weight:600;color:#a4262c}\
.note{color:#777;font-size:.85rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}\
pre{background:#222;border-color:#444}.what{color:#f08080}}";

/// Text as it stands in a page.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
