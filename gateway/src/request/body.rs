//! A reply's body on its way to the client, from wherever it is: whole in memory, at the child, or in a store.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Version;
use http_body::{Body as _, Frame, SizeHint};
use ostler_job::Termination;
use ostler_machine::clock;

use super::{
    forward::Job,
    spool::SpoolFile,
    store::{Next, Store},
    trip::Trip,
};
use crate::pool::passing::Failure;

type Reading = Pin<Box<dyn Future<Output = std::io::Result<Bytes>> + Send>>;

pub(super) enum Source {
    Whole(Option<Bytes>),
    /// Written by the API as it comes.
    Api(axum::body::Body),
    Streamed {
        first: Option<Bytes>,
        job: Job,
    },
    Stored {
        first: Option<Bytes>,
        job: Job,
        store: Arc<Store>,
        reading: Option<Reading>,
    },
}

impl Source {
    /// How many bytes will come, when that is known before they do.
    pub(super) fn known_len(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Api(body) => body.size_hint().exact(),
            Self::Streamed { .. } | Self::Stored { .. } => None,
        }
    }

    /// There is no body at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Api(body) => body.is_end_stream(),
            Self::Streamed { .. } | Self::Stored { .. } => false,
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Api(_) => "Api",
            Self::Streamed { .. } => "Streamed",
            Self::Stored { .. } => "Stored",
        })
    }
}

/// A reply's body as hyper takes it. Carries the request's record to the end.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    source: Source,
    trip: Trip,
    /// The length that the head tells.
    told: Option<u64>,
    /// How the request ended, once the last piece was taken.
    done: Termination,
    /// It has failed, which is told at the next turn.
    broken: Option<Termination>,
    /// The client has something to take; told to the connection, which ends when nothing is taken.
    offers: bool,
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        self.offer(false);
        if let Source::Stored { store, .. } = &self.source {
            store.abandon();
        }
    }
}

impl ReplyBody {
    /// A body that will end as `done`, once its last piece was taken.
    pub(super) fn new(trip: Trip, source: Source, told: Option<u64>, done: Termination) -> Self {
        let empty = source.is_empty();
        let mut body = Self { trip, source, told, done, broken: None, offers: false };
        body.offer(!empty);
        body
    }

    fn offer(&mut self, offers: bool) {
        match (std::mem::replace(&mut self.offers, offers), offers) {
            (false, true) => self.trip.connection.offer(),
            (true, false) => self.trip.connection.withdraw(),
            (true, true) => self.trip.connection.took(),
            (false, false) => {}
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match &mut self.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Source::Api(body) => poll_api(body, cx),
            Source::Streamed { first, job } => {
                if let Some(first) = first.take().filter(|f| !f.is_empty()) {
                    return Poll::Ready(Some(Ok(first)));
                }
                let seat = job.passing.seat();
                let piece = ready!(job.passing.poll_piece(cx));
                if let (Some(seat), Some(Ok(piece))) = (seat, &piece) {
                    seat.carrier.consumed(seat.stream, piece.len(), job.passing.pieces_bytes());
                }
                Poll::Ready(piece)
            }
            Source::Stored { first, store, reading, .. } => {
                if let Some(first) = first.take().filter(|f| !f.is_empty()) {
                    return Poll::Ready(Some(Ok(first)));
                }
                poll_store(store, reading, cx)
            }
        }
    }

    fn passing_ended(&self) -> bool {
        match &self.source {
            Source::Whole(_) | Source::Api(_) => true,
            Source::Streamed { job, .. } | Source::Stored { job, .. } => job.passing.is_ended(),
        }
    }
}

fn poll_api(
    body: &mut axum::body::Body,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Failure>>> {
    loop {
        return Poll::Ready(match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => None,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Some(Ok(data)),
                Err(_trailers) => continue,
            },
            Some(Err(error)) => Some(Err(Failure {
                termination: Termination::Overload,
                detail: Bytes::from(format!("the API's answer broke off: {error}")),
            })),
        });
    }
}

fn poll_store(
    store: &Store,
    reading: &mut Option<Reading>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Failure>>> {
    loop {
        if let Some(read) = reading {
            let bytes = ready!(read.as_mut().poll(cx));
            *reading = None;
            return Poll::Ready(Some(match bytes {
                Ok(bytes) => {
                    store.advance(bytes.len() as u64);
                    Ok(bytes)
                }
                Err(error) => Err(Failure {
                    termination: Termination::Overload,
                    detail: Bytes::from(format!("cannot read the spooled reply: {error}")),
                }),
            }));
        }
        match ready!(store.poll_next(cx)) {
            Next::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
            Next::File(file, offset) => *reading = Some(Box::pin(read(file, offset))),
            Next::End => return Poll::Ready(None),
            Next::Failed(failure) => return Poll::Ready(Some(Err(failure))),
        }
    }
}

async fn read(file: Arc<SpoolFile>, offset: u64) -> std::io::Result<Bytes> {
    file.read(offset, super::store::READ).await
}

/// Breaks the connection, so that the client does not take half a reply for a whole one.
#[derive(Debug)]
pub(crate) struct BrokenOff(Termination);

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the reply broke off: {}", self.0)
    }
}

impl std::error::Error for BrokenOff {}

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        if let Some(termination) = this.broken {
            return Poll::Ready(Some(Err(BrokenOff(termination))));
        }
        let piece = this.poll_piece(cx);
        this.offer(matches!(piece, Poll::Ready(Some(Ok(_)))));
        let mut piece = ready!(piece);
        if matches!(piece, Some(Ok(_))) && this.trip.is_past_deadline() {
            piece = Some(Err(Failure::from(Termination::Deadline)));
        }
        if this.trip.ended.is_none() && this.passing_ended() {
            this.trip.ended = Some(clock::now());
        }
        Poll::Ready(match piece {
            Some(Ok(piece)) => {
                this.trip.bytes_out += piece.len() as u64;
                // hyper asks for no more than it was told there is.
                if matches!(this.source, Source::Whole(_)) || this.told == Some(this.trip.bytes_out)
                {
                    this.trip.termination = this.done;
                } else {
                    this.trip.termination = Termination::GoneReading;
                }
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(failure)) => {
                this.trip.termination = failure.termination;
                this.trip.detail = failure.detail;
                if this.trip.version == Version::HTTP_10 && this.told.is_none() {
                    this.trip.connection.abort();
                }
                // hyper drops what it holds back when a body fails: it gets a turn to send the head and what came before.
                this.broken = Some(failure.termination);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {
                this.trip.termination = this.done;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Api(body) => body.size_hint(),
            source @ (Source::Whole(_) | Source::Streamed { .. } | Source::Stored { .. }) => {
                source.known_len().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}
