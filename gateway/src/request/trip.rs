//! What is noted about a request on its way, for its log line and its metrics.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use ostler_job::{Mono, Span, Termination};

use super::{client, quarantine, route::Route, upload::Rest};
use crate::{
    clock, gate::Gate, http1::scan::Heard, listen::Connection, log::Line, peer::Peer,
    pool::passing::Passing,
};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
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
    /// When everything must be over, once the route is known.
    pub(crate) deadline: Option<Mono>,
    /// What may be left of the request's body.
    pub(super) rest: Option<Arc<Rest>>,
    /// Errors may be told in full.
    pub(super) sees_details: bool,
    /// What a head that was refused said of itself.
    heard: Option<Box<Heard>>,
    /// Bytes of its bodies that are counted as in memory.
    held: u64,
    /// Its client has no more requests under way than it may.
    pub(super) fits: bool,
}

impl Trip {
    /// Counts bytes of a body as in memory. `false`: there is no room for them.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let fits = self.gate.memory.take(Peer::of(self.client), bytes as u64);
        self.held += if fits { bytes as u64 } else { 0 };
        fits
    }

    /// So many of them are not in memory any more.
    pub(super) fn release(&mut self, bytes: usize) {
        self.held -= bytes as u64;
        self.gate.memory.give(Peer::of(self.client), bytes as u64);
    }

    pub(super) fn begin<B>(
        gate: &Arc<Gate>,
        connection: &Arc<Connection>,
        request: &Request<B>,
    ) -> Self {
        let fits = connection.enter();
        let headers = request.headers();
        let trusted = client::is_trusted(gate, connection.peer.ip());
        let seen = match trusted {
            true => client::through_proxies(gate, connection, headers),
            false => client::direct(connection),
        };
        Self {
            began: clock::now(),
            id: request_id(headers, trusted),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: seen.host,
            client: seen.address,
            secure: seen.secure,
            trusted,
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
            deadline: None,
            rest: None,
            sees_details: false,
            heard: None,
            held: 0,
            fits,
            gate: gate.clone(),
            connection: connection.clone(),
        }
    }

    /// The head was refused: tells what it said, which hyper was not told.
    pub(super) fn hear(&mut self, heard: Heard) {
        // No other method changes what is sent.
        self.method = if heard.method == "HEAD" { Method::HEAD } else { Method::GET };
        self.host = Bytes::copy_from_slice(&heard.host);
        self.heard = Some(Box::new(heard));
    }

    pub(super) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| clock::now() > deadline)
    }

    /// A limit for what comes next, cut off where everything must be over.
    pub(super) fn within(&self, limit: Duration) -> Duration {
        let left = |deadline: Mono| Duration::from_nanos(deadline.0.saturating_sub(clock::now().0));
        self.deadline.map_or(limit, |deadline| limit.min(left(deadline)))
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

    /// The client did not leave: it was sent away.
    fn note_cut(&mut self) {
        use Termination::{BodyAborted, GoneReading, GoneRunning, GoneWaiting};
        let gone = [BodyAborted, GoneReading, GoneRunning, GoneWaiting];
        if self.connection.is_cut() && gone.contains(&self.termination) {
            self.termination = Termination::Overload;
            self.detail =
                Bytes::from_static(b"its connection made room for that of another client");
        }
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
        if self.held > 0 {
            self.gate.memory.give(Peer::of(self.client), self.held);
        }
        if self.status == 0 {
            self.note_departure();
        }
        self.note_cut();
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
            method: self.heard.as_ref().map_or(self.method.as_str(), |heard| heard.method.as_str()),
            host: &self.host,
            target: match &self.heard {
                Some(heard) => &heard.target,
                None => self.uri.path_and_query().map_or("*", |p| p.as_str()),
            },
            version: self.version,
            secure: self.secure,
            status: self.status,
            // What is streamed is counted where it is read.
            bytes_in: self.rest.as_ref().map_or(0, |rest| rest.taken()).max(self.bytes_in),
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

/// A new id, or the one that a proxy which is believed gave or passed on.
pub(crate) fn request_id(headers: &HeaderMap, believed: bool) -> HeaderValue {
    let fit = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+')
    };
    let given = headers.get(REQUEST_ID).filter(|_| believed);
    match given {
        Some(id) if !id.is_empty() && id.len() <= ID_MAX && id.as_bytes().iter().all(fit) => {
            id.clone()
        }
        Some(_) | None => new_id(),
    }
}

/// 128 bits in hex: hashes of a count with keys of this process, so that ids are unique without asking for randomness each time, and
/// tell nobody how many there were.
fn new_id() -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
    let mut id = [0; 32];
    for (half, key) in id.chunks_exact_mut(16).zip(keys) {
        half.copy_from_slice(&hex(key.hash_one(count)));
    }
    HeaderValue::from_bytes(&id).expect("hex digits are a header value")
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|i| b"0123456789abcdef"[(number >> (60 - 4 * i)) as usize & 15])
}
