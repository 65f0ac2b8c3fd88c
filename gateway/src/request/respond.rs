//! The only place that builds responses: from an app's answer, from a route's fixed reply, or from a refusal.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{self},
};
use http_body::{Frame, SizeHint};
use ostler_job::Termination;
use ostler_wire::Fields;

use super::{
    forward::Job,
    head::Head,
    page,
    route::Route,
    spool::SpoolFile,
    store::{Next, Store},
    trip::{REQUEST_ID, Trip},
};
use crate::{
    clock,
    pool::passing::{Answer, Failure},
};

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
    let empty = matches!(&reply.source, Source::Whole(None))
        || matches!(&reply.source, Source::Whole(Some(b)) if b.is_empty());
    if empty || trip.method == Method::HEAD || matches!(trip.status, 204 | 304) {
        // hyper will not ask for a body, so this is all there is.
        trip.termination = reply.termination;
    }
    let told = told_length(response.headers());
    let body = ReplyBody { trip, source: reply.source, told, done: reply.termination };
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

type Reading = Pin<Box<dyn Future<Output = std::io::Result<Bytes>> + Send>>;

enum Source {
    Whole(Option<Bytes>),
    Streamed { first: Option<Bytes>, job: Job },
    Stored { first: Option<Bytes>, job: Job, store: Arc<Store>, reading: Option<Reading> },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Streamed { .. } => "Streamed",
            Self::Stored { .. } => "Stored",
        })
    }
}

/// A reply's body as hyper takes it. Carries the request's record to the end.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    source: Source,
    trip: Trip,
    /// The length that the head tells.
    told: Option<u64>,
    /// How the request ended, once the last piece was taken.
    done: Termination,
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if let Source::Stored { store, .. } = &self.source {
            store.abandon();
        }
    }
}

impl ReplyBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match &mut self.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Source::Streamed { first, job } => {
                if let Some(first) = first.take().filter(|f| !f.is_empty()) {
                    return Poll::Ready(Some(Ok(first)));
                }
                let seat = job.passing.seat();
                let piece = ready!(job.passing.poll_piece(cx));
                if let (Some(seat), Some(Ok(piece))) = (seat, &piece) {
                    seat.carrier.consumed(seat.stream, piece.len(), job.passing.pieces_bytes());
                }
                Poll::Ready(piece)
            }
            Source::Stored { first, store, reading, .. } => {
                if let Some(first) = first.take().filter(|f| !f.is_empty()) {
                    return Poll::Ready(Some(Ok(first)));
                }
                poll_store(store, reading, cx)
            }
        }
    }

    fn passing_ended(&self) -> bool {
        match &self.source {
            Source::Whole(_) => true,
            Source::Streamed { job, .. } | Source::Stored { job, .. } => job.passing.is_ended(),
        }
    }
}

fn poll_store(
    store: &Store,
    reading: &mut Option<Reading>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Failure>>> {
    loop {
        if let Some(read) = reading {
            let bytes = ready!(read.as_mut().poll(cx));
            *reading = None;
            return Poll::Ready(Some(match bytes {
                Ok(bytes) => {
                    store.advance(bytes.len() as u64);
                    Ok(bytes)
                }
                Err(error) => Err(Failure {
                    termination: Termination::Overload,
                    detail: Bytes::from(format!("cannot read the spooled reply: {error}")),
                }),
            }));
        }
        match ready!(store.poll_next(cx)) {
            Next::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
            Next::File(file, offset) => *reading = Some(Box::pin(read(file, offset))),
            Next::End => return Poll::Ready(None),
            Next::Failed(failure) => return Poll::Ready(Some(Err(failure))),
        }
    }
}

async fn read(file: Arc<SpoolFile>, offset: u64) -> std::io::Result<Bytes> {
    file.read(offset, super::store::READ).await
}

/// Breaks the connection, so that the client does not take half a reply for a whole one.
#[derive(Debug)]
pub(crate) struct BrokenOff(Termination);

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the reply broke off: {}", self.0)
    }
}

impl std::error::Error for BrokenOff {}

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let piece = ready!(this.poll_piece(cx));
        if this.trip.ended.is_none() && this.passing_ended() {
            this.trip.ended = Some(clock::now());
        }
        Poll::Ready(match piece {
            Some(Ok(piece)) => {
                this.trip.bytes_out += piece.len() as u64;
                // hyper asks for no more than it was told there is.
                if matches!(this.source, Source::Whole(_)) || this.told == Some(this.trip.bytes_out)
                {
                    this.trip.termination = this.done;
                } else {
                    this.trip.termination = Termination::GoneReading;
                }
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(failure)) => {
                this.trip.termination = failure.termination;
                this.trip.detail = failure.detail;
                Some(Err(BrokenOff(failure.termination)))
            }
            None => {
                this.trip.termination = this.done;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Source::Streamed { .. } | Source::Stored { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Streamed { .. } | Source::Stored { .. } => SizeHint::default(),
        }
    }
}
