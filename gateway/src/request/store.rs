//! Holds a reply between a child that is done soon and a client that takes its time: memory first, then a file.
//!
//! A task moves the child's pieces in here as fast as they come, so that the child is free as soon as it has finished.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use ostler_job::Termination;

use super::spool::{Budget, SpoolFile};
use crate::pool::passing::{Failure, Passing};

/// Bytes read back from the file at a time.
pub(super) const READ: usize = 256 << 10;

#[derive(Debug, Default)]
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
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    state: Mutex<State>,
    watermark: usize,
}

/// Where the next piece is.
#[derive(Debug)]
pub(super) enum Next {
    Piece(Bytes),
    /// At this offset of the file.
    File(Arc<SpoolFile>, u64),
    End,
    Failed(Failure),
}

impl Store {
    /// Begins to take the rest of an answer.
    pub(super) fn fill(
        passing: &Arc<Passing>,
        watermark: usize,
        budget: &Arc<Budget>,
    ) -> Arc<Self> {
        let store = Arc::new(Self { state: Mutex::default(), watermark });
        tokio::spawn(take_all(store.clone(), passing.clone(), budget.clone()));
        store
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds a store")
    }

    /// What the client gets next.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        if let Some(piece) = state.memory.pop_front() {
            state.memory_bytes -= piece.len();
            let writer = state.writer.take();
            drop(state);
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
    pub(super) fn advance(&self, bytes: u64) {
        if let Some((_, read)) = &mut self.lock().file {
            *read += bytes;
        }
    }

    /// Bytes of the file that a piece of the answer must be appended to, if it cannot stay in memory.
    fn keep(
        &self,
        piece: Bytes,
        budget: &Arc<Budget>,
    ) -> io::Result<Option<(Arc<SpoolFile>, Bytes)>> {
        let mut state = self.lock();
        if state.file.is_none() && state.memory_bytes < self.watermark {
            state.memory_bytes += piece.len();
            state.memory.push_back(piece);
            state.wake_reader();
            return Ok(None);
        }
        let file = match &state.file {
            Some((file, _)) => file.clone(),
            None => {
                let file = Arc::new(SpoolFile::create(budget)?);
                state.file = Some((file.clone(), 0));
                file
            }
        };
        state.writing = true;
        Ok(Some((file, piece)))
    }

    /// Nobody will read on; whoever fills the store can stop.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }

    /// There is no room in files: waits until the client has taken all that came before, or is gone.
    async fn wait_for_room(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            let read_all = state.file.as_ref().is_none_or(|(file, read)| *read >= file.len());
            if state.abandoned || (state.memory.is_empty() && read_all) {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn end(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        state.ended = true;
        state.failure = failure;
        state.wake_reader();
    }
}

impl State {
    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }
}

async fn take_all(store: Arc<Store>, passing: Arc<Passing>, budget: Arc<Budget>) {
    loop {
        if store.lock().abandoned {
            return;
        }
        let piece = match poll_fn(|cx| passing.poll_piece(cx)).await {
            None => return store.end(None),
            Some(Err(failure)) => return store.end(Some(failure)),
            Some(Ok(piece)) => piece,
        };
        if let Some(seat) = passing.seat() {
            seat.carrier.consumed(seat.stream, piece.len(), passing.pieces_bytes());
        }
        if let Err(error) = put(&store, piece, &budget).await {
            let detail = Bytes::from(format!("cannot spool the reply: {error}"));
            return store.end(Some(Failure { termination: Termination::Overload, detail }));
        }
    }
}

async fn put(store: &Store, piece: Bytes, budget: &Arc<Budget>) -> io::Result<()> {
    match store.keep(piece, budget)? {
        None => Ok(()),
        Some((file, piece)) => {
            let appended = match file.append(piece.clone()).await {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    // The child is now only as fast as the client, which beats a broken reply.
                    store.wait_for_room().await;
                    let mut state = store.lock();
                    state.file = None;
                    state.memory_bytes += piece.len();
                    state.memory.push_back(piece);
                    Ok(())
                }
                appended => appended,
            };
            let mut state = store.lock();
            state.writing = false;
            state.wake_reader();
            drop(state);
            appended
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn next(store: &Store) -> Poll<Next> {
        store.poll_next(&Context::from_waker(Waker::noop()))
    }

    fn budget(folder: &tempfile::TempDir, max: u64) -> Arc<Budget> {
        Arc::new(Budget::new(folder.path().to_owned(), max))
    }

    async fn read_all(store: &Store) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match poll_fn(|cx| store.poll_next(cx)).await {
                Next::Piece(piece) => all.extend_from_slice(&piece),
                Next::File(file, offset) => {
                    let bytes = file.read(offset, READ).await.unwrap();
                    store.advance(bytes.len() as u64);
                    all.extend_from_slice(&bytes);
                }
                Next::End => return all,
                Next::Failed(failure) => panic!("{failure:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_catches_up_while_a_piece_is_written_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(&folder, 1 << 20);
        let store = Store { state: Mutex::default(), watermark: 0 };
        let (file, piece) = store.keep(Bytes::from_static(b"abc"), &budget).unwrap().unwrap();
        assert!(next(&store).is_pending(), "the client looks before the piece is in the file");
        file.append(piece).await.unwrap();
        store.lock().writing = false;
        store.end(None);
        assert_eq!(read_all(&store).await, b"abc");
    }

    #[tokio::test]
    async fn without_room_in_files_the_reply_is_as_slow_as_its_client_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(&folder, 5);
        let store = Arc::new(Store { state: Mutex::default(), watermark: 1 });
        let filling = tokio::spawn({
            let store = store.clone();
            async move {
                for piece in [&b"aa"[..], b"bbb", b"cccc", b"dd"] {
                    put(&store, Bytes::from_static(piece), &budget).await.unwrap();
                }
                store.end(None);
            }
        });
        assert_eq!(read_all(&store).await, b"aabbbccccdd");
        filling.await.unwrap();
    }
}
