//! The API listener: the API, metrics and health, for this host unless the config says otherwise.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use ostler_api::{ApiService, ConnectionInfo};
use ostler_heads::{
    host,
    request_id::{REQUEST_ID, request_id},
};
use ostler_machine::{clock, shutdown::Shutdown};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::{
    health::{self, Health},
    serve,
    write_timeout::WriteTimeout,
};
use crate::{
    config::Limits,
    connection::Connection,
    connection_budget::{Activity, ConnectionClass},
    request::{self, ServerState, Upload},
};

/// Time that a client may take nothing before its connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// A list may name a thousand jobs.
const TARGET_MAX: usize = 32 << 10;

/// What is served on it.
#[derive(Debug)]
pub(crate) struct ApiListener {
    pub(crate) server: Arc<ServerState>,
    pub(crate) service: Arc<ApiService>,
    pub(crate) health: Health,
    /// Names that clients may ask for besides those of this host.
    pub(crate) hosts: Vec<String>,
}

/// Serves the listener until the gateway ends; health is asked for during a drain as well.
pub(crate) async fn accept(api: Arc<ApiListener>, listener: TcpListener, shutdown: Shutdown) {
    let server = api.server.clone();
    let loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    loop {
        server.connections.await_evictions().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.over() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                server
                    .notices
                    .warn_seldom("accept", &format!("cannot accept connections: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // All are at work.
        let Some(permit) = server.connections.enter_as(
            ConnectionClass::Api,
            peer.ip(),
            request::is_trusted(&server, peer.ip()),
        ) else {
            continue;
        };
        let api = api.clone();
        let info = ConnectionInfo { loopback, peer: Some(peer.ip()) };
        tokio::spawn(async move {
            let activity = &permit.activity;
            tokio::select! {
                () = serve(&api, info, stream, (peer, activity)) => {}
                () = permit.evicted() => {}
            }
        });
    }
}

/// One connection, as strict as those of the front door.
async fn serve(
    api: &Arc<ApiListener>,
    info: ConnectionInfo,
    stream: TcpStream,
    (peer, activity): (SocketAddr, &Arc<Activity>),
) {
    // An answer may be written in two parts, and the second must not wait for the first's acknowledgement.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let connection = Arc::new(Connection::new(peer, local, false, activity.clone()));
    let stream = WriteTimeout::new(stream, WRITE_LIMIT, connection.ending.clone());
    let service = service_fn(|request| {
        let (api, turn) = (api.clone(), Turn::begin(&connection));
        async move { Ok::<_, Infallible>(answer(&api, info, turn, request).await) }
    });
    let limits = api.server.limits;
    let limits = Limits {
        target_bytes: limits.target_bytes.max(TARGET_MAX),
        header_bytes: limits.header_bytes.max(2 * TARGET_MAX),
        ..limits
    };
    let io = serve::guarded(&limits, &connection, stream);
    let mut served = pin!(serve::strict_http1(&limits).serve_connection(io, service));
    tokio::select! {
        // A client that hangs up is no news.
        _ = served.as_mut() => return,
        () = connection.forsaken(&limits) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

async fn answer(
    api: &ApiListener,
    info: ConnectionInfo,
    turn: Turn,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = Upload::new(&turn.0, parts.version, &parts.headers, body);
    let (rest, version) = (body.rest(), parts.version);
    let believed = request::is_trusted(&api.server, turn.0.peer.ip());
    let id = request_id(&parts.headers, believed);
    parts.headers.insert(REQUEST_ID, id.clone());
    let refused = turn.0.notes.next_request();
    let malformed = refused.is_some();
    let mut answer = match refused {
        Some((refused, heard)) => {
            ostler_api::malformed(&id, refused.status, refused.reason, heard.method == "HEAD")
        }
        None => match misdirected(api, info, &parts) {
            true => ostler_api::misdirected(&id, parts.method == Method::HEAD),
            false => serve_request(api, info, Request::from_parts(parts, Body::new(body))).await,
        },
    };
    if malformed || rest.is_some_and(|rest| rest.must_close()) {
        turn.0.linger();
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Else hyper adds the keep-alive that an old client asked for.
        *answer.version_mut() = version;
    }
    answer.map(|body| Body::new(Answering { body, _turn: turn }))
}

/// A page of another site can ask for any name that its owner makes point here; only names that nobody else can make are answered
/// where no token is needed.
fn misdirected(api: &ApiListener, info: ConnectionInfo, parts: &Parts) -> bool {
    if !info.loopback && api.hosts.is_empty() {
        return false;
    }
    let field = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = parts.uri.authority().map(|a| a.as_str()).or(field) else {
        // Older than the field, and no browser.
        return false;
    };
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => authority,
    };
    let known = |host: &String| host.eq_ignore_ascii_case(name.strip_suffix('.').unwrap_or(name));
    !host::is_not_rebound(name) && !api.hosts.iter().any(known)
}

async fn serve_request(
    api: &ApiListener,
    info: ConnectionInfo,
    mut request: Request<Body>,
) -> Response<Body> {
    let service = &api.service;
    if !health::is_asked(&request) {
        request.extensions_mut().insert(info);
        return match service.router().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
    }
    let mut is_stranger = false;
    if !info.loopback {
        // Metrics name every tenant.
        let of_all = request.uri().path() == "/metrics";
        match service.may_read(request.headers(), info.peer, of_all) {
            Ok(()) => {}
            // Nobody can be known, and a balancer that is told so would take the apps for gone.
            Err(refused) if refused.status() == StatusCode::SERVICE_UNAVAILABLE && !of_all => {
                is_stranger = true;
            }
            Err(refused) => return *refused,
        }
    }
    let health = api.health.clone();
    let health = tower::service_fn(move |request: Request<Body>| {
        std::future::ready(Ok::<_, Infallible>(health.answer(&request, is_stranger)))
    });
    match ostler_api::compressed(health).oneshot(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(never) => match never {},
    }
}

/// A request of a connection, which is not idle meanwhile.
struct Turn(Arc<Connection>);

impl Turn {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.enter();
        Self(connection.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.leave(clock::now());
    }
}

/// An answer's body; the request lasts as long as it does.
struct Answering {
    body: Body,
    _turn: Turn,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
