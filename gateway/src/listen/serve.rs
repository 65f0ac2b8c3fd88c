//! One connection: TLS if it is asked for, then HTTP/1 or HTTP/2, until it is idle too long or the drain ends it.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ostler_heads::{http1 as strict, http2::trailers};
use ostler_job::Span;
use ostler_machine::{clock, shutdown::Shutdown};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    sniff,
    write_timeout::{Socket, WriteTimeout},
};
use crate::{
    config::Limits,
    connection::{Connection, Ending},
    connection_budget::Activity,
    request::{self, ServerState},
};

/// Time that a client may take nothing before its connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// A client of HTTP/2 that was told to go says so at once, unless it looks at the connection only while it waits for an answer, as
/// a pool of idle ones does. Without a request for so long, and so long after it was told, it is waited for no more; the last reply
/// may still be on its way before that.
const QUIET_MIN: Duration = Duration::from_secs(5);
const TOLD_MIN: Duration = Duration::from_secs(2);
/// Bytes that hyper reads ahead or holds back to write, for each connection; more where heads may be longer.
const BUFFER_MAX: usize = 64 << 10;
/// What hyper wants to have beyond a head.
const BUFFER_SLACK: usize = 16 << 10;
/// How many times longer than allowed a head of HTTP/2 may be and still be refused by us, which is logged: h2 answers longer ones
/// itself. It counts 32 bytes more for each field than HTTP/1 needs, and for each piece of a cookie.
const H2_HEADS: usize = 8;
/// Flow control windows of HTTP/2: room for one round trip of an upload.
const H2_STREAM_WINDOW: u32 = 256 << 10;
const H2_CONNECTION_WINDOW: u32 = 1 << 20;

/// Fields for which hyper needs no allocation.
const HEADERS_ON_STACK: usize = 100;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves a connection to its end.
pub(super) async fn connection(
    server: &Arc<ServerState>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    (shutdown, activity): (&Shutdown, &Arc<Activity>),
) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let limit = server.limits.header_timeout;
    let Some(acceptor) = tls else {
        let is_http2 = tokio::select! {
            sniffed = timeout(limit, sniff::is_http2(&stream)) => sniffed??,
            // Nothing has been asked on it.
            () = shutdown.draining() => return Ok(()),
        };
        let connection = Arc::new(Connection::new(peer, local, false, activity.clone()));
        return serve(server, connection, stream, is_http2, shutdown).await;
    };
    let shake = async {
        match sniff::is_cleartext(&stream).await? {
            true => Err(cleartext(stream).await),
            false => acceptor.accept(stream).await,
        }
    };
    let shaken = tokio::select! {
        shaken = timeout(limit, Box::pin(shake)) => shaken,
        () = shutdown.draining() => return Ok(()),
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return handshake_failed(server, "failed", error),
        Err(_) => return handshake_failed(server, "timeout", io::ErrorKind::TimedOut.into()),
    };
    server.metrics.handshakes.with_label_values(&["ok"]).inc();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let connection = Arc::new(Connection::new(peer, local, true, activity.clone()));
    serve(server, connection, stream, is_http2, shutdown).await
}

/// Tells a client that speaks HTTP where TLS is spoken, in the words that it knows.
async fn cleartext(stream: TcpStream) -> io::Error {
    const WORDS: &str = "400 Bad Request: this port speaks TLS; use https\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nserver: ostler\r\nconnection: close\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\r\n{WORDS}",
        WORDS.len()
    );
    let mut stream = WriteTimeout::new(stream, WRITE_LIMIT, Arc::new(Ending::default()));
    // Whether it hears it is its own affair.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    io::ErrorKind::InvalidData.into()
}

fn handshake_failed(server: &ServerState, result: &str, error: io::Error) -> Result<(), Failed> {
    server.metrics.handshakes.with_label_values(&[result]).inc();
    Err(error.into())
}

async fn serve<T>(
    server: &Arc<ServerState>,
    connection: Arc<Connection>,
    stream: T,
    is_http2: bool,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = WriteTimeout::new(stream, WRITE_LIMIT, connection.ending.clone());
    // Boxed, so that an idle connection holds the room of its own protocol only.
    match is_http2 {
        true => {
            server.metrics.connections.with_label_values(&["h2"]).inc();
            Box::pin(http2(server, connection, stream, shutdown)).await
        }
        false => {
            server.metrics.connections.with_label_values(&["http/1"]).inc();
            Box::pin(http1(server, connection, stream, shutdown)).await
        }
    }
}

/// The service of a connection: every request goes the same way.
fn answer(
    server: &Arc<ServerState>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<http::Response<request::ReplyBody>, Infallible>> + Send + use<> {
    let (server, connection) = (server.clone(), connection.clone());
    async move { Ok(request::handle(server, connection, request).await) }
}

async fn http1<T>(
    server: &Arc<ServerState>,
    connection: Arc<Connection>,
    stream: WriteTimeout<T>,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(server, &connection, request));
    let mut served = pin!(
        strict_http1(&server.limits)
            .serve_connection(guarded(&server.limits, &connection, stream), service)
    );
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        () = shutdown.draining() => {}
        () = connection.forsaken(&server.limits) => {}
    }
    served.as_mut().graceful_shutdown();
    Ok(served.await?)
}

/// HTTP/1 behind the guard, which keeps the time of heads; [`Connection::forsaken`] keeps that of idle connections.
pub(super) fn strict_http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    if limits.header_count > HEADERS_ON_STACK {
        // Only then, since it costs an allocation for each request.
        builder.max_headers(limits.header_count);
    }
    builder
        .header_read_timeout(None)
        .half_close(false)
        .max_buf_size(BUFFER_MAX.max(limits.header_bytes + BUFFER_SLACK));
    builder
}

/// A connection's stream, from which only requests come that are written as they should be.
pub(super) fn guarded<T>(
    limits: &Limits,
    connection: &Connection,
    stream: T,
) -> TokioIo<strict::guard::Guard<T>> {
    let Limits { header_bytes: bytes, header_count: fields, target_bytes: target, .. } = *limits;
    let bounds = strict::scan::Bounds { bytes, fields, target };
    let (limit, notes) = (limits.header_timeout, connection.notes.clone());
    TokioIo::new(strict::guard::Guard::new(stream, bounds, limit, notes))
}

async fn http2<T>(
    server: &Arc<ServerState>,
    connection: Arc<Connection>,
    stream: WriteTimeout<T>,
    shutdown: &Shutdown,
) -> Result<(), Failed>
where
    T: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_list = u32::try_from(server.limits.header_bytes * H2_HEADS).unwrap_or(u32::MAX);
    let mut served = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(server.limits.h2_streams)
            .max_header_list_size(header_list)
            .initial_stream_window_size(H2_STREAM_WINDOW)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .max_send_buf_size(BUFFER_MAX)
            .max_pending_accept_reset_streams(20)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(
                TokioIo::new(trailers::Guard::new(stream)),
                service_fn(|request| answer(server, &connection, request))
            )
    );
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        () = shutdown.draining() => {}
        () = connection.forsaken(&server.limits) => {}
        () = stalled(&connection) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
    served.as_mut().graceful_shutdown();
    // A client that is told to go may stay and take nothing as well.
    tokio::select! {
        ended = served.as_mut() => Ok(ended?),
        () = quiet(&connection) => Ok(()),
        () = stalled(&connection) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Waits until a client that was told to go has nothing under way and had its time to hear of it.
async fn quiet(connection: &Connection) {
    tokio::time::sleep(TOLD_MIN).await;
    while connection.idle().unwrap_or(Span::ZERO) < clock::span(QUIET_MIN) {
        tokio::time::sleep(QUIET_MIN / 10).await;
    }
}

/// Waits until a client has taken nothing of its replies for too long: one that grants no window holds them all, and
/// neither hyper nor h2 has a timer for that.
async fn stalled(connection: &Connection) {
    while connection.stalled() < clock::span(WRITE_LIMIT) {
        tokio::time::sleep(WRITE_LIMIT / 4).await;
    }
}
