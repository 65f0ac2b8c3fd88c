//! The head-to-frame path by itself, for instruction counts: no socket, no child, no runtime.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use ostler_heads::http1::{guard::Guard, scan};
use tokio::io::{AsyncRead, ReadBuf};

use super::shapes;
#[cfg(test)]
use crate::request::{Route, route};
use crate::{
    connection::Connection,
    request::{RequestRecord, ServerState, head, spool::Body},
    target::request_frame,
};
#[cfg(test)]
use ostler_pool::{Pool, Pools};

/// A head such as a browser sends.
const HEAD: &[u8] = b"GET /shop/item?id=42 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n\
Accept-Language: en-GB,en;q=0.5\r\nCookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";

/// Scans a head, checks it and writes its frame, so many times: one such as a browser sends, or one of [`shapes`].
pub(crate) fn head_to_frame(
    server: Arc<ServerState>,
    shape: Option<&str>,
    times: usize,
) -> std::io::Result<usize> {
    let rig = Rig::new(server);
    let mut bytes = 0;
    match shape {
        None => (0..times).for_each(|_| bytes += rig.frame(HEAD, parsed())),
        Some(shape) => {
            let unknown = || std::io::Error::other(format!("the shapes are {:?}", shapes::SHAPES));
            let head = shapes::head(shape).ok_or_else(unknown)?;
            let parsed = || shapes::parsed(&head);
            (0..times).for_each(|_| bytes += rig.frame(head.as_bytes(), parsed()));
        }
    }
    Ok(bytes)
}

/// Reads a stream of a shape as a connection does before hyper sees it, so many times; `None`: there is no such shape.
pub(crate) fn streams(shape: &str, times: usize) -> Option<usize> {
    let (bytes, at_once) = shapes::stream(shape)?;
    Some((0..times).map(|_| guarded(&bytes, at_once)).sum())
}

/// Reads bytes that come so many at a time through a guard. How many pass.
pub(crate) fn guarded(bytes: &[u8], at_once: usize) -> usize {
    let bounds = scan::Bounds { bytes: 32 << 10, fields: 100, target: 8 << 10 };
    let socket = Slow { bytes, at_once };
    let mut guard = Guard::new(socket, bounds, Duration::from_secs(30), Arc::default());
    let mut cx = Context::from_waker(Waker::noop());
    let (mut passed, mut buffer) = (0, [0; 8192]);
    loop {
        let mut out = ReadBuf::new(&mut buffer);
        match Pin::new(&mut guard).poll_read(&mut cx, &mut out) {
            Poll::Ready(Ok(())) if !out.filled().is_empty() => passed += out.filled().len(),
            Poll::Ready(_) | Poll::Pending => return passed,
        }
    }
}

/// A socket on which so many bytes come at a time.
struct Slow<'a> {
    bytes: &'a [u8],
    at_once: usize,
}

impl AsyncRead for Slow<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (now, later) =
            self.bytes.split_at(self.at_once.min(self.bytes.len()).min(out.remaining()));
        out.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// A server state without a listener.
pub(crate) struct Rig {
    server: Arc<ServerState>,
    connection: Arc<Connection>,
}

impl Rig {
    pub(crate) fn new(server: Arc<ServerState>) -> Self {
        let here = SocketAddr::from(([127, 0, 0, 1], 8080));
        let connection = Arc::new(Connection::new(here, here, false, Arc::default()));
        Self { server, connection }
    }

    /// The bytes of a head's frame; 0 when it is refused.
    pub(crate) fn frame(&self, bytes: &[u8], request: Request<()>) -> usize {
        let bounds = scan::Bounds { bytes: 32 << 10, fields: 100, target: 8 << 10 };
        let scanned = scan::head(bytes, bounds);
        assert!(matches!(scanned, Ok(Some((len, _))) if len == bytes.len()), "the head is fine");
        let mut record = RequestRecord::begin(&self.server, &self.connection, &request);
        let (parts, ()) = request.into_parts();
        let Ok(head) = head::check(&mut record, &parts) else { return 0 };
        head::routed(head.path(&parts.uri));
        let body = Body::Memory(Bytes::new());
        request_frame(&record, &parts, &head, &body).frame.len()
    }
}

/// What hyper makes of the head; its own work is hyper's to count.
fn parsed() -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static("/shop/item?id=42");
    let fields = [
        (header::HOST, "shop.example"),
        (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64)"),
        (header::ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        (header::ACCEPT_ENCODING, "gzip, deflate, br"),
        (header::ACCEPT_LANGUAGE, "en-GB,en;q=0.5"),
        (header::COOKIE, "session=0123456789abcdef"),
        (header::CONNECTION, "keep-alive"),
    ];
    for (name, value) in fields {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

#[cfg(test)]
impl Rig {
    /// A request that has found its way to an app, where the config has one.
    pub(crate) fn routed(&self, pools: &Pools) -> (RequestRecord, Arc<Route>, Arc<Pool>) {
        let (parts, ()) = parsed().into_parts();
        let request = Request::from_parts(parts.clone(), ());
        let mut record = RequestRecord::begin(&self.server, &self.connection, &request);
        let Ok(head) = head::check(&mut record, &parts) else { panic!("the head is fine") };
        let Ok(route) = route::find(&mut record, &head, &parts) else {
            panic!("the config has a route")
        };
        let app = route.to.app().expect("it leads to an app");
        let pool = pools[app].clone();
        (record, route, pool)
    }
}
