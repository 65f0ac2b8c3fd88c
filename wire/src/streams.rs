//! The life of the streams on one connection: what may be sent when, and by whom.
//!
//! A stream is opened by the gateway's side (REQ) and answered by the other. Each direction ends once: by END, by
//! trailers or by RESET. Ids grow and are never used again, so a frame of a finished stream is late, not wrong.

use std::collections::BTreeMap;

use crate::{Frame, Kind, WireError};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Opens,
    Answers,
}

#[derive(Clone, Debug)]
struct Stream {
    /// The other side may still send.
    receiving: bool,
    /// This side may still send.
    sending: bool,
    /// The final answer's head has passed.
    answered: bool,
    /// Body bytes this side may send.
    credit: u64,
    /// Body bytes the other side may send.
    allowance: u64,
    /// Body bytes that were consumed and not granted again yet.
    consumed: u32,
}

/// What a received frame means for the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other side opened the frame's stream; `ended` when its body is whole.
    Opened {
        /// Nothing more comes from the opener.
        ended: bool,
    },
    /// The frame belongs to an open stream; `ended` when the other side is finished with it.
    Deliver {
        /// Nothing more comes from the other side.
        ended: bool,
    },
    /// The stream was reset by the other side and is closed.
    Closed,
    /// The stream has more credit to send with.
    Credited,
    /// The other side takes no new streams; those above `last` were not started.
    GoAway {
        /// The last stream that was started.
        last: u32,
    },
    /// The other side, which ended the stream before, is done with it and free for another.
    Free {
        /// What the run cost, in microseconds; 0: not told.
        cost_us: u32,
    },
    /// A frame of a finished stream, to be dropped.
    Late,
    /// Not a frame of a stream: the connection's own business.
    Connection,
}

/// The streams of one connection, seen from one end.
#[derive(Clone, Debug)]
pub struct Streams {
    side: Side,
    /// Credit per direction; `None` where the socket buffer is the only brake (one stream at a time).
    window: Option<u32>,
    last: u32,
    open: BTreeMap<u32, Stream>,
}

impl Streams {
    /// The end that opens streams.
    pub fn opener(window: Option<u32>) -> Self {
        Self { side: Side::Opens, window, last: 0, open: BTreeMap::new() }
    }

    /// The end that answers them.
    pub fn answerer(window: Option<u32>) -> Self {
        Self { side: Side::Answers, window, last: 0, open: BTreeMap::new() }
    }

    /// Opens the next stream. `None` when the ids are used up: the connection must be replaced.
    pub fn open(&mut self) -> Option<u32> {
        assert_eq!(self.side, Side::Opens, "only the opener opens streams");
        self.last = self.last.checked_add(1)?;
        self.open.insert(self.last, Stream::new(self.window));
        Some(self.last)
    }

    /// Whether the stream is open in any direction.
    pub fn is_open(&self, stream: u32) -> bool {
        self.open.contains_key(&stream)
    }

    /// How many streams are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no stream is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The open streams, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.keys().copied()
    }

    /// How many body bytes may be sent on the stream now; 0 when it is finished.
    pub fn credit(&self, stream: u32) -> usize {
        let credit = self.open.get(&stream).filter(|s| s.sending).map_or(0, |s| s.credit);
        usize::try_from(credit).unwrap_or(usize::MAX)
    }

    /// Accounts for a frame that this side sends: `bytes` of body, `end` when it is the last.
    pub fn sent(&mut self, stream: u32, bytes: usize, end: bool) {
        let Some(s) = self.open.get_mut(&stream) else { return };
        assert!(s.sending, "stream {stream} was ended by this side before");
        if self.window.is_some() {
            s.credit = s.credit.checked_sub(bytes as u64).expect("senders ask for credit first");
        }
        s.sending = !end;
        self.close_if_done(stream);
    }

    /// Accounts for body bytes that left this side's buffers. Returns the credit to grant by WIN, when it is due.
    pub fn consumed(&mut self, stream: u32, bytes: usize) -> Option<u32> {
        let window = self.window?;
        let s = self.open.get_mut(&stream).filter(|s| s.receiving)?;
        s.consumed = s.consumed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        // Half a window keeps the sender going without a WIN for every frame.
        if s.consumed < window / 2 {
            return None;
        }
        let grant = std::mem::take(&mut s.consumed);
        s.allowance += u64::from(grant);
        Some(grant)
    }

    /// Closes the stream because this side resets it.
    pub fn reset(&mut self, stream: u32) {
        self.open.remove(&stream);
    }

    /// Takes a received frame and says what it means, or which rule it breaks.
    pub fn handle(&mut self, frame: &Frame) -> Result<Event, WireError> {
        let stream = frame.header.stream;
        match frame.header.kind {
            // Taken for an answer they would end a stream that nobody can make sense of.
            Kind::Call | Kind::Reply | Kind::Event | Kind::Msg | Kind::Tun => {
                Err(unexpected(frame, "a reserved kind has no use in this version"))
            }
            Kind::Req => self.handle_open(frame),
            Kind::Rsp => self.handle_answer(frame),
            Kind::Data | Kind::Trail => self.handle_body(frame),
            Kind::Free => self.handle_free(frame),
            Kind::Reset if stream == 0 => Ok(Event::GoAway { last: frame.header.aux }),
            Kind::Reset => Ok(match self.known(frame)? {
                true => {
                    self.open.remove(&stream);
                    Event::Closed
                }
                false => Event::Late,
            }),
            Kind::Win => self.handle_credit(frame),
            Kind::Hello
            | Kind::Welcome
            | Kind::Ready
            | Kind::Fail
            | Kind::Ping
            | Kind::Pong
            | Kind::Stats
            | Kind::Stop
            | Kind::Bye
            | Kind::Fork
            | Kind::Forked
            | Kind::Dump
            | Kind::Log
            | Kind::Oob
            | Kind::Lane
            | Kind::Withdraw
            | Kind::Credit
            | Kind::App
            | Kind::Demand
            | Kind::Retire
            | Kind::Overdue
            | Kind::Join
            | Kind::Joined
            | Kind::State
            | Kind::Beat
            | Kind::Run
            | Kind::Report
            | Kind::Settle
            | Kind::Steer
            | Kind::Pull
            | Kind::Piece => Ok(Event::Connection),
        }
    }

    fn handle_open(&mut self, frame: &Frame) -> Result<Event, WireError> {
        let stream = frame.header.stream;
        if self.side == Side::Opens {
            return Err(unexpected(frame, "only the gateway's side opens streams"));
        }
        if stream <= self.last {
            return Err(WireError::ReusedStream { stream });
        }
        self.last = stream;
        let mut s = Stream::new(self.window);
        s.receive(stream, frame)?;
        let ended = !s.receiving;
        self.open.insert(stream, s);
        Ok(Event::Opened { ended })
    }

    fn handle_answer(&mut self, frame: &Frame) -> Result<Event, WireError> {
        let (stream, code) = (frame.header.stream, frame.header.code);
        if self.side == Side::Answers {
            return Err(unexpected(frame, "only the side that was asked answers"));
        }
        if !self.known(frame)? {
            return Ok(Event::Late);
        }
        let s = self.open.get_mut(&stream).expect("known says that it is open");
        if !(100..=599).contains(&code) {
            return Err(WireError::BadStatus { status: code });
        }
        if s.answered {
            return Err(unexpected(frame, "a stream has one final answer"));
        }
        let interim = code <= 199;
        if interim && frame.is_end() {
            return Err(unexpected(frame, "an interim answer does not end a stream"));
        }
        s.answered |= !interim;
        self.receive(frame)
    }

    fn handle_body(&mut self, frame: &Frame) -> Result<Event, WireError> {
        if !self.known(frame)? {
            return Ok(Event::Late);
        }
        let s = &self.open[&frame.header.stream];
        if self.side == Side::Opens && !s.answered {
            return Err(unexpected(frame, "body before the final answer's head"));
        }
        self.receive(frame)
    }

    fn handle_free(&self, frame: &Frame) -> Result<Event, WireError> {
        if self.side == Side::Answers {
            return Err(unexpected(frame, "only the side that was asked is free again"));
        }
        self.known(frame)?;
        if self.open.get(&frame.header.stream).is_some_and(|s| s.receiving) {
            return Err(unexpected(frame, "nobody is free before the end of the answer"));
        }
        Ok(Event::Free { cost_us: frame.header.aux })
    }

    fn handle_credit(&mut self, frame: &Frame) -> Result<Event, WireError> {
        if !self.known(frame)? {
            return Ok(Event::Late);
        }
        let s = self.open.get_mut(&frame.header.stream).expect("known says that it is open");
        s.credit = s.credit.saturating_add(u64::from(frame.header.aux));
        Ok(Event::Credited)
    }

    fn receive(&mut self, frame: &Frame) -> Result<Event, WireError> {
        let stream = frame.header.stream;
        let s = self.open.get_mut(&stream).expect("callers know that it is open");
        s.receive(stream, frame)?;
        let ended = !s.receiving;
        self.close_if_done(stream);
        Ok(Event::Deliver { ended })
    }

    /// Whether the frame's stream is open; an error when it was never opened.
    fn known(&self, frame: &Frame) -> Result<bool, WireError> {
        let stream = frame.header.stream;
        if stream == 0 || stream > self.last {
            return Err(unexpected(frame, "the stream was never opened"));
        }
        Ok(self.open.contains_key(&stream))
    }

    fn close_if_done(&mut self, stream: u32) {
        if self.open.get(&stream).is_some_and(|s| !s.receiving && !s.sending) {
            self.open.remove(&stream);
        }
    }
}

impl Stream {
    fn new(window: Option<u32>) -> Self {
        let credit = window.map_or(u64::MAX, u64::from);
        Self {
            receiving: true,
            sending: true,
            answered: false,
            credit,
            allowance: credit,
            consumed: 0,
        }
    }

    fn receive(&mut self, stream: u32, frame: &Frame) -> Result<(), WireError> {
        if !self.receiving {
            return Err(unexpected(frame, "nothing may follow the end"));
        }
        if self.allowance != u64::MAX {
            let bytes = frame.body.len() as u64;
            self.allowance =
                self.allowance.checked_sub(bytes).ok_or(WireError::Overrun { stream })?;
        }
        self.receiving = !frame.is_end();
        Ok(())
    }
}

fn unexpected(frame: &Frame, rule: &'static str) -> WireError {
    WireError::Unexpected { kind: frame.header.kind, stream: frame.header.stream, rule }
}
