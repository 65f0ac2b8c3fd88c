//! The record of a request in flight, for its line in the access log and its metrics.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use ostler_heads::{http1::scan::Heard, request_id::request_id};
use ostler_job::{Mono, Span, Termination};
use ostler_machine::{clock, peer::Peer};
use ostler_pool::carrier::Passing;

use super::{ServerState, forwarded, quarantine, route::Route, upload::Rest};
use crate::{connection::Connection, log::Line};

/// See the module. Dropped when its last byte was handed over or given up; that writes the line.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    pub(crate) server: Arc<ServerState>,
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
    pub(crate) sees_details: bool,
    /// What a head that was refused said of itself.
    heard: Option<Box<Heard>>,
    /// Bytes of its bodies that are counted as in memory.
    held: u64,
    /// Its client has no more requests under way than it may.
    pub(super) fits: bool,
}

impl RequestRecord {
    /// Counts bytes of a body as in memory. `false`: there is no room for them.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let fits = self.server.memory.take(Peer::of(self.client), bytes as u64);
        self.held += if fits { bytes as u64 } else { 0 };
        fits
    }

    /// So many of them are not in memory any more.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.held -= bytes as u64;
        self.server.memory.give(Peer::of(self.client), bytes as u64);
    }

    pub(crate) fn begin<B>(
        server: &Arc<ServerState>,
        connection: &Arc<Connection>,
        request: &Request<B>,
    ) -> Self {
        let fits = connection.enter();
        let headers = request.headers();
        let trusted = forwarded::is_trusted(server, connection.peer.ip());
        let seen = match trusted {
            true => forwarded::through_proxies(server, connection, headers),
            false => forwarded::direct(connection),
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
            server: server.clone(),
            connection: connection.clone(),
        }
    }

    /// The head was refused: tells what it said, which hyper was not told.
    pub(crate) fn hear(&mut self, heard: Heard) {
        // No other method changes what is sent.
        self.method = if heard.method == "HEAD" { Method::HEAD } else { Method::GET };
        self.host = Bytes::copy_from_slice(&heard.host);
        self.heard = Some(Box::new(heard));
    }

    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| clock::now() > deadline)
    }

    /// A limit for what comes next, cut off where everything must be over.
    pub(crate) fn within(&self, limit: Duration) -> Duration {
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

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let now = clock::now();
        self.connection.leave(now);
        if self.held > 0 {
            self.server.memory.give(Peer::of(self.client), self.held);
        }
        if self.status == 0 {
            self.note_departure();
        }
        self.note_cut();
        quarantine::note(self);
        let queued = self.queued(now);
        let ran = self.started.map(|started| self.ended.unwrap_or(now) - started);
        let total = now - self.began;
        let counts = match &self.route {
            Some(route) => &route.counts,
            None => &self.server.metrics.unrouted,
        };
        counts.observe(self.status, self.termination, queued, ran, total);
        self.server.log.write(|| Line {
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
