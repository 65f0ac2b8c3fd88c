//! The control channel: what a child and its runner say to each other.

use std::borrow::Cow;

use bytes::BytesMut;

use super::{Message, key, put_head};
use crate::{Builder, Fields, FieldsWriter, Frame, Kind, VERSION, WireError, flags};

/// HELLO of a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildHello<'a> {
    /// Its language.
    pub lang: &'a str,
    /// The interpreter with its version.
    pub implementation: &'a str,
    /// What it can do that not every child can, separated by commas; [`has_cap`] looks.
    pub caps: &'a str,
    /// What it serves.
    pub kinds: &'a str,
    /// The form of request heads that it wants.
    pub env: &'a str,
    /// How many lanes it has.
    pub lanes: u32,
    /// How many streams at once it takes on each.
    pub streams: u32,
}

impl Message for ChildHello<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Hello, flags::CRITICAL, VERSION, |f| {
            f.text(key::LANG, self.lang).text(key::IMPL, self.implementation);
            f.text(key::CAPS, self.caps).text(key::KINDS, self.kinds).text(key::ENV, self.env);
            f.number(key::LANES, self.lanes).number(key::STREAMS, self.streams);
        });
    }
}

impl<'a> ChildHello<'a> {
    /// Of a frame. What is absent is empty, and one lane of one stream.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let text = |key| fields.text(key).unwrap_or_default();
        Ok(Self {
            lang: text(key::LANG),
            implementation: text(key::IMPL),
            caps: text(key::CAPS),
            kinds: text(key::KINDS),
            env: text(key::ENV),
            lanes: fields.small(key::LANES).unwrap_or(1),
            streams: fields.small(key::STREAMS).unwrap_or(1),
        })
    }
}

/// What a child can do that not every child can, and that somebody asks for.
pub mod cap {
    /// It says what a run cost it when that was much.
    pub const COST: &str = "cost";
    /// It gives back what waits behind a slow request.
    pub const RECALL: &str = "recall";
}

/// Whether a list of what a child can do has this.
pub fn has_cap(caps: &str, cap: &str) -> bool {
    caps.split(',').any(|it| it == cap)
}

/// WELCOME of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildWelcome<'a> {
    /// The largest frame.
    pub max_frame: u32,
    /// Milliseconds between two STATS; 0: none.
    pub hb_ms: u32,
    /// The app's folder.
    pub root: &'a str,
}

impl Message for ChildWelcome<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Welcome, 0, VERSION, |f| {
            f.number(key::MAX_FRAME, self.max_frame).number(key::HB_MS, self.hb_ms);
            f.text(key::ROOT, self.root);
        });
    }
}

impl<'a> ChildWelcome<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        Ok(Self {
            max_frame: fields.small(key::MAX_FRAME).unwrap_or(crate::FRAME_MAX),
            hb_ms: fields.small(key::HB_MS).unwrap_or(0),
            root: fields.text(key::ROOT).unwrap_or_default(),
        })
    }
}

/// Why an app cannot be loaded: FAIL of a child, and part of an APP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The step that failed.
    pub stage: Option<Cow<'a, str>>,
    /// The error's class.
    pub class: Option<Cow<'a, str>>,
    /// What is wrong, one line.
    pub message: Option<Cow<'a, str>>,
    /// What to do.
    pub hint: Option<Cow<'a, str>>,
    /// The last lines of standard error; told by a runner, not by a child.
    pub stderr: Option<Cow<'a, str>>,
    /// The backtrace: the frame's body.
    pub trace: Cow<'a, str>,
}

impl Message for Failure<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::Fail, 0).fields(|f| self.put_fields(f));
        frame.body(self.trace.as_bytes());
    }
}

impl<'a> Failure<'a> {
    /// Of a frame that tells one. Foreign bytes that are no text are replaced.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let text = |key: &str| fields.value(key.as_bytes()).map(String::from_utf8_lossy);
        Ok(Self {
            stage: text(key::STAGE),
            class: text(key::CLASS),
            message: text(key::MESSAGE),
            hint: text(key::HINT),
            stderr: text(key::STDERR),
            trace: String::from_utf8_lossy(&frame.body),
        })
    }

    pub(super) fn put_fields(&self, f: &mut FieldsWriter<'_>) {
        f.maybe(key::STAGE, self.stage.as_deref()).maybe(key::CLASS, self.class.as_deref());
        f.maybe(key::MESSAGE, self.message.as_deref()).maybe(key::HINT, self.hint.as_deref());
        f.maybe(key::STDERR, self.stderr.as_deref());
    }
}

/// LOG: a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// 0 debug, 1 info, 2 error.
    pub level: u16,
    /// Where the child said it.
    pub stream: Option<&'a str>,
    /// The request that was running.
    pub id: Option<&'a str>,
    /// The line without its end.
    pub line: Cow<'a, str>,
}

impl Message for Log<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::Log, 0).code(self.level).fields(|f| {
            f.maybe(key::STREAM, self.stream).maybe(key::ID, self.id);
        });
        frame.body(self.line.as_bytes());
    }
}

impl<'a> Log<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields: Fields<'a> = frame.fields()?;
        Ok(Self {
            level: frame.header.code,
            stream: fields.text(key::STREAM),
            id: fields.text(key::ID),
            line: String::from_utf8_lossy(&frame.body),
        })
    }
}

/// LANE to a child: the descriptor that comes with it replaces a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildLane {
    /// Which lane.
    pub index: u32,
    /// Above every number before.
    pub number: u32,
}

impl Message for ChildLane {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Lane, flags::FD, 0, |f| {
            f.number(key::LANE, self.index).number(key::NUMBER, self.number);
        });
    }
}

impl ChildLane {
    /// Of a frame.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let lane = fields.small(key::LANE).zip(fields.small(key::NUMBER));
        let (index, number) =
            lane.ok_or(WireError::Lacks { message: "LANE", fields: &[key::LANE, key::NUMBER] })?;
        Ok(Self { index, number })
    }
}
