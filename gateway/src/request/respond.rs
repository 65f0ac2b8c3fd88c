//! The only place that builds responses to requests that have a route: from a target's reply or from a refusal.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use hyper::ext::ReasonPhrase;
use ostler_heads::request_id::REQUEST_ID;
use ostler_job::Termination;

use super::{
    body::{ReplyBody, Source},
    page,
    record::RequestRecord,
};

const SERVER: HeaderValue = HeaderValue::from_static("ostler");
const TERMINATION: HeaderName = HeaderName::from_static("ostler-termination");

/// A request that ends without an app's answer: who ended it, and what the client may do about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) termination: Termination,
    /// One sentence for whoever sent the request.
    pub(crate) reason: Cow<'static, str>,
    /// What the log says beyond that.
    pub(crate) detail: Bytes,
    pub(crate) retry_after_s: Option<u64>,
    /// A whole page instead of the sentence.
    pub(crate) page: Option<String>,
    /// It has no body at all.
    pub(crate) bare: bool,
    /// Unread input may be on the connection.
    pub(crate) close: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, termination: Termination) -> Self {
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

    pub(crate) fn malformed(status: StatusCode, reason: &'static str) -> Self {
        Self::new(status, Termination::BadRequest).because(reason)
    }

    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Cow::Borrowed(reason);
        self
    }

    /// More requests of a client than are left to the others. It has no body, which its client could let lie: then it is over
    /// at once.
    pub(crate) fn too_many() -> Self {
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, Termination::Overload)
            .because("too many of your requests are under way");
        refusal.retry_after_s = Some(1);
        refusal.bare = true;
        refusal
    }

    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// A response that will be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What the app calls the status, when it has words of its own for it.
    reason: Option<ReasonPhrase>,
    source: Source,
    termination: Termination,
}

impl Reply {
    pub(crate) fn new(
        status: StatusCode,
        headers: HeaderMap,
        source: Source,
        termination: Termination,
    ) -> Self {
        Self { status, headers, reason: None, source, termination }
    }

    /// With words of its own for the status.
    pub(crate) fn called(self, reason: Option<ReasonPhrase>) -> Self {
        Self { reason, ..self }
    }

    /// A text of our own.
    pub(crate) fn fixed(status: u16, text: &str) -> Self {
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
}

/// The length that a head tells.
pub(crate) fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Turns the end of a request's way into its response.
pub(super) fn finish(
    mut record: RequestRecord,
    ended: Result<Reply, Refusal>,
) -> Response<ReplyBody> {
    let reply = ended.unwrap_or_else(|refusal| refuse(&mut record, refusal));
    let mut response = Response::new(());
    *response.status_mut() = reply.status;
    // hyper would write `<none>` for a status that has no usual words. HTTP/2 has no words at all.
    let nameless =
        || reply.status.canonical_reason().is_none().then(|| ReasonPhrase::from_static(b""));
    if record.version != Version::HTTP_2
        && let Some(reason) = reply.reason.or_else(nameless)
    {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = reply.headers;
    let (headers, mut source) = (response.headers_mut(), reply.source);
    headers.entry(header::SERVER).or_insert(SERVER);
    headers.entry(REQUEST_ID).or_insert_with(|| record.id.clone());
    record.status = reply.status.as_u16();
    let has_no_body = has_no_body(&record.method, reply.status);
    if has_no_body {
        source = without_body(source, record.status, headers);
    }
    if has_no_body || source.is_empty() {
        // Nobody will ask for a body, so this is all there is.
        record.termination = reply.termination;
    }
    let told = told_length(headers);
    let is_unread = record.rest.as_ref().is_some_and(|rest| rest.must_close());
    let ends_by_close =
        record.version == Version::HTTP_10 && told.or_else(|| source.known_len()).is_none();
    if is_unread {
        close(&record, headers);
    } else if ends_by_close && !has_no_body {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if record.version == Version::HTTP_10 && headers.contains_key(header::CONNECTION) {
        // Else hyper adds the keep-alive that the client asked for.
        *response.version_mut() = Version::HTTP_10;
    }
    let body = ReplyBody::new(record, source, told, reply.termination);
    response.map(|()| body)
}

/// RFC 9110 6.4.1.
pub(crate) fn has_no_body(method: &Method, status: StatusCode) -> bool {
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
fn close(record: &RequestRecord, headers: &mut HeaderMap) {
    if record.version != Version::HTTP_2 {
        record.connection.linger();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

fn refuse(record: &mut RequestRecord, refusal: Refusal) -> Reply {
    let mut headers = HeaderMap::new();
    let code = HeaderValue::from_static(refusal.termination.code());
    headers.insert(TERMINATION, code);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.close {
        close(record, &mut headers);
    }
    let mut text = String::new();
    if !refusal.bare {
        let kind;
        (kind, text) = page::render(record, &refusal);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    record.detail = match refusal.detail.is_empty() {
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
mod tests {
    use super::*;

    #[test]
    fn only_the_method_and_the_status_say_that_there_is_no_body() {
        for (method, status, wanted) in [
            (Method::HEAD, 200, true),
            (Method::GET, 204, true),
            (Method::GET, 304, true),
            (Method::GET, 200, false),
            (Method::POST, 205, false),
            (Method::GET, 404, false),
        ] {
            let has_none = has_no_body(&method, StatusCode::from_u16(status).unwrap());
            assert_eq!(has_none, wanted, "{method} {status}");
        }
    }
}
