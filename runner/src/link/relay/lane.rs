//! One child's lane: what is on its way to the child, and which request it works on.

use std::{rc::Rc, time::Instant};

use bytes::{Buf, Bytes, BytesMut};
use ostler_wire::{DATA_CHUNK, Frame, Header, Kind, Reset, Streams, WINDOW, flags, put_frame};
use tokio::sync::Notify;

use super::header;

/// How a request body ends.
#[derive(Clone, Debug)]
pub(super) enum BodyEnd {
    /// With its last byte.
    Plain,
    /// With trailers.
    Trailers(Bytes),
}

/// The request that a child works on.
#[derive(Debug)]
pub(super) struct RelayedRequest {
    /// Its stream on the link; `None` when that link is gone.
    pub(super) link: Option<u32>,
    /// Its stream on the lane.
    pub(super) lane: u32,
    /// The request has begun to be written to the child: it may be started.
    pub(super) written: bool,
    /// The request's body was queued to its end.
    pub(super) whole: bool,
    /// The gateway does not want it any more.
    pub(super) cancelled: bool,
    /// When it was given to the child, until something of an answer came; then when that had ended.
    pub(super) awaited: Option<Instant>,
    /// The answer has ended, and the child is not free.
    pub(super) is_over: bool,
}

/// Something for the child.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// How many bytes of body are in it.
    pub(super) body: usize,
    /// The stream of the link that they came on.
    pub(super) link: Option<u32>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) app: Rc<str>,
    /// It may be given requests.
    pub(super) serving: bool,
    /// Larger for the child that worked later.
    pub(super) turn: u64,
    pub(super) streams: Streams,
    pub(super) job: Option<RelayedRequest>,
    /// The request that the child did not begin when it should have: it is somebody else's now, and this child gets no other
    /// before it has said that it knows.
    pub(super) unheard: Option<u32>,
    /// Frames for the child, before any body.
    out: BytesMut,
    /// Body bytes in `out`.
    out_body: usize,
    /// Body bytes for the child; the link's window bounds them.
    body: BytesMut,
    body_end: Option<BodyEnd>,
    /// Requests that were refused since the last that was answered.
    pub(super) refused: u32,
    /// The child's process is gone: what it wrote is read, and then the lane is over.
    pub(super) ended: Rc<Notify>,
    /// There is something to write, or the lane is gone.
    pub(super) wake: Rc<Notify>,
    /// There may be room on the link.
    pub(super) room: Rc<Notify>,
}

impl Lane {
    /// Of a child that takes so many streams at once. It is given one at a time all the same: gateways count each child as one slot.
    pub(super) fn new(app: Rc<str>, streams: u32) -> Self {
        let window = (streams > 1).then_some(WINDOW);
        Self {
            app,
            serving: true,
            turn: 0,
            streams: Streams::opener(window),
            job: None,
            unheard: None,
            out: BytesMut::new(),
            out_body: 0,
            body: BytesMut::new(),
            body_end: None,
            refused: 0,
            ended: Rc::new(Notify::new()),
            wake: Rc::new(Notify::new()),
            room: Rc::new(Notify::new()),
        }
    }

    pub(super) fn is_free_for(&self, app: &str) -> bool {
        self.serving && self.job.is_none() && self.unheard.is_none() && *self.app == *app
    }

    /// Whether the present gateway may count on it: not while it works for a former one.
    pub(super) fn is_slot(&self) -> bool {
        let is_its = self.job.as_ref().is_none_or(|job| job.link.is_some());
        self.serving && self.unheard.is_none() && is_its
    }

    /// Begins a request. `false` when the lane's stream ids are used up.
    pub(super) fn start(&mut self, request: &Frame, head: Bytes, ended: bool) -> bool {
        let Some(lane) = self.streams.open() else {
            self.serving = false;
            // It serves nobody any more: it ends, so that its child is replaced.
            self.ended.notify_one();
            return false;
        };
        let len = u32::try_from(head.len() + request.body.len()).expect("shorter than it came");
        let aux = u32::try_from(head.len()).expect("shorter than it came");
        let header = Header { len, aux, stream: lane, ..request.header };
        self.out.extend_from_slice(&header.to_bytes());
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(&request.body);
        self.out_body += request.body.len();
        self.streams.sent(lane, request.body.len(), ended);
        let link = Some(request.header.stream);
        let awaited = Some(Instant::now());
        let (written, cancelled, is_over) = (false, false, false);
        self.job =
            Some(RelayedRequest { link, lane, written, whole: ended, cancelled, awaited, is_over });
        self.wake.notify_one();
        true
    }

    /// Takes a piece of the request's body.
    pub(super) fn queue_body(&mut self, piece: &[u8], end: Option<BodyEnd>) {
        let Some(job) = self.job.as_mut().filter(|job| !job.cancelled) else { return };
        job.whole |= end.is_some();
        self.body.extend_from_slice(piece);
        self.body_end = end;
        self.wake.notify_one();
    }

    /// Bytes of the answer have gone on: a child whose streams have windows may send more.
    pub(super) fn consumed(&mut self, bytes: usize) {
        let Some(stream) = self.job.as_ref().map(|job| job.lane) else { return };
        if let Some(grant) = self.streams.consumed(stream, bytes) {
            let win = Header { aux: grant, ..header(Kind::Win, 0, 0, stream) };
            put_frame(&mut self.out, win, b"");
            self.wake.notify_one();
        }
    }

    /// The request is not wanted any more: tells the child, and drops what it has not been sent.
    pub(super) fn cancel(&mut self, reason: Reset) {
        let Some(job) = self.job.as_mut().filter(|job| !job.cancelled) else { return };
        job.cancelled = true;
        job.whole = true;
        self.give_up_stream(reason);
        self.room.notify_one();
    }

    /// The link of the request is gone. Answers the request's stream on the lane.
    pub(super) fn orphan(&mut self) -> u32 {
        self.job.as_mut().map_or(0, |job| {
            job.link = None;
            job.lane
        })
    }

    /// The child has ended its request. What it did not take of the body is dropped.
    pub(super) fn drop_body(&mut self) {
        let Some(job) = &mut self.job else { return };
        // A body that was queued whole but not sent whole ends as well.
        let cut = !std::mem::replace(&mut job.whole, true);
        if cut || self.body_end.is_some() || !self.body.is_empty() {
            self.give_up_stream(Reset::ClientGone);
        }
    }

    fn give_up_stream(&mut self, reason: Reset) {
        let Some(job) = &self.job else { return };
        self.body = BytesMut::new();
        self.body_end = None;
        self.streams.reset(job.lane);
        put_frame(&mut self.out, header(Kind::Reset, 0, reason as u16, job.lane), b"");
        self.wake.notify_one();
    }

    /// What is to be written next.
    pub(super) fn take_out(&mut self) -> Option<Chunk> {
        let link = self.job.as_ref().and_then(|job| job.link);
        if !self.out.is_empty() {
            if let Some(job) = &mut self.job {
                job.written = true;
            }
            let (bytes, body) = (self.out.split().freeze(), std::mem::take(&mut self.out_body));
            return Some(Chunk { bytes, body, link });
        }
        let stream = self.job.as_ref()?.lane;
        if self.body.is_empty() && self.body_end.is_none() {
            return None;
        }
        let credit = self.streams.credit(stream);
        if credit == 0 && !self.body.is_empty() {
            return None;
        }
        let piece = self.body.copy_to_bytes(self.body.len().min(credit).min(DATA_CHUNK));
        let end = if self.body.is_empty() { self.body_end.take() } else { None };
        let mut out = BytesMut::with_capacity(piece.len() + 2 * ostler_wire::HEADER);
        let plain_end = matches!(end, Some(BodyEnd::Plain));
        if !piece.is_empty() || plain_end {
            let end_flag = if plain_end { flags::END } else { 0 };
            put_frame(&mut out, header(Kind::Data, end_flag, 0, stream), &piece);
        }
        if let Some(BodyEnd::Trailers(head)) = &end {
            put_trailers(&mut out, (stream, flags::END), head);
        }
        self.streams.sent(stream, piece.len(), end.is_some());
        Some(Chunk { bytes: out.freeze(), body: piece.len(), link })
    }
}

/// A TRAIL frame with a head as it came.
pub(super) fn put_trailers(out: &mut BytesMut, (stream, flags): (u32, u8), head: &[u8]) {
    let len = u32::try_from(head.len()).expect("it came in a frame");
    let trail = header(Kind::Trail, flags, 0, stream);
    out.extend_from_slice(&Header { len, aux: len, ..trail }.to_bytes());
    out.extend_from_slice(head);
}
