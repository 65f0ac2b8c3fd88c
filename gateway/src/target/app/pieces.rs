//! A reply of a child that did not come whole: as the child gives it, or by a buffer that takes it from the child at once.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use ostler_job::Termination;
use ostler_pool::{carrier::Passing, passing::Failure};
use ostler_wire::Reset;

use super::forward::ForwardedJob;
use crate::request::{
    Pieces,
    reply_buffer::{self, Next, READ, ReplyBuffer, no_room},
    spool::SpoolFile,
};

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// As fast as the client takes it.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) first: Option<Bytes>,
    pub(super) job: ForwardedJob,
}

impl Pieces for Streamed {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some(first) = self.first.take().filter(|f| !f.is_empty()) {
            return Poll::Ready(Some(Ok(first)));
        }
        let passing = &self.job.passing;
        let assignment = passing.assignment();
        let piece = ready!(passing.poll_piece(cx));
        if let (Some(assignment), Some(Ok(piece))) = (assignment, &piece) {
            assignment.carrier.consumed(assignment.stream, piece.len(), passing.pieces_bytes());
        }
        Poll::Ready(piece)
    }

    fn is_answered(&self) -> bool {
        self.job.passing.is_ended()
    }
}

/// As fast as the child gives it.
pub(super) struct Buffered {
    first: Option<Bytes>,
    job: ForwardedJob,
    buffer: Arc<ReplyBuffer>,
    reading: Option<Reading>,
}

impl Buffered {
    /// The rest of an answer that has begun.
    pub(super) fn begun(first: Bytes, job: ForwardedJob, buffer: Arc<ReplyBuffer>) -> Self {
        tokio::spawn(take_all(buffer.clone(), job.passing.clone()));
        Self { first: Some(first), job, buffer, reading: None }
    }

    /// An answer that is there already.
    pub(super) fn whole(reply: Bytes, job: ForwardedJob, buffer: Arc<ReplyBuffer>) -> Self {
        buffer.take_whole(reply);
        Self { first: None, job, buffer, reading: None }
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.buffer.abandon();
    }
}

impl Pieces for Buffered {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some(first) = self.first.take().filter(|f| !f.is_empty()) {
            return Poll::Ready(Some(Ok(first)));
        }
        poll_buffer(&self.buffer, &mut self.reading, cx)
    }

    fn is_answered(&self) -> bool {
        self.job.passing.is_ended()
    }
}

/// Moves the rest of an answer into its buffer, as fast as it comes.
async fn take_all(buffer: Arc<ReplyBuffer>, passing: Arc<Passing>) {
    let is_wanted = || !passing.is_ended() && passing.pool.load().0 > 0;
    loop {
        if buffer.is_abandoned() {
            if !passing.is_ended() {
                passing.fail(Failure::from(Termination::GoneReading));
                passing.pool.leave(&passing, Reset::ClientGone);
            }
            return;
        }
        let piece = match poll_fn(|cx| passing.poll_piece(cx)).await {
            None => return buffer.end(None),
            Some(Err(failure)) => return buffer.end(Some(failure)),
            Some(Ok(piece)) => piece,
        };
        if let Some(assignment) = passing.assignment() {
            assignment.carrier.consumed(assignment.stream, piece.len(), passing.pieces_bytes());
        }
        if let Err(error) = reply_buffer::put(&buffer, piece, &is_wanted).await {
            if !passing.is_ended() {
                passing.fail(no_room(io::Error::new(error.kind(), error.to_string())));
                passing.pool.leave(&passing, Reset::ClientGone);
            }
            return buffer.end(Some(no_room(error)));
        }
    }
}

fn poll_buffer(
    buffer: &ReplyBuffer,
    reading: &mut Option<Reading>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Failure>>> {
    loop {
        if let Some(read) = reading {
            let bytes = ready!(read.as_mut().poll(cx));
            *reading = None;
            return Poll::Ready(Some(match bytes {
                Ok(bytes) => {
                    buffer.advance(bytes.len() as u64);
                    Ok(bytes)
                }
                Err(error) => Err(Failure {
                    termination: Termination::Overload,
                    detail: Bytes::from(format!("cannot read the spooled reply: {error}")),
                }),
            }));
        }
        match ready!(buffer.poll_next(cx)) {
            Next::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
            Next::File(file, offset) => *reading = Some(Box::pin(read(file, offset))),
            Next::End => return Poll::Ready(None),
            Next::Failed(failure) => return Poll::Ready(Some(Err(failure))),
        }
    }
}

async fn read(file: Arc<SpoolFile>, offset: u64) -> io::Result<Bytes> {
    file.read(offset, READ).await
}
