//! The API listener: metrics and health, for this host unless the config says otherwise.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{gate::Gate, shutdown::Shutdown};

type Body = http_body_util::Full<Bytes>;

/// Serves the listener until the gateway ends; health is asked for during a drain as well.
pub(crate) async fn accept(gate: Arc<Gate>, listener: TcpListener, shutdown: Shutdown) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.over() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let gate = gate.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&gate, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            // A scraper that hangs up is no news.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(gate: &Gate, request: &Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
    }
    match request.uri().path() {
        "/metrics" => plain(StatusCode::OK, gate.metrics.render(gate)),
        "/healthz" => plain(StatusCode::OK, "ok\n".into()),
        "/readyz" if gate.is_ready() => plain(StatusCode::OK, "ready\n".into()),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, not_ready(gate)),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz here\n".into()),
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
    response
}
