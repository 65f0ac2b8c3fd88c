//! What goes on on a connection: its requests in flight, when something moved last, and whether it was evicted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use ostler_job::{Mono, Span};
use ostler_machine::clock;
use tokio::sync::Notify;

/// Requests in flight of a class, of all clients together.
#[derive(Debug)]
pub(super) struct OpenRequests {
    pub(super) max: usize,
    requests: AtomicUsize,
    /// Connections with a request in flight.
    pub(super) busy: AtomicUsize,
}

impl OpenRequests {
    pub(super) fn at_most(max: usize) -> Arc<Self> {
        Arc::new(Self { max, requests: AtomicUsize::new(0), busy: AtomicUsize::new(0) })
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

/// What one client has in flight in a class.
#[derive(Debug)]
pub(super) struct ClientLoad {
    /// A listed proxy: it stands for many clients, and is not held to the part of one.
    pub(super) many: bool,
    requests: AtomicUsize,
    pub(super) busy: AtomicUsize,
}

impl ClientLoad {
    pub(super) fn new(many: bool) -> Arc<Self> {
        Arc::new(Self { many, requests: AtomicUsize::new(0), busy: AtomicUsize::new(0) })
    }
}

/// What is known of a connection while it is open.
#[derive(Debug)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    /// When something came or went that somebody waits for.
    moved_at: AtomicU64,
    evicted: AtomicBool,
    cut: AtomicBool,
    leave: Notify,
    pub(super) of: Arc<ClientLoad>,
    asked: Arc<OpenRequests>,
}

impl Default for Activity {
    fn default() -> Self {
        Self::new(ClientLoad::new(false), OpenRequests::at_most(usize::MAX))
    }
}

impl Activity {
    pub(super) fn new(of: Arc<ClientLoad>, asked: Arc<OpenRequests>) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            moved_at: AtomicU64::new(clock::now().0),
            evicted: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            leave: Notify::new(),
            of,
            asked,
        }
    }

    /// A request begins. `false`: its client has more of them under way than are left to the others.
    pub(crate) fn enter(&self) -> bool {
        self.moved();
        if self.requests.fetch_add(1, Relaxed) == 0 {
            self.of.busy.fetch_add(1, Relaxed);
            self.asked.busy.fetch_add(1, Relaxed);
        }
        let own = self.of.requests.fetch_add(1, Relaxed) + 1;
        let all = self.asked.requests.fetch_add(1, Relaxed) + 1;
        let own = if self.of.many { 0 } else { own - 1 };
        all.saturating_add(own) <= self.asked.max
    }

    /// Something goes on here until the end, which is no request.
    pub(super) fn stays_busy(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// A request has ended.
    pub(crate) fn leave(&self, now: Mono) {
        self.moved_at.store(now.0, Relaxed);
        if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.of.busy.fetch_sub(1, Relaxed);
            self.asked.busy.fetch_sub(1, Relaxed);
        }
        self.of.requests.fetch_sub(1, Relaxed);
        self.asked.requests.fetch_sub(1, Relaxed);
    }

    /// A piece of a body came or went.
    pub(crate) fn moved(&self) {
        self.moved_at.store(clock::now().0, Relaxed);
    }

    pub(super) fn moved_at(&self) -> u64 {
        self.moved_at.load(Relaxed)
    }

    /// How long nothing has been asked; `None` while something is.
    pub(crate) fn idle(&self) -> Option<Span> {
        let idle = || clock::now() - Mono(self.moved_at());
        self.is_idle().then(idle)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Relaxed) == 0
    }

    /// It makes room for another, idle or not.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.load(Relaxed)
    }

    pub(super) fn evict(&self, at_once: bool) {
        self.cut.store(at_once, Relaxed);
        self.evicted.store(true, Relaxed);
        self.leave.notify_one();
    }

    /// It was evicted, and stays: something is asked again.
    pub(super) fn stays(&self) -> bool {
        self.evicted.swap(false, Relaxed)
    }

    /// Waits until another connection needs this one's place.
    pub(crate) async fn evicted(&self) {
        self.leave.notified().await;
    }
}

impl super::ConnectionPermit {
    /// Waits until another connection needs the place, unless something is asked here meanwhile.
    pub(crate) async fn evicted(&self) {
        loop {
            self.activity.evicted().await;
            if self.activity.is_cut() || self.activity.is_idle() {
                return;
            }
            self.stays();
        }
    }
}
