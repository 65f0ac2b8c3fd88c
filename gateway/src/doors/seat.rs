//! A connection's seat: what is asked on it, and whether it has to make room.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use ostler_job::{Mono, Span};
use ostler_machine::clock;
use tokio::sync::Notify;

/// Requests under way at a door, of all clients together.
#[derive(Debug)]
pub(super) struct OpenRequests {
    pub(super) max: usize,
    requests: AtomicUsize,
    /// Seats on which something is asked.
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

/// What one client has at a door.
#[derive(Debug)]
pub(super) struct Holder {
    /// A listed proxy: it stands for many clients, and is not held to the part of one.
    pub(super) many: bool,
    requests: AtomicUsize,
    pub(super) busy: AtomicUsize,
}

impl Holder {
    pub(super) fn new(many: bool) -> Arc<Self> {
        Arc::new(Self { many, requests: AtomicUsize::new(0), busy: AtomicUsize::new(0) })
    }
}

/// What is known of a connection while it is open.
#[derive(Debug)]
pub(crate) struct Seat {
    requests: AtomicUsize,
    /// When something came or went that somebody waits for.
    moved_at: AtomicU64,
    told_to_leave: AtomicBool,
    cut: AtomicBool,
    leave: Notify,
    pub(super) of: Arc<Holder>,
    asked: Arc<OpenRequests>,
}

impl Default for Seat {
    fn default() -> Self {
        Self::new(Holder::new(false), OpenRequests::at_most(usize::MAX))
    }
}

impl Seat {
    pub(super) fn new(of: Arc<Holder>, asked: Arc<OpenRequests>) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            moved_at: AtomicU64::new(clock::now().0),
            told_to_leave: AtomicBool::new(false),
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

    pub(super) fn is_told_to_leave(&self) -> bool {
        self.told_to_leave.load(Relaxed)
    }

    pub(super) fn tell_to_leave(&self, at_once: bool) {
        self.cut.store(at_once, Relaxed);
        self.told_to_leave.store(true, Relaxed);
        self.leave.notify_one();
    }

    /// It was told to leave, and stays: something is asked again.
    pub(super) fn stays(&self) -> bool {
        self.told_to_leave.swap(false, Relaxed)
    }

    /// Waits until another connection needs this one's place.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl super::Place {
    /// Waits until another connection needs the place, unless something is asked here meanwhile.
    pub(crate) async fn taken_away(&self) {
        loop {
            self.seat.told_to_leave().await;
            if self.seat.is_cut() || self.seat.is_idle() {
                return;
            }
            self.stays();
        }
    }
}
