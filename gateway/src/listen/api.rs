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
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::{Connection, patience::Patient, serve};
use crate::{
    api::{self, Door},
    clock,
    config::Limits,
    doors::{Door as At, Seat},
    gate::Gate,
    host,
    request::{self, Upload, request_id},
    shutdown::Shutdown,
};

/// Time that a client may take nothing before its connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// A list may name a thousand jobs.
const TARGET_MAX: usize = 32 << 10;

/// Serves the listener until the gateway ends; health is asked for during a drain as well.
pub(crate) async fn accept(gate: Arc<Gate>, listener: TcpListener, shutdown: Shutdown) {
    let loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    loop {
        gate.doors.breathe().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.over() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                gate.warn_seldom("accept", &format!("cannot accept connections: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // All are at work.
        let Some(place) =
            gate.doors.enter_as(At::Api, peer.ip(), request::is_trusted(&gate, peer.ip()))
        else {
            continue;
        };
        let gate = gate.clone();
        let door = Door { loopback, peer: Some(peer.ip()) };
        tokio::spawn(async move {
            let seat = &place.seat;
            tokio::select! {
                () = serve(&gate, door, stream, (peer, seat)) => {}
                () = place.taken_away() => {}
            }
        });
    }
}

/// One connection, as strict as those of the front door.
async fn serve(
    gate: &Arc<Gate>,
    door: Door,
    stream: TcpStream,
    (peer, seat): (SocketAddr, &Arc<Seat>),
) {
    // An answer may be written in two parts, and the second must not wait for the first's acknowledgement.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let connection = Arc::new(Connection::new(peer, local, false, seat.clone()));
    let stream = Patient::new(stream, WRITE_LIMIT, connection.ending.clone());
    let service = service_fn(|request| {
        let (gate, turn) = (gate.clone(), Turn::begin(&connection));
        async move { Ok::<_, Infallible>(answer(&gate, door, turn, request).await) }
    });
    let limits = Limits {
        target_bytes: gate.limits.target_bytes.max(TARGET_MAX),
        header_bytes: gate.limits.header_bytes.max(2 * TARGET_MAX),
        ..gate.limits
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
    gate: &Arc<Gate>,
    door: Door,
    turn: Turn,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = Upload::new(&turn.0, parts.version, &parts.headers, body);
    let (rest, version) = (body.rest(), parts.version);
    let believed = request::is_trusted(gate, turn.0.peer.ip());
    let id = request_id(&parts.headers, believed);
    parts.headers.insert(request::REQUEST_ID, id.clone());
    let refused = turn.0.notes.next_request();
    let malformed = refused.is_some();
    let mut answer = match refused {
        Some((refused, heard)) => {
            api::malformed(&id, refused.status, refused.reason, heard.method == "HEAD")
        }
        None => match misdirected(gate, door, &parts) {
            true => api::misdirected(&id, parts.method == Method::HEAD),
            false => serve_request(gate, door, Request::from_parts(parts, Body::new(body))).await,
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
fn misdirected(gate: &Gate, door: Door, parts: &Parts) -> bool {
    if !door.loopback && gate.api_hosts.is_empty() {
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
    !host::is_not_rebound(name) && !gate.api_hosts.iter().any(known)
}

async fn serve_request(gate: &Arc<Gate>, door: Door, mut request: Request<Body>) -> Response<Body> {
    let health = matches!(
        request.uri().path(),
        "/metrics" | "/healthz" | "/readyz" | "/readyz/web" | "/readyz/jobs"
    );
    let face = gate.api.get();
    let not_yet = |request: &Request<Body>| api::not_yet(&request_id(request.headers(), true));
    if !health {
        let Some(face) = face else { return not_yet(&request) };
        request.extensions_mut().insert(door);
        return match face.router().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
    }
    if !door.loopback {
        let Some(face) = face else { return not_yet(&request) };
        // Metrics name every tenant.
        let of_all = request.uri().path() == "/metrics";
        if let Err(refused) = face.may_read(request.headers(), door.peer, of_all) {
            return *refused;
        }
    }
    let gate = gate.clone();
    let health = tower::service_fn(move |request: Request<Body>| {
        std::future::ready(Ok::<_, Infallible>(self::health(&gate, &request)))
    });
    match api::compressed(health).oneshot(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(never) => match never {},
    }
}

fn health(gate: &Gate, request: &Request<Body>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
    }
    match request.uri().path() {
        "/metrics" => plain(StatusCode::OK, gate.metrics.render(gate)),
        "/healthz" => plain(StatusCode::OK, "ok\n".into()),
        path => match not_ready(gate, path) {
            why if why.is_empty() => plain(StatusCode::OK, "ready\n".into()),
            why => plain(StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n"),
        },
    }
}

/// Why what a path asks for is not ready; empty: it is.
fn not_ready(gate: &Gate, path: &str) -> Vec<String> {
    let mut why = Vec::new();
    if gate.is_draining() {
        why.push("draining".to_owned());
    }
    if path != "/readyz/jobs" {
        why.extend(gate.web_trouble());
    }
    if path != "/readyz/web" {
        why.extend(gate.jobs_trouble());
    }
    why
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
