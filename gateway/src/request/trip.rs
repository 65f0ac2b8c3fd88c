//! What is noted about a request on its way, for its log line and its metrics.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use ostler_job::{Mono, Span, Termination};

use super::{client, quarantine, route::Route};
use crate::{clock, gate::Gate, listen::Connection, log::Line, pool::passing::Passing};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is believed.
const ID_MAX: usize = 128;

/// The record of one request. Dropped when its last byte was handed over or given up; that writes the line.
#[derive(Debug)]
pub(crate) struct Trip {
    pub(crate) gate: Arc<Gate>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) began: Mono,
    pub(crate) id: HeaderValue,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) host: Bytes,
    pub(crate) client: IpAddr,
    pub(crate) secure: bool,
    /// The client's fields about itself come through proxies that are listed.
    pub(crate) trusted: bool,
    /// No proxy says that it stands between.
    pub(crate) direct: bool,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    pub(crate) accept: Option<HeaderValue>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) tenant: Bytes,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// The job, once it has entered the queue.
    pub(crate) passing: Option<Arc<Passing>>,
    pub(crate) started: Option<Mono>,
    pub(crate) ended: Option<Mono>,
    /// What the line will say; the client leaving is assumed until something else is known.
    pub(crate) termination: Termination,
    pub(crate) detail: Bytes,
}

impl Trip {
    pub(super) fn begin<B>(
        gate: &Arc<Gate>,
        connection: &Arc<Connection>,
        request: &Request<B>,
    ) -> Self {
        connection.enter();
        let headers = request.headers();
        let trusted = client::is_trusted(gate, connection.peer.ip());
        let seen = match trusted {
            true => client::through_proxies(gate, connection, headers),
            false => client::direct(connection),
        };
        Self {
            began: clock::now(),
            id: request_id(headers),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: seen.host,
            client: seen.address,
            secure: seen.secure,
            trusted,
            direct: ![header::FORWARDED, header::VIA, client::FORWARDED_FOR]
                .iter()
                .any(|name| headers.contains_key(name)),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            referer: headers.get(header::REFERER).cloned(),
            accept: headers.get(header::ACCEPT).cloned(),
            route: None,
            tenant: Bytes::new(),
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            passing: None,
            started: None,
            ended: None,
            termination: Termination::GoneRunning,
            detail: Bytes::new(),
            gate: gate.clone(),
            connection: connection.clone(),
        }
    }

    /// The client left before there was an answer: what was the request waiting for?
    fn note_departure(&mut self) {
        self.started = self.passing.as_ref().and_then(|passing| passing.started_at());
        self.termination = match (&self.passing, self.started) {
            (None, _) => Termination::BodyAborted,
            (Some(_), None) => Termination::GoneWaiting,
            (Some(_), Some(_)) => Termination::GoneRunning,
        };
    }

    /// Time in the queue: until a slot was given, or until now or the end when none was.
    fn queued(&self, now: Mono) -> Span {
        self.started.unwrap_or(now) - self.began
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        let now = clock::now();
        self.connection.leave(now);
        if self.status == 0 {
            self.note_departure();
        }
        quarantine::step::note(self);
        let queued = self.queued(now);
        let ran = self.started.map(|started| self.ended.unwrap_or(now) - started);
        let total = now - self.began;
        let counts = match &self.route {
            Some(route) => &route.counts,
            None => &self.gate.metrics.unrouted,
        };
        counts.observe(self.status, self.termination, queued, ran, total);
        self.gate.log.write(|| Line {
            id: self.id.as_bytes(),
            client: self.client,
            method: self.method.as_str(),
            host: &self.host,
            target: self.uri.path_and_query().map_or("*", |p| p.as_str()),
            version: self.version,
            secure: self.secure,
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            queued,
            ran,
            total,
            app: self.route.as_ref().and_then(|r| r.to.app()),
            tenant: &self.tenant,
            termination: self.termination,
            detail: &self.detail,
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
            referer: self.referer.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

/// The id that the client or a proxy before us chose, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fit = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+')
    };
    match headers.get(REQUEST_ID) {
        Some(id) if !id.is_empty() && id.len() <= ID_MAX && id.as_bytes().iter().all(fit) => {
            id.clone()
        }
        Some(_) | None => new_id(),
    }
}

/// 128 bits in hex: the process's random half and a count, so that ids are unique without asking for randomness each time.
fn new_id() -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static PREFIX: std::sync::OnceLock<[u8; 16]> = std::sync::OnceLock::new();
    let mut id = [0; 32];
    id[..16].copy_from_slice(PREFIX.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        hex(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }));
    id[16..].copy_from_slice(&hex(COUNT.fetch_add(1, Ordering::Relaxed)));
    HeaderValue::from_bytes(&id).expect("hex digits are a header value")
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|i| b"0123456789abcdef"[(number >> (60 - 4 * i)) as usize & 15])
}
