//! The API listener: the API, metrics and health, for this host unless the config says otherwise.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::patience::Patient;
use crate::{
    api::{self, Door},
    gate::Gate,
    request::request_id,
    shutdown::Shutdown,
};

/// Time that a client may take nothing before its connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// Serves the listener until the gateway ends; health is asked for during a drain as well.
pub(crate) async fn accept(gate: Arc<Gate>, listener: TcpListener, shutdown: Shutdown) {
    let loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.over() => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // An answer may be written in two parts, and the second must not wait for the first's acknowledgement.
        let _ = stream.set_nodelay(true);
        let gate = gate.clone();
        let door = Door { loopback, peer: Some(peer.ip()) };
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let gate = gate.clone();
                async move { Ok::<_, Infallible>(answer(&gate, door, request).await) }
            });
            // The API may refuse an upload before it is read; its answer must get through.
            let linger = Arc::new(AtomicBool::new(true));
            // A client that hangs up is no news.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(Patient::new(stream, WRITE_LIMIT, linger)), service)
                .await;
        });
    }
}

async fn answer(gate: &Gate, door: Door, mut request: Request<Incoming>) -> Response<Body> {
    let health = matches!(request.uri().path(), "/metrics" | "/healthz" | "/readyz");
    let face = gate.api.get();
    if !health {
        let Some(face) = face else { return api::not_yet(&request_id(request.headers())) };
        request.extensions_mut().insert(door);
        return match face.router().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
    }
    if !door.loopback {
        let Some(face) = face else { return api::not_yet(&request_id(request.headers())) };
        if let Err(refused) = face.may_read(request.headers(), door.peer) {
            return *refused;
        }
    }
    self::health(gate, &request)
}

fn health(gate: &Gate, request: &Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
    }
    match request.uri().path() {
        "/metrics" => plain(StatusCode::OK, gate.metrics.render(gate)),
        "/healthz" => plain(StatusCode::OK, "ok\n".into()),
        _ if gate.is_ready() => plain(StatusCode::OK, "ready\n".into()),
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, not_ready(gate)),
    }
}

fn not_ready(gate: &Gate) -> String {
    if gate.is_draining() {
        return "draining\n".into();
    }
    let missing = gate.pools.values().filter(|pool| !pool.is_ready());
    missing.map(|pool| format!("app {} has no child that serves\n", pool.app)).collect()
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
