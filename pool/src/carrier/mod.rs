//! What takes started jobs to a child and brings answers back: a lane of a local child, or a link to a remote runner.
//!
//! Any thread may start a job; the driver, a task on one thread, reads. A lane is written to directly by whoever starts
//! a job, which saves a task switch on the way to an idle child.

mod invariants;
mod liveness;
mod receive;
#[cfg(test)]
mod tests;
mod withdraw;
mod write;

pub use self::receive::Ended;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use ostler_job::{Mono, SupplierId};
use ostler_machine::clock;
use ostler_wire::{
    DATA_CHUNK, HEADER, Header, Kind, Reset, Streams, WINDOW, flags,
    message::{QUEUE_US_DIGITS, put_request, write_digits},
    put_frame,
};
use tokio::net::unix::OwnedWriteHalf;

use super::{Pool, passing};

/// Bytes that may wait to be written before senders of bodies are held.
const OUT_MAX: usize = 256 << 10;
/// Bytes of one answer that may wait in memory before a lane is no longer read.
pub(crate) const PAUSE_AT: usize = 1 << 20;

/// Jobs that a child of one stream may refuse without having answered another: more than it can have been sent at once.
const REFUSED_MAX: u32 = 10;

/// What a carrier leads to: only how bytes get there.
#[derive(Debug)]
pub enum Transport {
    /// One child on this host; whoever has something to say writes.
    Lane(OwnedWriteHalf),
    /// A runner elsewhere; its driver writes.
    Link,
}

/// How many streams run at once on a carrier, whatever it leads to. A child says it of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// One after the other, as a blocking child takes them; the socket's buffer is the brake.
    Sequential,
    /// As many as this side by side, each with a window.
    Multiplexed(u32),
}

impl Concurrency {
    /// Of a link, which has as many as its runner gives credit for.
    pub const LINK: Self = Self::Multiplexed(u32::MAX);

    /// Of a child that takes so many at once.
    pub const fn of(streams: u32) -> Self {
        if streams > 1 { Self::Multiplexed(streams) } else { Self::Sequential }
    }

    /// Streams that may be refused without an answer to another: more than can have been sent before the first was.
    const fn refused_max(self) -> u32 {
        match self {
            Self::Sequential => REFUSED_MAX,
            Self::Multiplexed(streams) => REFUSED_MAX.saturating_add(streams - 1),
        }
    }
}

/// Where a started job is.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub carrier: Arc<Carrier>,
    pub stream: u32,
}

/// A passing job whose assignment is to a carrier.
pub type Passing = passing::Passing<Assignment>;

#[derive(Debug)]
struct Inner {
    concurrency: Concurrency,
    /// The child says what a run cost it when that was much.
    measures: bool,
    streams: Streams,
    out: BytesMut,
    /// Jobs whose end the child has not told yet, including those that were reset.
    jobs: BTreeMap<u32, Arc<Passing>>,
    /// The stream whose body is being sent: on a lane the next job waits for its end.
    sending: Option<u32>,
    /// Granted jobs that have not been put: the child has enough before it, or a body is under way.
    held: VecDeque<Arc<Passing>>,
    /// Of this stream and those after it not a byte has been written.
    unsent: Option<u32>,
    /// Jobs that were refused since the last that was answered.
    refused: u32,
    /// The last stream that was taken back while the child had nothing else to do. Until it speaks of that, it stands still.
    unheard: Option<u32>,
    closed: bool,
    paused: bool,
    retired: bool,
    /// The child's process is gone.
    aborted: bool,
    driver: Option<Waker>,
    senders: Vec<Waker>,
}

/// See the module.
#[derive(Debug)]
pub struct Carrier {
    /// For the log: which child or runner.
    pub label: String,
    transport: Transport,
    concurrency: Concurrency,
    /// A lane's place in its pool.
    supplier: OnceLock<(Arc<Pool>, SupplierId)>,
    inner: Mutex<Inner>,
}

impl Carrier {
    /// `measures`: the child says what a run cost it when that was much.
    pub fn new(
        label: String,
        transport: Transport,
        concurrency: Concurrency,
        measures: bool,
    ) -> Self {
        let window = match concurrency {
            Concurrency::Sequential => None,
            Concurrency::Multiplexed(_) => Some(WINDOW),
        };
        let inner = Inner {
            concurrency,
            measures,
            streams: Streams::opener(window),
            out: BytesMut::new(),
            jobs: BTreeMap::new(),
            sending: None,
            held: VecDeque::new(),
            unsent: None,
            refused: 0,
            unheard: None,
            closed: false,
            paused: false,
            retired: false,
            aborted: false,
            driver: None,
            senders: Vec::new(),
        };
        Self { label, transport, concurrency, supplier: OnceLock::new(), inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds a carrier")
    }

    pub fn set_supplier(&self, pool: &Arc<Pool>, supplier: SupplierId) {
        // A lane is put into service once.
        let _ = self.supplier.set((pool.clone(), supplier));
    }

    /// The child of a lane will never begin these streams: their jobs wait again.
    pub fn give_back(&self, from: u32, to: u32) {
        if !self.takes_turns() {
            // Nothing waits behind anything: all of it has begun.
            return;
        }
        let now = clock::now();
        let returned = self.withdraw(from, to, now);
        if let Some((pool, supplier)) = self.supplier.get() {
            if self.unheard().is_some() {
                // Before they wait again, or they would be granted to the same child.
                pool.mark_unheard(*supplier);
            }
            pool.settle(Ended { returned, ..Ended::default() }, now);
        }
    }

    /// Takes the carrier out of service; its driver ends when nothing is on it any more.
    pub fn retire(&self) {
        if let Some((pool, supplier)) = self.supplier.get() {
            pool.withdraw(*supplier);
        }
        let mut inner = self.lock();
        inner.retired = true;
        inner.driver.take().into_iter().for_each(Waker::wake);
    }

    /// No new jobs are taken.
    pub fn is_retired(&self) -> bool {
        self.lock().retired
    }

    /// Puts a granted job on its way; [`Carrier::flush`] sends it. `false`: the carrier is closed, nothing was started.
    #[must_use]
    pub fn start(self: &Arc<Self>, passing: &Arc<Passing>, now: Mono) -> bool {
        let mut inner = self.lock();
        if inner.closed || inner.retired {
            return false;
        }
        if self.takes_turns() && inner.holds_back(passing) {
            inner.held.push_back(passing.clone());
            return true;
        }
        let put = self.put(&mut inner, passing, now);
        inner.changed();
        put
    }

    /// Whether its streams come one after the other.
    fn takes_turns(&self) -> bool {
        self.concurrency == Concurrency::Sequential
    }

    fn put(self: &Arc<Self>, inner: &mut Inner, passing: &Arc<Passing>, now: Mono) -> bool {
        let Some(stream) = inner.streams.open() else {
            // A lane without ids serves nobody: it ends, so that its child is replaced.
            inner.retired = true;
            inner.driver.take().into_iter().for_each(Waker::wake);
            return false;
        };
        let outgoing = &passing.outgoing;
        let start = inner.out.len();
        let app = match self.transport {
            Transport::Lane(_) => None,
            Transport::Link => Some(passing.pool.app.as_str()),
        };
        let shift = put_request(&mut inner.out, &outgoing.frame, stream, app);
        let waited_us = (now - passing.arrived).0 / 1000;
        let digits = start + shift + outgoing.queue_us_at;
        write_digits(&mut inner.out[digits..digits + QUEUE_US_DIGITS], waited_us);
        let head = u32::from_le_bytes(
            outgoing.frame[12..16].try_into().expect("a frame begins with a 16-byte header"),
        );
        let body = outgoing.frame.len() - HEADER - head as usize;
        inner.streams.sent(stream, body, !outgoing.more);
        inner.sending = outgoing.more.then_some(stream).or(inner.sending);
        let is_first = !self.takes_turns() || inner.jobs.is_empty();
        inner.jobs.insert(stream, passing.clone());
        inner.unsent = inner.unsent.or(Some(stream));
        if is_first {
            passing.begin(now);
        }
        if passing.started(Assignment { carrier: self.clone(), stream }) {
            // Its client left between the grant and now.
            inner.give_up(stream, Reset::ClientGone);
        }
        true
    }

    /// Sends a piece of a request body, `end` with the last. Waits for room and credit; an error when the stream is gone.
    pub fn poll_send(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        stream: u32,
        piece: &mut Bytes,
        end: bool,
    ) -> Poll<Result<(), ()>> {
        let mut inner = self.lock();
        loop {
            if inner.closed || !inner.streams.is_open(stream) {
                return Poll::Ready(Err(()));
            }
            let credit = inner.streams.credit(stream);
            if inner.out.len() > OUT_MAX || (credit == 0 && !piece.is_empty()) {
                inner.senders.push(cx.waker().clone());
                drop(inner);
                self.flush();
                return Poll::Pending;
            }
            let part = piece.split_to(piece.len().min(credit).min(DATA_CHUNK));
            let last = end && piece.is_empty();
            let flags = if last { flags::END } else { 0 };
            put_frame(&mut inner.out, header(Kind::Data, flags, 0, stream), &part);
            inner.streams.sent(stream, part.len(), last);
            if let Some(job) = inner.jobs.get(&stream) {
                job.moved(clock::now());
            }
            if last {
                inner.body_sent(stream);
            }
            if piece.is_empty() {
                drop(inner);
                self.flush();
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Tells the child that a job is not wanted any more. Its slot stays taken until the child says that it is free.
    pub fn reset(self: &Arc<Self>, stream: u32, reason: Reset) {
        let mut inner = self.lock();
        if inner.closed || !inner.jobs.contains_key(&stream) {
            return;
        }
        inner.give_up(stream, reason);
        // What comes for the stream is dropped, so nothing is left to hold reading for.
        let driver = inner.driver.take();
        drop(inner);
        self.flush();
        driver.into_iter().for_each(Waker::wake);
    }

    /// Takes a job back that waits behind another's body and was not sent.
    pub(crate) fn unhold(&self, passing: &Arc<Passing>) -> bool {
        let mut inner = self.lock();
        let before = inner.held.len();
        inner.held.retain(|held| !Arc::ptr_eq(held, passing));
        inner.held.len() < before
    }

    /// Sends a frame of the connection itself.
    pub fn send(self: &Arc<Self>, write: impl FnOnce(&mut BytesMut)) {
        let mut inner = self.lock();
        write(&mut inner.out);
        drop(inner);
        self.flush();
    }

    /// The client took bytes of an answer: the child may send more.
    pub fn consumed(&self, stream: u32, bytes: usize, waiting: usize) {
        let mut inner = self.lock();
        let grant = inner.streams.consumed(stream, bytes);
        if let Some(grant) = grant {
            let win = Header { aux: grant, ..header(Kind::Win, 0, 0, stream) };
            put_frame(&mut inner.out, win, &[]);
        }
        let resume = inner.paused && waiting < PAUSE_AT / 2;
        if resume {
            inner.paused = false;
        }
        let driver = if resume || grant.is_some() { inner.driver.take() } else { None };
        drop(inner);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// No more can be started. Returns the jobs that were not started and those that may have been.
    pub fn close(&self) -> (Vec<Arc<Passing>>, Vec<Arc<Passing>>) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.wake_senders();
        let mut unstarted: Vec<_> = inner.held.drain(..).collect();
        let jobs = std::mem::take(&mut inner.jobs);
        let is_written = |stream: &u32| inner.unsent.is_none_or(|unsent| *stream < unsent);
        // A blocking child works on the oldest that was written; those behind it were prefetched.
        let started = usize::from(jobs.keys().next().is_some_and(is_written));
        let mut jobs: Vec<_> = jobs.into_values().collect();
        if self.takes_turns() {
            unstarted.extend(jobs.drain(started..));
        }
        inner.changed();
        (unstarted, jobs)
    }

    /// Whether a driver should hold back from reading.
    pub(crate) fn poll_paused(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        inner.driver = Some(cx.waker().clone());
        // Links have windows. A blocking child can only be in the middle of its oldest answer.
        inner.paused = self.takes_turns()
            && inner.jobs.first_key_value().is_some_and(|(stream, job)| {
                inner.streams.is_open(*stream) && job.pieces_bytes() > PAUSE_AT
            });
        inner.paused
    }
}

impl Inner {
    fn give_up(&mut self, stream: u32, reason: Reset) {
        self.streams.reset(stream);
        put_frame(&mut self.out, header(Kind::Reset, 0, reason as u16, stream), &[]);
        self.body_sent(stream);
    }

    /// The body of a stream has ended: the next flush sends jobs that waited for that.
    fn body_sent(&mut self, stream: u32) {
        if self.sending == Some(stream) {
            self.sending = None;
        }
    }

    fn wake_senders(&mut self) {
        self.senders.drain(..).for_each(Waker::wake);
    }
}

fn header(kind: Kind, flags: u8, code: u16, stream: u32) -> Header {
    Header { len: 0, kind, flags, code, stream, aux: 0 }
}
