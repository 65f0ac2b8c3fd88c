//! One connection: TLS if it is asked for, then HTTP/1 or HTTP/2, until it is idle too long or the drain ends it.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use bytes::BytesMut;
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Connection, patience::Patient, sniff};
use crate::{clock, gate::Gate, http1 as strict, request, shutdown::Shutdown};

/// Time that a client may take nothing before its connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// Bytes that hyper reads ahead or holds back to write, for each connection.
const BUFFER_MAX: usize = 64 << 10;
/// Flow control windows of HTTP/2: room for one round trip of an upload.
const H2_STREAM_WINDOW: u32 = 256 << 10;
const H2_CONNECTION_WINDOW: u32 = 1 << 20;

/// Fields for which hyper needs no allocation.
const HEADERS_ON_STACK: usize = 100;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves a connection to its end.
pub(super) async fn connection(
    gate: &Arc<Gate>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    shutdown: &Shutdown,
) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let limit = gate.limits.header_timeout;
    let Some(acceptor) = tls else {
        let is_http2 = tokio::select! {
            sniffed = timeout(limit, sniff::is_http2(&stream)) => sniffed??,
            // Nothing has been asked on it.
            () = shutdown.draining() => return Ok(()),
        };
        let connection = Arc::new(Connection::new(peer, local, false));
        return serve(gate, connection, stream, is_http2, shutdown).await;
    };
    let shaken = tokio::select! {
        shaken = timeout(limit, Box::pin(acceptor.accept(stream))) => shaken,
        () = shutdown.draining() => return Ok(()),
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return handshake_failed(gate, "failed", error),
        Err(_) => return handshake_failed(gate, "timeout", io::ErrorKind::TimedOut.into()),
    };
    gate.metrics.handshakes.with_label_values(&["ok"]).inc();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let connection = Arc::new(Connection::new(peer, local, true));
    serve(gate, connection, stream, is_http2, shutdown).await
}

fn handshake_failed(gate: &Gate, result: &str, error: io::Error) -> Result<(), Failed> {
    gate.metrics.handshakes.with_label_values(&[result]).inc();
    Err(error.into())
}

async fn serve<T>(
    gate: &Arc<Gate>,
    connection: Arc<Connection>,
    stream: T,
    is_http2: bool,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Patient::new(stream, WRITE_LIMIT, connection.linger.clone());
    // Boxed, so that an idle connection holds the room of its own protocol only.
    match is_http2 {
        true => {
            gate.metrics.connections.with_label_values(&["h2"]).inc();
            Box::pin(http2(gate, connection, stream, shutdown)).await
        }
        false => {
            gate.metrics.connections.with_label_values(&["http/1"]).inc();
            Box::pin(http1(gate, connection, stream, shutdown)).await
        }
    }
}

/// The service of a connection: every request goes the same way.
fn answer(
    gate: &Arc<Gate>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<http::Response<request::ReplyBody>, Infallible>> + Send + use<> {
    let (gate, connection) = (gate.clone(), connection.clone());
    async move { Ok(request::handle(gate, connection, request).await) }
}

async fn http1<T>(
    gate: &Arc<Gate>,
    connection: Arc<Connection>,
    stream: Patient<T>,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let bounds =
        strict::scan::Bounds { bytes: gate.limits.header_bytes, fields: gate.limits.header_count };
    let guard =
        strict::guard::Guard::new(stream, BytesMut::new(), bounds, connection.notes.clone());
    let mut builder = http1::Builder::new();
    if gate.limits.header_count > HEADERS_ON_STACK {
        // Only then, since it costs an allocation for each request.
        builder.max_headers(gate.limits.header_count);
    }
    let mut served = pin!(
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(gate.limits.header_timeout)
            .half_close(false)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(
                TokioIo::new(guard),
                service_fn(|request| answer(gate, &connection, request))
            )
    );
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        () = shutdown.draining() => served.as_mut().graceful_shutdown(),
    }
    Ok(served.await?)
}

async fn http2<T>(
    gate: &Arc<Gate>,
    connection: Arc<Connection>,
    stream: Patient<T>,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_list = u32::try_from(gate.limits.header_bytes).unwrap_or(u32::MAX);
    let mut served = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(gate.limits.h2_streams)
            .max_header_list_size(header_list)
            .initial_stream_window_size(H2_STREAM_WINDOW)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .max_send_buf_size(BUFFER_MAX)
            .max_pending_accept_reset_streams(20)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| answer(gate, &connection, request))
            )
    );
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        () = shutdown.draining() => {}
        () = idle(&connection, gate.limits.header_timeout) => {}
        () = stalled(&connection) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
    served.as_mut().graceful_shutdown();
    Ok(served.await?)
}

/// Waits until a client has taken nothing of its replies for too long: one that grants no window holds them all, and
/// neither hyper nor h2 has a timer for that.
async fn stalled(connection: &Connection) {
    while connection.stalled() < clock::span(WRITE_LIMIT) {
        tokio::time::sleep(WRITE_LIMIT / 4).await;
    }
}

/// Waits until nothing was asked on a connection for a while. hyper's HTTP/2 keeps idle connections for ever.
async fn idle(connection: &Connection, limit: Duration) {
    loop {
        match connection.idle() {
            Some(idle) if idle >= clock::span(limit) => return,
            Some(_) | None => tokio::time::sleep(limit.max(Duration::from_millis(100))).await,
        }
    }
}
