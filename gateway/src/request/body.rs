//! A reply's body on its way to the client: whole in memory, or in pieces from whoever answers.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};
use ostler_job::Termination;
use ostler_machine::clock;
use ostler_pool::passing::Failure;

use super::record::RequestRecord;

/// A body that comes by and by, from whatever target. Dropped when nobody wants the rest.
pub(crate) trait Pieces: Send {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>>;

    /// Whoever answers has nothing to do with the request any more, whatever the client still has to take.
    fn is_answered(&self) -> bool;

    /// What is known of its length before it comes.
    fn size(&self) -> SizeHint {
        SizeHint::default()
    }

    /// There is no body at all, or no more of it.
    fn is_over(&self) -> bool {
        false
    }
}

pub(crate) enum Source {
    Whole(Option<Bytes>),
    Pieces(Box<dyn Pieces>),
}

impl Source {
    /// How many bytes will come, when that is known before they do.
    pub(super) fn known_len(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Pieces(pieces) => pieces.size().exact(),
        }
    }

    /// There is no body at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces(pieces) => pieces.is_over(),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Pieces(_) => "Pieces",
        })
    }
}

/// A reply's body as hyper takes it. Carries the request's record to the end.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    source: Source,
    record: RequestRecord,
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
    }
}

impl ReplyBody {
    /// A body that will end as `done`, once its last piece was taken.
    pub(super) fn new(
        record: RequestRecord,
        source: Source,
        told: Option<u64>,
        done: Termination,
    ) -> Self {
        let empty = source.is_empty();
        let mut body = Self { record, source, told, done, broken: None, offers: false };
        body.offer(!empty);
        body
    }

    fn offer(&mut self, offers: bool) {
        match (std::mem::replace(&mut self.offers, offers), offers) {
            (false, true) => self.record.connection.offer(),
            (true, false) => self.record.connection.withdraw(),
            (true, true) => self.record.connection.took(),
            (false, false) => {}
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match &mut self.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Source::Pieces(pieces) => pieces.poll_piece(cx),
        }
    }

    fn is_answered(&self) -> bool {
        match &self.source {
            Source::Whole(_) => true,
            Source::Pieces(pieces) => pieces.is_answered(),
        }
    }
}

/// Breaks the connection, so that the client does not take half a reply for a whole one.
#[derive(Debug, thiserror::Error)]
#[error("the reply broke off: {0}")]
pub(crate) struct BrokenOff(Termination);

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
        if matches!(piece, Some(Ok(_))) && this.record.is_past_deadline() {
            piece = Some(Err(Failure::from(Termination::Deadline)));
        }
        if this.record.ended.is_none() && this.is_answered() {
            this.record.ended = Some(clock::now());
        }
        Poll::Ready(match piece {
            Some(Ok(piece)) => {
                this.record.bytes_out += piece.len() as u64;
                // hyper asks for no more than it was told there is.
                if matches!(this.source, Source::Whole(_))
                    || this.told == Some(this.record.bytes_out)
                {
                    this.record.termination = this.done;
                } else {
                    this.record.termination = Termination::GoneReading;
                }
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(failure)) => {
                this.record.termination = failure.termination;
                this.record.detail = failure.detail;
                if this.record.version == Version::HTTP_10 && this.told.is_none() {
                    this.record.connection.abort();
                }
                // hyper drops what it holds back when a body fails: it gets a turn to send the head and what came before.
                this.broken = Some(failure.termination);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {
                this.record.termination = this.done;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Source::Pieces(pieces) => pieces.size(),
        }
    }
}
