//! The only place that builds responses: from an app's answer, from a route's fixed reply, or from a refusal.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{self},
};
use ostler_job::Termination;
use ostler_wire::Fields;

use super::{
    body::{ReplyBody, Source},
    forward::Job,
    head::Head,
    page,
    route::Route,
    store::Store,
    trip::{REQUEST_ID, Trip},
};
use crate::{clock, pool::passing::Answer};

/// Fields of an app's answer; no client takes as many.
const FIELDS_MAX: usize = 1000;

const SERVER: HeaderValue = HeaderValue::from_static("ostler");
const TERMINATION: HeaderName = HeaderName::from_static("ostler-termination");

/// A request that ends without an app's answer: who ended it, and what the client may do about it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) termination: Termination,
    /// One sentence for whoever sent the request.
    pub(super) reason: Cow<'static, str>,
    /// What the log says beyond that.
    pub(super) detail: Bytes,
    pub(super) retry_after_s: Option<u64>,
    /// A whole page instead of the sentence.
    pub(super) page: Option<String>,
    /// Unread input may be on the connection.
    pub(super) close: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, termination: Termination) -> Self {
        Self {
            status,
            termination,
            reason: Cow::Borrowed(""),
            detail: Bytes::new(),
            retry_after_s: None,
            page: None,
            close: false,
        }
    }

    pub(super) fn malformed(status: StatusCode, reason: &'static str) -> Self {
        Self::new(status, Termination::BadRequest).because(reason)
    }

    pub(super) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Cow::Borrowed(reason);
        self
    }

    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// A response that will be sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    source: Source,
    termination: Termination,
}

impl Reply {
    pub(super) fn redirect(status: u16, location: &str, head: &Head<'_>, uri: &Uri) -> Self {
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let target = location.replace("$host", &head.host).replace("$uri", path);
        let mut reply = Self::fixed(status, "");
        match HeaderValue::try_from(target) {
            Ok(value) => reply.headers.insert(header::LOCATION, value),
            Err(_) => return Self::fixed(500, "the redirect's location cannot be sent\n"),
        };
        reply
    }

    pub(super) fn fixed(status: u16, text: &str) -> Self {
        let mut headers = HeaderMap::new();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        Self {
            status: StatusCode::from_u16(status).expect("the config takes 200 to 599"),
            headers,
            source: Source::Whole(Some(Bytes::copy_from_slice(text.as_bytes()))),
            termination: Termination::Answered,
        }
    }

    /// The API's answer, which needs no checks.
    pub(super) fn from_api(answer: Response<axum::body::Body>) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            source: Source::Api(body),
            termination: Termination::Answered,
        }
    }

    /// The app's answer, checked: a child's bytes are as foreign as a client's.
    pub(super) fn from_app(
        trip: &mut Trip,
        route: &Route,
        job: Job,
        answer: Answer,
    ) -> Result<Self, Refusal> {
        let status = StatusCode::from_u16(answer.status).map_err(|_| broken("status"))?;
        let headers = app_headers(&answer.fields)?;
        let source = if answer.ended {
            check_length(trip, status, &headers, answer.first.len())?;
            trip.ended = Some(clock::now());
            Source::Whole(Some(answer.first))
        } else if route.stream_response {
            Source::Streamed { first: Some(answer.first), job }
        } else {
            let limits = &trip.gate.limits;
            let store = Store::fill(&job.passing, limits.spool_memory, &trip.gate.spool);
            Source::Stored { first: Some(answer.first), job, store, reading: None }
        };
        Ok(Self { status, headers, source, termination: Termination::Ok })
    }
}

fn broken(what: &'static str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_GATEWAY, Termination::Protocol)
        .because("the app gave no proper answer");
    refusal.detail = Bytes::from(format!("the app's answer has a malformed {what}"));
    refusal
}

fn app_headers(fields: &[u8]) -> Result<HeaderMap, Refusal> {
    let fields = Fields::parse(fields).map_err(|_| broken("head"))?;
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(|_| broken("header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| broken("header value"))?;
        if name == header::CONTENT_LENGTH {
            let digits = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
            if !digits || headers.contains_key(&name) {
                return Err(broken("Content-Length"));
            }
        }
        let full = headers.len() >= FIELDS_MAX;
        if !is_hop_by_hop(&name) && (full || headers.try_append(name, value).is_err()) {
            return Err(broken("head: too many fields"));
        }
    }
    Ok(headers)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    name == header::CONNECTION
        || name == header::TRANSFER_ENCODING
        || name == header::UPGRADE
        || name == header::TE
        || name == header::TRAILER
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn check_length(
    trip: &Trip,
    status: StatusCode,
    headers: &HeaderMap,
    len: usize,
) -> Result<(), Refusal> {
    let bodyless = trip.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    match told_length(headers) {
        Some(told) if !bodyless && told != len as u64 => Err(broken("Content-Length")),
        Some(_) | None => Ok(()),
    }
}

fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Turns the end of a request's way into its response.
pub(super) fn finish(mut trip: Trip, ended: Result<Reply, Refusal>) -> Response<ReplyBody> {
    let reply = ended.unwrap_or_else(|refusal| refuse(&mut trip, refusal));
    let mut response = Response::new(());
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    let headers = response.headers_mut();
    headers.entry(header::SERVER).or_insert(SERVER);
    headers.entry(REQUEST_ID).or_insert_with(|| trip.id.clone());
    trip.status = reply.status.as_u16();
    if reply.source.is_empty() || trip.method == Method::HEAD || matches!(trip.status, 204 | 304) {
        // hyper will not ask for a body, so this is all there is.
        trip.termination = reply.termination;
    }
    let told = told_length(response.headers());
    let body = ReplyBody::new(trip, reply.source, told, reply.termination);
    response.map(|()| body)
}

fn refuse(trip: &mut Trip, refusal: Refusal) -> Reply {
    let mut headers = HeaderMap::new();
    let code = HeaderValue::from_static(refusal.termination.code());
    headers.insert(TERMINATION, code);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.close {
        trip.connection.linger();
        if trip.version != http::Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    let (kind, text) = page::render(trip, &refusal);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    trip.detail = match refusal.detail.is_empty() {
        true => Bytes::from(refusal.reason.into_owned()),
        false => refusal.detail,
    };
    Reply {
        status: refusal.status,
        headers,
        source: Source::Whole(Some(Bytes::from(text))),
        termination: refusal.termination,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(count: usize) -> Vec<u8> {
        let pairs: Vec<_> = (0..count).map(|n| format!("x-{n}\0v")).collect();
        pairs.join("\0").into_bytes()
    }

    #[test]
    fn an_answer_with_more_fields_than_any_client_takes_is_refused_and_not_a_panic() {
        assert_eq!(app_headers(&head(900)).unwrap().len(), 900);
        let refusal = app_headers(&head(40_000)).unwrap_err();
        assert_eq!(refusal.termination, Termination::Protocol);
    }
}
