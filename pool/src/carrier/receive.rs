//! What a carrier's frames mean for its jobs.

use std::sync::Arc;

use bytes::Bytes;
use ostler_job::{Mono, Span, SupplierId, Termination};
use ostler_wire::{Decoder, Event, Frame, Header, Kind, Reset, WireError, put_frame};

use super::{Carrier, Concurrency, Inner, Passing, header};
use crate::passing::Failure;

/// What a run cost at most of which the child says nothing, though it would.
const UNTOLD: Span = Span::from_micros(500);

/// The jobs that a batch of frames ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Jobs that the child is done with, and what each cost it.
    pub finished: Vec<(Arc<Passing>, Span)>,
    /// Jobs that were not started and go back to the queue.
    pub returned: Vec<Arc<Passing>>,
    /// Jobs with a whole answer whose child is not free yet, where nobody would look at that soon.
    pub held: Vec<Arc<Passing>>,
    /// The lane of a child that was not heard of, and is again.
    pub heard: Option<SupplierId>,
}

impl Ended {
    pub fn is_empty(&self) -> bool {
        let Self { finished, returned, held, heard } = self;
        finished.is_empty() && returned.is_empty() && held.is_empty() && heard.is_none()
    }
}

impl Carrier {
    /// Handles every whole frame of the decoder. Frames of the connection itself are put into `control`.
    pub fn handle_frames(
        self: &Arc<Self>,
        decoder: &mut Decoder,
        now: Mono,
        ended: &mut Ended,
        control: &mut Vec<Frame>,
    ) -> Result<(), WireError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        while let Some(frame) = decoder.poll_frame()? {
            match inner.streams.handle(&frame)? {
                Event::Deliver { ended: end } => inner.deliver(frame, end, now, ended),
                Event::Closed => {
                    inner.handle_reset(&frame, now, ended);
                    inner.check_refusals(&frame)?;
                }
                Event::Late if frame.is_end() || frame.header.kind == Kind::Reset => {
                    inner.end(frame.header.stream, frame.holds(), now, ended);
                    if inner.unheard.is_some_and(|unheard| frame.header.stream >= unheard) {
                        inner.unheard = None;
                        ended.heard = self.supplier.get().map(|(_, supplier)| *supplier);
                    }
                }
                Event::Free { cost_us } => {
                    let cost = Span::from_micros(cost_us.into());
                    inner.release(frame.header.stream, cost, now, ended);
                }
                Event::Late => {}
                Event::GoAway { last } => inner.handle_go_away(last, ended),
                Event::Credited => inner.wake_senders(),
                Event::Connection => control.push(frame),
                Event::Opened { .. } => unreachable!("Streams::opener refuses to be opened to"),
            }
        }
        if inner.sending.is_some_and(|stream| !inner.streams.is_open(stream)) {
            inner.sending = None;
            inner.wake_senders();
        }
        inner.changed();
        Ok(())
    }
}

impl Inner {
    fn deliver(&mut self, frame: Frame, end: bool, now: Mono, ended: &mut Ended) {
        let (stream, holds) = (frame.header.stream, frame.holds());
        let Some(job) = self.jobs.get(&stream) else { return };
        self.refused = 0;
        job.deliver(frame, end, now);
        if end {
            if holds && job.is_looked_at_late(now) {
                ended.held.push(job.clone());
            }
            self.end(stream, holds, now, ended);
        }
    }

    /// The child's last frame of a stream. One that holds it is not free before FREE.
    fn end(&mut self, stream: u32, holds: bool, now: Mono, ended: &mut Ended) {
        if !self.jobs.contains_key(&stream) {
            return;
        }
        // A child that answers before the body is whole wants no more of it.
        if self.streams.is_open(stream) {
            put_frame(&mut self.out, header(Kind::Reset, 0, Reset::ClientGone as u16, stream), &[]);
            self.streams.reset(stream);
        }
        if !holds {
            self.release(stream, Span::ZERO, now, ended);
        }
    }

    /// The child is done with a stream, which cost it as much as it says; zero: it does not say.
    fn release(&mut self, stream: u32, told: Span, now: Mono, ended: &mut Ended) {
        let Some(job) = self.take(stream, now) else { return };
        let took = now - job.started_at().unwrap_or(now);
        let cost = match told {
            Span::ZERO if self.measures => took.min(UNTOLD),
            Span::ZERO => took,
            told => took.min(told),
        };
        ended.finished.push((job, cost));
    }

    /// Takes a job off the carrier. On a lane the next one can begin.
    pub(super) fn take(&mut self, stream: u32, now: Mono) -> Option<Arc<Passing>> {
        let job = self.jobs.remove(&stream)?;
        if self.concurrency == Concurrency::Sequential
            && let Some((_, next)) = self.jobs.first_key_value()
        {
            next.begin(now);
        }
        Some(job)
    }

    fn handle_reset(&mut self, frame: &Frame, now: Mono, ended: &mut Ended) {
        let stream = frame.header.stream;
        let Some(job) = self.jobs.get(&stream) else { return };
        let reason = Reset::from_code(frame.header.code);
        if reason == Some(Reset::ChildDied) {
            job.child_died();
        }
        let again = match reason {
            Some(Reset::NotStarted) => job.may_come_back(),
            Some(Reset::ChildDied) => job.may_run_again(),
            Some(_) | None => false,
        };
        if again {
            ended.returned.extend(self.take(stream, now));
            return;
        }
        let termination = match reason {
            Some(Reset::Protocol) | None => Termination::Protocol,
            Some(Reset::TooLarge) => Termination::BodyTooLarge,
            Some(Reset::Deadline) => Termination::Deadline,
            Some(Reset::ChildDied) => Termination::ChildDied,
            Some(_) if job.is_answered() => Termination::AppAborted,
            Some(Reset::NotStarted) => Termination::Protocol,
            Some(_) => Termination::AppError,
        };
        job.fail(Failure { termination, detail: frame.body.clone() });
        self.end(stream, frame.holds(), now, ended);
    }

    /// A child that takes nothing looks free to everybody: it is given up before it has refused all that comes.
    fn check_refusals(&mut self, frame: &Frame) -> Result<(), WireError> {
        let is_refusal = frame.header.code == Reset::NotStarted as u16;
        self.refused = if is_refusal { self.refused + 1 } else { 0 };
        if self.refused > self.concurrency.refused_max() {
            let Header { kind, stream, .. } = frame.header;
            return Err(WireError::Unexpected {
                kind,
                stream,
                rule: "a child must not refuse everything",
            });
        }
        Ok(())
    }

    /// The child leaves. What it says that it did not start waits again; an answered request it has started, whatever it says.
    fn handle_go_away(&mut self, last: u32, ended: &mut Ended) {
        self.retired = true;
        self.unsent = None;
        for job in self.jobs.split_off(&(last.saturating_add(1))).into_values() {
            if job.may_come_back() {
                ended.returned.push(job);
                continue;
            }
            let termination = match job.is_answered() {
                true => Termination::AppAborted,
                false => Termination::Protocol,
            };
            let detail = Bytes::from_static(b"the child took back what it had begun");
            job.fail(Failure { termination, detail });
            ended.finished.push((job, Span::ZERO));
        }
        ended.returned.extend(self.held.drain(..));
    }
}
