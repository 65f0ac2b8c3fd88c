//! Answers: from a lane to the link, as far as the gateway gives credit.

use std::time::Instant;

use bytes::{Buf, Bytes};
use ostler_wire::{DATA_CHUNK, Event, Frame, Header, Kind, Reset, WireError, flags, put_frame};

use super::{
    Inner, OUT_MAX, Relay, header,
    lane::{Lane, RelayedRequest, put_trailers},
};
use crate::{child_pool::ChildId, event::ChildEvent};

/// Requests that a child may refuse without having answered another.
const REFUSED_MAX: u32 = 10;

/// A child's frame on its way to the link.
#[derive(Debug)]
pub(super) struct Answer {
    frame: Frame,
    ended: bool,
    /// The head is sent, what is left is body.
    begun: bool,
}

/// How a child ended a request.
struct End<'a> {
    /// By RESET; `None`: by its answer, which the link has.
    reset: Option<(Reset, &'a [u8])>,
    /// It is not free yet.
    holds: bool,
}

/// How far an answer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of it.
    Done,
    /// The link has no room, or the stream no credit.
    Blocked,
}

impl Lane {
    /// Notes how a stream was closed. Whoever refuses one after the other serves nobody.
    fn count_refusals(&mut self, code: Reset, frame: &Frame) -> Result<(), WireError> {
        self.refused = if code == Reset::NotStarted { self.refused + 1 } else { 0 };
        if self.refused > REFUSED_MAX {
            let (kind, stream) = (frame.header.kind, frame.header.stream);
            let rule = "a child must not refuse everything";
            return Err(WireError::Unexpected { kind, stream, rule });
        }
        Ok(())
    }
}

impl Relay {
    /// Takes a frame of a child. What it means for its request is either done here or left as an answer to send.
    pub(super) fn handle_lane(
        &self,
        id: ChildId,
        frame: Frame,
    ) -> Result<Option<Answer>, WireError> {
        self.with(|inner| {
            let Some(lane) = inner.lanes.get_mut(&id) else { return Ok(None) };
            let stream = frame.header.stream;
            if let Some(job) = lane.job.as_mut().filter(|job| job.lane == stream) {
                job.awaited = None;
            }
            let is_last = frame.is_end() || matches!(frame.header.kind, Kind::Reset | Kind::Trail);
            let holds = frame.holds();
            let is_its = lane.job.as_ref().is_some_and(|job| job.lane == stream);
            match lane.streams.handle(&frame)? {
                Event::Deliver { ended } => {
                    lane.refused = 0;
                    Ok(Some(Answer { frame, ended, begun: false }))
                }
                Event::Closed => {
                    let code = Reset::from_code(frame.header.code).unwrap_or(Reset::Protocol);
                    lane.count_refusals(code, &frame)?;
                    inner.end(id, End { reset: Some((code, &frame.body)), holds });
                    Ok(None)
                }
                // The last word about a request that was given up.
                Event::Late if is_last && is_its => {
                    inner.end(id, End { reset: Some((Reset::ClientGone, b"")), holds });
                    Ok(None)
                }
                Event::Late if is_last && lane.unheard == Some(stream) => {
                    lane.unheard = None;
                    let app = lane.app.clone();
                    inner.tell_credit(&app);
                    Ok(None)
                }
                Event::Free { cost_us } if is_its => {
                    inner.free(id, cost_us);
                    Ok(None)
                }
                Event::GoAway { last } => {
                    lane.serving = false;
                    let app = lane.app.clone();
                    let unstarted = lane.job.as_ref().is_some_and(|job| job.lane > last);
                    inner.tell_credit(&app);
                    if unstarted {
                        inner.end(id, End { reset: Some((Reset::NotStarted, b"")), holds: false });
                    }
                    // It should close the lane now. If it does not, its owner must know that it serves nobody.
                    self.tell(id, ChildEvent::LaneLost(None));
                    Ok(None)
                }
                Event::Credited => {
                    lane.wake.notify_one();
                    Ok(None)
                }
                Event::Late | Event::Connection | Event::Free { .. } | Event::Opened { .. } => {
                    Ok(None)
                }
            }
        })
    }

    /// Sends as much of an answer as there is room and credit for.
    pub(super) fn send_answer(&self, id: ChildId, answer: &mut Answer) -> Progress {
        self.with(|inner| {
            let wanted = inner.lanes.get(&id).and_then(|lane| lane.job.as_ref());
            let wanted = wanted.filter(|job| !job.cancelled).and_then(|job| job.link);
            match wanted {
                Some(stream) => inner.send_answer(id, stream, answer),
                None => {
                    if let Some(lane) = inner.lanes.get_mut(&id) {
                        lane.consumed(answer.frame.body.len());
                    }
                    if answer.ended {
                        let reset = Some((Reset::ClientGone, &b""[..]));
                        inner.end(id, End { reset, holds: answer.frame.holds() });
                    }
                    Progress::Done
                }
            }
        })
    }

    /// Body bytes reached the child: the gateway may send more.
    pub(super) fn body_written(&self, stream: u32, bytes: usize) {
        self.with(|inner| {
            let Some(link) = &mut inner.link else { return };
            if let Some(grant) = link.streams.consumed(stream, bytes) {
                let win = Header { aux: grant, ..header(Kind::Win, 0, 0, stream) };
                put_frame(&mut link.out, win, b"");
            }
        });
    }

    /// The child will never begin these streams of its lane.
    pub(crate) fn withdraw(&self, id: ChildId, (from, to): (u32, u32)) {
        self.with(|inner| {
            let Some(lane) = inner.lanes.get_mut(&id) else { return };
            // What is answered has begun, whatever the board says.
            let is_unbegun = |job: &&RelayedRequest| job.awaited.is_some() && !job.is_over;
            let unbegun = lane.job.as_ref().filter(is_unbegun).map(|job| job.lane);
            if let Some(stream) = unbegun.filter(|stream| (from..=to).contains(stream)) {
                lane.unheard = Some(stream);
                lane.streams.reset(stream);
                let app = lane.app.clone();
                // The gateway hears of the lost slot first, or it would give it to the next.
                inner.tell_credit(&app);
                inner.end(id, End { reset: Some((Reset::NotStarted, b"")), holds: false });
            }
        });
    }

    /// A lane ended. The gateway hears of the lost slot first, then of the request.
    pub(super) fn lane_gone(&self, id: ChildId) {
        self.with(|inner| {
            let Some(mut lane) = inner.lanes.remove(&id) else { return };
            lane.wake.notify_one();
            inner.tell_credit(&lane.app);
            let Some(job) = lane.job.take() else { return };
            let (Some(stream), Some(link)) = (job.link, &mut inner.link) else { return };
            if job.written {
                let detail = format!("child {id} ended while it worked on the request");
                link.reset(stream, Reset::ChildDied, 0, detail.as_bytes());
            } else {
                link.reset(stream, Reset::NotStarted, 0, b"");
            }
        });
    }
}

impl Inner {
    fn send_answer(&mut self, id: ChildId, stream: u32, answer: &mut Answer) -> Progress {
        let link = self.link.as_mut().expect("a job with a stream has its link");
        loop {
            if link.out.len() > OUT_MAX {
                return Progress::Blocked;
            }
            let body = &mut answer.frame.body;
            let credit = link.streams.credit(stream);
            let has_head = !answer.begun && answer.frame.header.kind != Kind::Data;
            if credit == 0 && !body.is_empty() && !has_head {
                return Progress::Blocked;
            }
            let piece = body.copy_to_bytes(body.len().min(credit).min(DATA_CHUNK));
            let is_last = body.is_empty();
            let ends = is_last && answer.ended;
            link.streams.sent(stream, piece.len(), ends);
            link.put_piece(stream, &answer.frame, (has_head, ends), &piece);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.consumed(piece.len());
            }
            answer.begun = true;
            if is_last {
                if ends {
                    self.end(id, End { reset: None, holds: answer.frame.holds() });
                }
                return Progress::Done;
            }
        }
    }

    /// The child has ended its request: by the RESET, unless the answer's own end did that. It is free now, or when FREE comes.
    fn end(&mut self, id: ChildId, end: End<'_>) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(job) = &lane.job else { return };
        let link_stream = job.link;
        lane.drop_body();
        if let (Some(stream), Some(link)) = (link_stream, &mut self.link)
            && let Some((reason, detail)) = end.reset
        {
            link.reset(stream, reason, if end.holds { flags::HOLD } else { 0 }, detail);
        }
        if !end.holds {
            return self.release(id);
        }
        if let Some(job) = self.lanes.get_mut(&id).and_then(|lane| lane.job.as_mut()) {
            (job.awaited, job.is_over) = (Some(Instant::now()), true);
        }
    }

    /// The child is done with what it ended before.
    fn free(&mut self, id: ChildId, cost_us: u32) {
        let job = self.lanes.get(&id).and_then(|lane| lane.job.as_ref());
        if let (Some(stream), Some(link)) = (job.and_then(|job| job.link), &mut self.link) {
            let free = Header { aux: cost_us, ..header(Kind::Free, 0, 0, stream) };
            put_frame(&mut link.out, free, b"");
        }
        self.release(id);
    }

    /// The lane is free for another request.
    fn release(&mut self, id: ChildId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.drop_body();
        let Some(job) = lane.job.take() else { return };
        let app = lane.app.clone();
        if let (Some(stream), Some(link)) = (job.link, &mut self.link) {
            link.jobs.remove(&stream);
        }
        // A child that worked for a former gateway becomes a slot of the present one.
        self.tell_credit(&app);
    }
}

impl super::LinkSide {
    /// Writes one piece of an answer: its head with the first, trailers whole.
    fn put_piece(&mut self, stream: u32, from: &Frame, (head, end): (bool, bool), piece: &Bytes) {
        let end_flag = if end { flags::END | from.header.flags & flags::HOLD } else { 0 };
        if from.header.kind == Kind::Trail {
            return put_trailers(&mut self.out, (stream, end_flag), &from.head);
        }
        if !head {
            return put_frame(&mut self.out, header(Kind::Data, end_flag, 0, stream), piece);
        }
        let len = u32::try_from(from.head.len() + piece.len()).expect("no longer than it came");
        let flags = from.header.flags & !(flags::END | flags::HOLD | flags::FD) | end_flag;
        let header = Header { len, flags, stream, ..from.header };
        self.out.extend_from_slice(&header.to_bytes());
        self.out.extend_from_slice(&from.head);
        self.out.extend_from_slice(piece);
    }
}
