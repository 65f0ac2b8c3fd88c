//! What is asked of every request before anything is done for it.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, header};

use super::{
    Api, guard,
    problem::{self, Kind, Problem},
    sse,
};

/// Fields of which two could be read differently by whoever is on the way.
static ONCE: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::RANGE,
    super::jobs::idempotency::IDEMPOTENCY_KEY,
    sse::LAST_EVENT_ID,
];

/// What is wrong with a request, whatever it asks for.
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    once(request.headers())?;
    plain(request.headers())?;
    acceptable(request)
}

/// The request, whose body breaks off when its token ends: what comes later is nobody's any more.
pub(super) fn while_good(api: &Api, token: Option<&String>, request: Request) -> Request {
    match token {
        Some(token) if !http_body::Body::is_end_stream(request.body()) => {
            let over = api.backend().token_over(token.clone());
            request.map(|body| guard::until(body, over))
        }
        Some(_) | None => request,
    }
}

fn once(headers: &HeaderMap) -> Result<(), Problem> {
    let twice = ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some());
    match twice {
        None => Ok(()),
        Some(name) => {
            Err(Problem::parameter(name.as_str(), "is given more than once; send one field"))
        }
    }
}

/// Nothing here takes a body apart that was packed; taken as it is, it would be kept for what it is not.
fn plain(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else { return Ok(()) };
    match coding.as_bytes().eq_ignore_ascii_case(b"identity") {
        true => Ok(()),
        false => {
            let detail =
                format!("Content-Encoding {coding:?} is not taken here; send the body as it is");
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// Refuses a client that takes nothing of what there is, before anything is done for it.
fn acceptable(request: &Request) -> Result<(), Problem> {
    let fields = request.headers().get_all(header::ACCEPT);
    let mut ranges = fields.iter().flat_map(|v| v.to_str().unwrap_or("*/*").split(',')).peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let offered = offered(request.uri().path());
    let takes = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|it| matches!(it, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let family = kind.strip_suffix('*').filter(|family| family.ends_with('/'));
        !refused
            && (kind == "*/*"
                || kind == problem::PROBLEM_JSON
                || offered.contains(&kind.as_str())
                || family.is_some_and(|family| offered.iter().any(|it| it.starts_with(family))))
    };
    match ranges.any(takes) {
        true => Ok(()),
        false => {
            let detail = format!("there is {} here; accept it", offered.join(" or "));
            Err(Problem::new(Kind::NotAcceptable, detail))
        }
    }
}

/// The types of a path's answers.
fn offered(path: &str) -> &'static [&'static str] {
    if path == "/v1/jobs" {
        &["application/json", "application/x-ndjson"]
    } else if path.ends_with("/events") {
        &["text/event-stream"]
    } else if path.ends_with("/log") {
        &["text/plain"]
    } else if path.ends_with("/stdin") {
        &["application/octet-stream"]
    } else {
        &["application/json"]
    }
}
