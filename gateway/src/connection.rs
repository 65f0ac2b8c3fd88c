//! What a client's connection and its requests know of each other, whatever protocol they speak.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ostler_heads::http1::guard::Notes;
use ostler_job::{Mono, Span};
use ostler_machine::clock;

use crate::{config::Limits, connection_budget::Activity, still::read_first};

/// How a connection is to end, told by its requests.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Input may be left unread.
    pub(crate) linger: AtomicBool,
    /// The last reply broke off, and nothing but the end of the connection would tell where it ends.
    pub(crate) abort: AtomicBool,
}

/// What requests know of their connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// The peer's address as text, since every request needs it.
    pub(crate) peer_text: Bytes,
    pub(crate) local: SocketAddr,
    /// TLS is spoken.
    pub(crate) secure: bool,
    pub(crate) notes: Arc<Notes>,
    pub(crate) ending: Arc<Ending>,
    asked: AtomicBool,
    activity: Arc<Activity>,
    /// Replies that have something for the client to take.
    offered: AtomicUsize,
    taken_at: AtomicU64,
}

impl Connection {
    pub(crate) fn new(
        peer: SocketAddr,
        local: SocketAddr,
        secure: bool,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            peer,
            peer_text: Bytes::from(peer.ip().to_canonical().to_string()),
            local,
            secure,
            notes: Arc::default(),
            ending: Arc::default(),
            asked: AtomicBool::new(false),
            activity,
            offered: AtomicUsize::new(0),
            taken_at: AtomicU64::new(0),
        }
    }

    /// Input may be left unread: closing must not destroy the reply on its way (RFC 9112 9.6).
    pub(crate) fn linger(&self) {
        self.ending.linger.store(true, Ordering::Relaxed);
    }

    /// A reply broke off whose end is that of the connection: it must not end as if it were whole.
    pub(crate) fn abort(&self) {
        self.ending.abort.store(true, Ordering::Relaxed);
    }

    /// A request begins. `false`: its client has more of them under way than are left to the others.
    pub(crate) fn enter(&self) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        self.activity.enter()
    }

    /// A piece of a request's body came.
    pub(crate) fn moved(&self) {
        self.activity.moved();
    }

    /// It ends since others need its place.
    pub(crate) fn is_cut(&self) -> bool {
        self.activity.is_cut()
    }

    /// A request has ended.
    pub(crate) fn leave(&self, now: Mono) {
        self.activity.leave(now);
    }

    /// A reply has something that the client may take.
    pub(crate) fn offer(&self) {
        if self.offered.fetch_add(1, Ordering::Relaxed) == 0 {
            self.taken_at.store(clock::now().0, Ordering::Relaxed);
        }
    }

    /// The client took all that a reply had so far.
    pub(crate) fn withdraw(&self) {
        self.offered.fetch_sub(1, Ordering::Relaxed);
    }

    /// The client took a piece of a reply.
    pub(crate) fn took(&self) {
        self.activity.moved();
        self.taken_at.store(clock::now().0, Ordering::Relaxed);
    }

    /// How long the client has taken nothing of what is there for it.
    pub(crate) fn stalled(&self) -> Span {
        match self.offered.load(Ordering::Relaxed) {
            0 => Span::ZERO,
            _ => clock::now() - Mono(self.taken_at.load(Ordering::Relaxed)),
        }
    }

    /// How long nothing has been asked; `None` while something is, or is about to be.
    pub(crate) fn idle(&self) -> Option<Span> {
        self.activity.idle().filter(|_| !self.notes.is_half())
    }

    /// Waits until nothing was asked for too long: the first request must begin in the time that a head has, the others while
    /// the connection is kept.
    pub(crate) async fn forsaken(&self, limits: &Limits) {
        loop {
            let limit = match self.asked.load(Ordering::Relaxed) {
                true => limits.keep_alive,
                false => limits.header_timeout,
            };
            let idle = self.idle().unwrap_or(Span::ZERO);
            if idle >= clock::span(limit) {
                return;
            }
            let left = limit.saturating_sub(Duration::from_nanos(idle.0));
            // The first request may change the limit to a shorter one.
            let wait = left.min(limits.keep_alive);
            let due = clock::now() + clock::span(wait);
            tokio::time::sleep(wait).await;
            read_first(clock::now() - due).await;
        }
    }
}
