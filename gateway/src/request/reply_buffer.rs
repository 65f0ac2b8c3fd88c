//! Holds a reply between a child that is done soon and a client that takes its time: memory first, then a file.
//!
//! Whoever answers has a task that moves the pieces in here as fast as they come, so that a child is free as soon as it has
//! finished.

mod all;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use ostler_job::{Mono, Span, Termination};
use ostler_machine::{clock, peer::Peer};
use ostler_pool::passing::Failure;

pub(crate) use all::ReplyBuffers;

use super::{
    budget::Budget, memory::Memory, record::RequestRecord, route::Route, spool::SpoolFile,
};

/// Bytes read back from the file at a time.
pub(crate) const READ: usize = 64 << 10;

/// A child is not held for a client that takes less than this in that time, when others wait for one.
const PACE: (u64, Span) = (64 << 10, Span::from_secs(5));
/// How often it is tried again whether there is room.
const AGAIN: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct State {
    memory: VecDeque<Bytes>,
    memory_bytes: usize,
    /// While a file is in use, everything that comes goes through it, in order.
    file: Option<(Arc<SpoolFile>, u64)>,
    /// A piece is on its way into the file.
    writing: bool,
    ended: bool,
    /// The client is gone.
    abandoned: bool,
    failure: Option<Failure>,
    /// When the client took something last, or had nothing to take; and how many bytes it took in all.
    touched: Mono,
    taken: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ReplyBuffer {
    state: Mutex<State>,
    watermark: usize,
    /// A client that takes nothing for this long is given up.
    patience: Span,
    client: Peer,
    budget: Arc<Budget>,
    memory: Arc<Memory>,
    pace: Span,
}

/// Where the next piece is.
#[derive(Debug)]
pub(crate) enum Next {
    Piece(Bytes),
    /// At this offset of the file.
    File(Arc<SpoolFile>, u64),
    End,
    Failed(Failure),
}

/// Where a piece of the reply can be kept.
enum Place {
    Memory,
    File(Arc<SpoolFile>),
    Nowhere,
}

/// What came of waiting for room.
enum Waited {
    /// The client has everything that came before.
    CaughtUp,
    /// There may be room now.
    Again,
    /// Others wait for the child, and this client takes next to nothing.
    TooSlow,
}

impl ReplyBuffer {
    pub(crate) fn new(record: &RequestRecord, route: &Route) -> Arc<Self> {
        let server = &record.server;
        let buffer = Arc::new(Self::of(
            server.limits.spool_memory,
            clock::span(route.timeouts.progress),
            Peer::of(record.client),
            (server.spool.clone(), server.memory.clone()),
        ));
        server.reply_buffers.add(&buffer);
        buffer
    }

    fn of(
        watermark: usize,
        patience: Span,
        client: Peer,
        (budget, memory): (Arc<Budget>, Arc<Memory>),
    ) -> Self {
        let state = Mutex::new(State {
            memory: VecDeque::new(),
            memory_bytes: 0,
            file: None,
            writing: false,
            ended: false,
            abandoned: false,
            failure: None,
            touched: clock::now(),
            taken: 0,
            reader: None,
            writer: None,
        });
        Self { state, watermark, patience, client, budget, memory, pace: PACE.1 }
    }

    /// Takes an answer that is there already.
    pub(crate) fn take_whole(self: &Arc<Self>, reply: Bytes) {
        let buffer = self.clone();
        tokio::spawn(async move {
            let failure = put(&buffer, reply, &|| false).await.err().map(no_room);
            buffer.end(failure);
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds a buffer")
    }

    /// What the client gets next.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        state.touched = clock::now();
        if let Some(piece) = state.memory.pop_front() {
            state.memory_bytes -= piece.len();
            state.taken += piece.len() as u64;
            let writer = state.writer.take();
            drop(state);
            self.memory.give(self.client, piece.len() as u64);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Next::Piece(piece));
        }
        if let Some((file, read)) = &state.file
            && *read < file.len()
        {
            return Poll::Ready(Next::File(file.clone(), *read));
        }
        if let Some(failure) = &state.failure {
            return Poll::Ready(Next::Failed(failure.clone()));
        }
        if state.ended {
            return Poll::Ready(Next::End);
        }
        // The client has caught up: what comes next may pass through memory again.
        if !state.writing {
            state.file = None;
        }
        state.reader = Some(cx.waker().clone());
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    /// The client has taken this many bytes of the file.
    pub(crate) fn advance(&self, bytes: u64) {
        let mut state = self.lock();
        state.taken += bytes;
        if let Some((file, read)) = &mut state.file {
            *read += bytes;
            file.touch();
        }
    }

    /// Keeps a piece of the answer in memory if there is room, or tells the file that it must be appended to.
    fn keep(&self, piece: &Bytes) -> Place {
        let mut state = self.lock();
        let bytes = piece.len() as u64;
        if state.has_nothing() {
            state.touched = clock::now();
        }
        if state.file.is_none()
            && state.memory_bytes < self.watermark
            && self.memory.take(self.client, bytes)
        {
            state.push(piece);
            return Place::Memory;
        }
        let file = match &state.file {
            Some((file, _)) => file.clone(),
            // A file that cannot be made is no worse than a disk without room; there may be more memory.
            None => match SpoolFile::create(&self.budget, self.client) {
                Err(_) if self.memory.take(self.client, bytes) => {
                    state.push(piece);
                    return Place::Memory;
                }
                Err(_) => return Place::Nowhere,
                Ok(file) => {
                    let file = Arc::new(file);
                    state.file = Some((file.clone(), 0));
                    file
                }
            },
        };
        state.writing = true;
        Place::File(file)
    }

    /// Nobody will read on; whoever fills the buffer can stop.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Nobody reads on.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// There is no room in files: waits until the client has taken all that came before, or is gone, or for a moment.
    async fn wait_for_room(&self) -> bool {
        let caught_up = poll_fn(|cx| {
            let mut state = self.lock();
            if state.abandoned || state.has_nothing() {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        });
        tokio::time::timeout(AGAIN, caught_up).await.is_ok()
    }

    /// Nothing more comes.
    pub(crate) fn end(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        state.ended = true;
        state.failure = failure;
        state.wake_reader();
    }

    fn wrote(&self) {
        let mut state = self.lock();
        state.writing = false;
        state.wake_reader();
    }

    /// Lets go of everything when the client has taken nothing of what is there for too long, on whatever connection.
    fn give_up_idle(&self, now: Mono) {
        let mut state = self.lock();
        if state.abandoned || state.has_nothing() || now - state.touched < self.patience {
            return;
        }
        state.abandoned = true;
        state.ended = true;
        state.failure = Some(Failure::from(Termination::GoneReading));
        state.memory.clear();
        let bytes = std::mem::take(&mut state.memory_bytes);
        let file = state.file.take();
        let woken = [state.reader.take(), state.writer.take()];
        drop(state);
        self.memory.give(self.client, bytes as u64);
        file.into_iter().for_each(|(file, _)| file.cut_off());
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for ReplyBuffer {
    fn drop(&mut self) {
        let bytes = self.lock().memory_bytes as u64;
        self.memory.give(self.client, bytes);
    }
}

impl State {
    fn has_nothing(&self) -> bool {
        let read_all = self.file.as_ref().is_none_or(|(file, read)| *read >= file.len());
        self.memory.is_empty() && read_all
    }

    fn push(&mut self, piece: &Bytes) {
        self.memory_bytes += piece.len();
        self.memory.push_back(piece.clone());
        self.wake_reader();
    }

    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map gives it away")]
pub(crate) fn no_room(error: io::Error) -> Failure {
    let detail = Bytes::from(format!("cannot spool the reply: {error}"));
    Failure { termination: Termination::Overload, detail }
}

/// Takes a piece of the answer; waits while there is room for it nowhere. `is_wanted`: others wait for the child that sends this.
pub(crate) async fn put(
    buffer: &ReplyBuffer,
    piece: Bytes,
    is_wanted: &(dyn Fn() -> bool + Sync),
) -> io::Result<()> {
    let mut watched = (clock::now(), buffer.lock().taken);
    loop {
        match buffer.keep(&piece) {
            Place::Memory => return Ok(()),
            Place::Nowhere => {}
            Place::File(file) => {
                let appended = file.append(piece.clone()).await;
                buffer.wrote();
                match appended {
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                    appended => return appended,
                }
            }
        }
        // The child is now only as fast as the client, which beats a broken reply.
        match wait(buffer, &mut watched, is_wanted).await {
            Waited::Again => {}
            Waited::TooSlow => {
                return Err(io::Error::other(
                    "no room for more of it, its client takes next to nothing, and others wait for the child",
                ));
            }
            Waited::CaughtUp => {
                buffer.memory.force(buffer.client, piece.len() as u64);
                let mut state = buffer.lock();
                state.file = None;
                state.push(&piece);
                return Ok(());
            }
        }
    }
}

async fn wait(
    buffer: &ReplyBuffer,
    watched: &mut (Mono, u64),
    is_wanted: &(dyn Fn() -> bool + Sync),
) -> Waited {
    if buffer.wait_for_room().await {
        return Waited::CaughtUp;
    }
    let (now, taken) = (clock::now(), buffer.lock().taken);
    if !is_wanted() || taken - watched.1 >= PACE.0 {
        *watched = (now, taken);
    }
    if now - watched.0 >= buffer.pace { Waited::TooSlow } else { Waited::Again }
}

#[cfg(test)]
mod tests;
