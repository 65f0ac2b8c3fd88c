//! What a carrier's frames mean for its jobs.

use std::sync::Arc;

use ostler_job::{Mono, Span, Termination};
use ostler_wire::{Decoder, Event, Frame, Kind, Reset, WireError, put_frame};

use super::{Carrier, Inner, header};
use crate::pool::passing::{Failure, Passing};

/// The jobs that a batch of frames ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Jobs that the child is done with, and how long it had each.
    pub(crate) finished: Vec<(Arc<Passing>, Span)>,
    /// Jobs that were not started and go back to the queue.
    pub(crate) returned: Vec<Arc<Passing>>,
}

impl Ended {
    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.returned.is_empty()
    }
}

impl Carrier {
    /// Handles every whole frame of the decoder. Frames of the connection itself are put into `control`.
    pub(crate) fn handle_frames(
        self: &Arc<Self>,
        decoder: &mut Decoder,
        now: Mono,
        ended: &mut Ended,
        control: &mut Vec<Frame>,
    ) -> Result<(), WireError> {
        let mut inner = self.lock();
        while let Some(frame) = decoder.poll_frame()? {
            match inner.streams.handle(&frame)? {
                Event::Deliver { ended: end } => inner.deliver(frame, end, now, ended),
                Event::Closed => inner.handle_reset(&frame, now, ended),
                Event::Late if frame.is_end() || frame.header.kind == Kind::Reset => {
                    inner.end(frame.header.stream, now, ended);
                }
                Event::Late => {}
                Event::GoAway { last } => inner.handle_go_away(last, ended),
                Event::Credited => inner.wake_senders(),
                Event::Connection => control.push(frame),
                Event::Opened { .. } => unreachable!("Streams::opener refuses to be opened to"),
            }
        }
        if inner.sending.is_some_and(|stream| !inner.streams.is_open(stream)) {
            let stream = inner.sending.expect("checked on the line before");
            self.body_sent(&mut inner, stream);
            inner.wake_senders();
        }
        Ok(())
    }
}

impl Inner {
    fn deliver(&mut self, frame: Frame, end: bool, now: Mono, ended: &mut Ended) {
        let stream = frame.header.stream;
        let Some(job) = self.jobs.get(&stream) else { return };
        job.deliver(frame, end, now);
        if end {
            self.end(stream, now, ended);
        }
    }

    fn end(&mut self, stream: u32, now: Mono, ended: &mut Ended) {
        let Some(job) = self.jobs.remove(&stream) else { return };
        // A child that answers before the body is whole wants no more of it.
        if self.streams.is_open(stream) {
            put_frame(&mut self.out, header(Kind::Reset, 0, Reset::ClientGone as u16, stream), &[]);
            self.streams.reset(stream);
            self.urgent = true;
        }
        let began = job.started_at().unwrap_or(now).max(self.last_end);
        self.last_end = now;
        ended.finished.push((job, now - began));
    }

    fn handle_reset(&mut self, frame: &Frame, now: Mono, ended: &mut Ended) {
        let stream = frame.header.stream;
        let Some(job) = self.jobs.get(&stream) else { return };
        let reason = Reset::from_code(frame.header.code);
        if reason == Some(Reset::ChildDied) {
            job.child_died();
        }
        let again = match reason {
            Some(Reset::NotStarted) => !job.is_answered(),
            Some(Reset::ChildDied) => job.may_run_again(),
            Some(_) | None => false,
        };
        if again {
            ended.returned.extend(self.jobs.remove(&stream));
            return;
        }
        let termination = match reason {
            Some(Reset::Protocol) | None => Termination::Protocol,
            Some(Reset::TooLarge) => Termination::BodyTooLarge,
            Some(Reset::Deadline) => Termination::Deadline,
            Some(Reset::ChildDied) => Termination::ChildDied,
            Some(_) if job.is_answered() => Termination::AppAborted,
            Some(_) => Termination::AppError,
        };
        job.fail(Failure { termination, detail: frame.body.clone() });
        self.end(stream, now, ended);
    }

    fn handle_go_away(&mut self, last: u32, ended: &mut Ended) {
        self.retired = true;
        self.unsent = 0;
        ended.returned.extend(self.jobs.split_off(&(last.saturating_add(1))).into_values());
        ended.returned.extend(self.held.drain(..));
    }
}
