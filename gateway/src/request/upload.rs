//! A request's body on its way in, and what becomes of the part that nobody took.
//!
//! A reply may be made before the body was read. Over HTTP/1 the rest of the body then stands between the reply and the next request,
//! and a socket that is closed with unread input destroys a reply on its way. So a small rest is read and thrown away, beside
//! the reply; a large one, or one that the client may never send, ends the connection, which the reply announces and which lingers.
//!
//! A stream of HTTP/2 could be reset instead, and RFC 9113 8.1 has a code for it; but clients that people have take that for an error
//! (curl 7.88), or wait for room to send the rest before they look at the reply (httpx). So the rest is read there as well, as long as a
//! connection of HTTP/1 lingers.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use ostler_machine::clock;

use crate::connection::Connection;

/// The largest body that is read for nothing, so that its connection can be used again.
const SMALL: u64 = 64 << 10;
/// Time for it, and between two pieces of it.
const DRAIN: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(5);

const UNTOUCHED: u8 = 0;
const BEGUN: u8 = 1;
const WHOLE: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Option<Incoming>,
    /// None: nothing of it can be left.
    rest: Option<Arc<Rest>>,
    connection: Arc<Connection>,
}

/// What is known of a body that may be left unread. Shared with whoever makes the reply.
#[derive(Debug)]
pub(crate) struct Rest {
    progress: AtomicU8,
    /// Bytes that somebody has taken.
    taken: AtomicU64,
    small: bool,
    /// It stands between nothing else: streams end without each other.
    http2: bool,
    /// The client waits to be told to go on, and sends the body or not as it likes if it is told something else.
    expects: bool,
}

impl Rest {
    /// How much of the body was taken, whoever took it.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the connection must end with the reply.
    pub(crate) fn must_close(&self) -> bool {
        let progress = self.progress.load(Ordering::Relaxed);
        !self.http2 && progress != WHOLE && !self.can_be_drained(progress)
    }

    fn can_be_drained(&self, progress: u8) -> bool {
        (self.small || self.http2) && !(self.expects && progress == UNTOUCHED)
    }
}

impl Upload {
    /// Takes over the body of a request with this head.
    pub(crate) fn new(
        connection: &Arc<Connection>,
        version: Version,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Self {
        let connection = connection.clone();
        if body.is_end_stream() {
            return Self { body: Some(body), rest: None, connection };
        }
        let told = body.size_hint().exact();
        let rest = Rest {
            progress: AtomicU8::new(UNTOUCHED),
            taken: AtomicU64::new(0),
            small: told.is_some_and(|told| told <= SMALL),
            http2: version == Version::HTTP_2,
            expects: headers.contains_key(header::EXPECT),
        };
        Self { body: Some(body), rest: Some(Arc::new(rest)), connection }
    }

    /// For whoever makes the reply.
    pub(crate) fn rest(&self) -> Option<Arc<Rest>> {
        self.rest.clone()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let note = |progress| {
            if let Some(rest) = &this.rest {
                rest.progress.store(progress, Ordering::Relaxed);
            }
        };
        note(BEGUN);
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let (Some(rest), Some(Ok(frame))) = (&this.rest, &frame) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            rest.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if frame.is_none() || body.is_end_stream() {
            note(WHOLE);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(rest) = &self.rest else { return };
        let progress = rest.progress.load(Ordering::Relaxed);
        if progress == WHOLE || !rest.can_be_drained(progress) {
            return;
        }
        if let (Some(body), Ok(runtime)) = (self.body.take(), tokio::runtime::Handle::try_current())
        {
            let underway = UnderWay::begin(&self.connection);
            // Streams that are read for nothing are bounded like requests.
            if underway.1 || !rest.http2 {
                runtime.spawn(drain(body, underway));
            }
        }
    }
}

/// A rest that is read counts as a request under way. With whether its client may have one more.
struct UnderWay(Arc<Connection>, bool);

impl UnderWay {
    fn begin(connection: &Arc<Connection>) -> Self {
        let fits = connection.enter();
        Self(connection.clone(), fits)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.leave(clock::now());
    }
}

/// Reads what nobody wants. hyper sends the reply meanwhile, and takes the next request after it.
async fn drain(mut body: Incoming, _underway: UnderWay) {
    let all =
        async { while let Ok(Some(Ok(_))) = tokio::time::timeout(QUIET, body.frame()).await {} };
    // Whatever is left then closes the connection.
    let _ = tokio::time::timeout(DRAIN, all).await;
}
