//! The only place that builds responses: from an app's answer, from a route's fixed reply, or from a refusal.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version,
    header::{self},
};
use hyper::ext::ReasonPhrase;
use ostler_job::Termination;
use ostler_machine::clock;
use ostler_wire::{Fields, message::is_reason_phrase};

use super::{
    body::{ReplyBody, Source},
    forward::Job,
    head::Head,
    page,
    route::Route,
    store::Store,
    trip::Trip,
};
use crate::{http1::scan, pool::passing::Answer, request_id::REQUEST_ID};

/// Fields of an app's answer; no client takes as many.
const FIELDS_MAX: usize = 1000;

/// Replies up to this size are not counted as memory: there are no more of them than requests.
const SMALL: usize = 16 << 10;

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
    /// It has no body at all.
    pub(super) bare: bool,
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
            bare: false,
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

    /// More requests of a client than are left to the others. It has no body, which its client could let lie: then it is over
    /// at once.
    pub(super) fn too_many() -> Self {
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, Termination::Overload)
            .because("too many of your requests are under way");
        refusal.retry_after_s = Some(1);
        refusal.bare = true;
        refusal
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
    /// What the app calls the status, when it has words of its own for it.
    reason: Option<ReasonPhrase>,
    source: Source,
    termination: Termination,
}

impl Reply {
    pub(super) fn redirect(
        status: u16,
        location: &str,
        head: &Head<'_>,
        uri: &Uri,
    ) -> Result<Self, Refusal> {
        if head.host.is_empty() && location.contains("$host") {
            let reason = "no Host, and the redirect needs one";
            return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let target = location.trim().replace("$host", &head.host).replace("$uri", path);
        let mut reply = Self::fixed(status, "");
        match HeaderValue::try_from(target) {
            Ok(value) => reply.headers.insert(header::LOCATION, value),
            Err(_) => return Ok(Self::fixed(500, "the redirect's location cannot be sent\n")),
        };
        Ok(reply)
    }

    pub(super) fn fixed(status: u16, text: &str) -> Self {
        let mut headers = HeaderMap::new();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        Self {
            status: StatusCode::from_u16(status).expect("the config takes 200 to 599"),
            headers,
            reason: None,
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
            reason: None,
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
        let (headers, reason) = app_headers(&answer.fields)?;
        let source = if answer.ended {
            check_length(&trip.method, status, &headers, answer.first.len())?;
            trip.ended = Some(clock::now());
            whole(trip, route, job, answer.first)
        } else if has_no_body(&trip.method, status) {
            // Nobody asks for the rest, and the app is let to its end all the same.
            tokio::spawn(job.let_end());
            trip.ended = Some(clock::now());
            Source::Whole(None)
        } else if route.stream_response {
            Source::Streamed { first: Some(answer.first), job }
        } else {
            let store = Store::new(trip, route);
            store.fill(&job.passing);
            Source::Stored { first: Some(answer.first), job, store, reading: None }
        };
        Ok(Self { status, headers, reason, source, termination: Termination::Ok })
    }
}

/// A reply that is there already: in memory, if it is small or there is room.
fn whole(trip: &mut Trip, route: &Route, job: Job, reply: Bytes) -> Source {
    if reply.len() <= SMALL || trip.method == Method::HEAD || trip.hold(reply.len()) {
        return Source::Whole(Some(reply));
    }
    let store = Store::new(trip, route);
    store.take_whole(reply);
    Source::Stored { first: None, job, store, reading: None }
}

fn broken(what: &'static str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_GATEWAY, Termination::Protocol)
        .because("the app gave no proper answer");
    refusal.detail = Bytes::from(format!("the app's answer has a malformed {what}"));
    refusal
}

fn app_headers(fields: &[u8]) -> Result<(HeaderMap, Option<ReasonPhrase>), Refusal> {
    let fields = Fields::parse(fields).map_err(|_| broken("head"))?;
    let mut headers = HeaderMap::with_capacity(8);
    let mut reason = None;
    for (name, value) in fields {
        if is_reason_phrase(name) {
            reason = Some(ReasonPhrase::try_from(value).map_err(|_| broken("reason phrase"))?);
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| broken("header name"))?;
        // HTTP/1 forgives blanks around a value; HTTP/2 ends the stream, or the connection (RFC 9113 8.2.1).
        let value = HeaderValue::from_bytes(scan::trim(value));
        let value = value.map_err(|_| broken("header value"))?;
        if name == header::CONTENT_LENGTH {
            let digits = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
            match headers.get(&name) {
                // The same twice is no question (RFC 9110 8.6).
                Some(told) if *told == value => continue,
                Some(_) => return Err(broken("Content-Length")),
                None if !digits => return Err(broken("Content-Length")),
                None => {}
            }
        }
        let full = headers.len() >= FIELDS_MAX;
        if !is_hop_by_hop(&name) && (full || headers.try_append(name, value).is_err()) {
            return Err(broken("head: too many fields"));
        }
    }
    Ok((headers, reason))
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
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    len: usize,
) -> Result<(), Refusal> {
    let bodyless = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
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
    // hyper would write `<none>` for a status that has no usual words. HTTP/2 has no words at all.
    let nameless =
        || reply.status.canonical_reason().is_none().then(|| ReasonPhrase::from_static(b""));
    if trip.version != Version::HTTP_2
        && let Some(reason) = reply.reason.or_else(nameless)
    {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = reply.headers;
    let (headers, mut source) = (response.headers_mut(), reply.source);
    headers.entry(header::SERVER).or_insert(SERVER);
    headers.entry(REQUEST_ID).or_insert_with(|| trip.id.clone());
    trip.status = reply.status.as_u16();
    let has_no_body = has_no_body(&trip.method, reply.status);
    if has_no_body {
        source = without_body(source, trip.status, headers);
    }
    if has_no_body || source.is_empty() {
        // Nobody will ask for a body, so this is all there is.
        trip.termination = reply.termination;
    }
    let told = told_length(headers);
    let is_unread = trip.rest.as_ref().is_some_and(|rest| rest.must_close());
    let ends_by_close =
        trip.version == Version::HTTP_10 && told.or_else(|| source.known_len()).is_none();
    if is_unread {
        close(&trip, headers);
    } else if ends_by_close && !has_no_body {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if trip.version == Version::HTTP_10 && headers.contains_key(header::CONNECTION) {
        // Else hyper adds the keep-alive that the client asked for.
        *response.version_mut() = Version::HTTP_10;
    }
    let body = ReplyBody::new(trip, source, told, reply.termination);
    response.map(|()| body)
}

/// RFC 9110 6.4.1.
fn has_no_body(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || matches!(status.as_u16(), 204 | 304)
}

/// What is left of a body that must not be sent: its length, where that may be told. hyper sees to it for HTTP/1 only.
fn without_body(source: Source, status: u16, headers: &mut HeaderMap) -> Source {
    if status == 204 {
        headers.remove(header::CONTENT_LENGTH);
    } else if status != 304
        && let Some(len) = source.known_len().filter(|len| *len > 0)
    {
        headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(len));
    }
    Source::Whole(None)
}

/// The connection ends with this reply: it says so, and what the client still sends does not destroy it.
fn close(trip: &Trip, headers: &mut HeaderMap) {
    if trip.version != Version::HTTP_2 {
        trip.connection.linger();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
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
        close(trip, &mut headers);
    }
    let mut text = String::new();
    if !refusal.bare {
        let kind;
        (kind, text) = page::render(trip, &refusal);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    trip.detail = match refusal.detail.is_empty() {
        true => Bytes::from(refusal.reason.into_owned()),
        false => refusal.detail,
    };
    Reply {
        status: refusal.status,
        headers,
        reason: None,
        source: Source::Whole(Some(Bytes::from(text))),
        termination: refusal.termination,
    }
}

#[cfg(test)]
mod tests;
