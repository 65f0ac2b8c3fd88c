//! Durable jobs on a link, section 13 of docs/WIRE.md: the messages with fields.

use bytes::BytesMut;
use ostler_job::durable::AttemptKey;

use super::{Message, key, lists, put_head};
use crate::{Builder, Frame, Kind, WireError};

/// BEAT: a runner's slots for durable jobs, and the attempts that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat<'a> {
    /// Which process of the runner's name.
    pub incarnation: &'a str,
    /// How many jobs it can run at once.
    pub slots: u64,
    /// All attempts that it has, as JSON: the frame's body.
    pub held: Vec<AttemptKey>,
}

impl Message for Beat<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::Beat, 0).fields(|f| {
            f.text(key::INCARNATION, self.incarnation).number(key::SLOTS, self.slots);
        });
        frame.body(&serde_json::to_vec(&self.held).expect("keys of numbers are JSON"));
    }
}

impl<'a> Beat<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let told = fields.text(key::INCARNATION).zip(fields.number(key::SLOTS));
        let (incarnation, slots) = told
            .ok_or(WireError::Lacks { message: "BEAT", fields: &[key::INCARNATION, key::SLOTS] })?;
        Ok(Self { incarnation, slots, held: lists::parse(frame)? })
    }

    /// The slots alone, of whatever else it lacks.
    pub fn slots_of(frame: &Frame) -> Option<u64> {
        frame.fields().ok()?.number(key::SLOTS)
    }
}

/// What PULL and PIECE are about.
pub mod what {
    /// The log of an attempt, named `JOB.ATTEMPT.FENCE`.
    pub const LOG: &str = "log";
    /// A payload, named by its SHA-256.
    pub const PAYLOAD: &str = "payload";
}

/// PULL: asks for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull<'a> {
    /// Of [`what`].
    pub what: &'a str,
    /// Of which.
    pub id: Option<&'a str>,
    /// From where.
    pub offset: Option<u64>,
    /// How many at most.
    pub max: Option<u64>,
}

impl Message for Pull<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Pull, 0, 0, |f| {
            f.text(key::WHAT, self.what).maybe(key::ID, self.id);
            f.maybe_number(key::OFFSET, self.offset).maybe_number(key::MAX, self.max);
        });
    }
}

impl<'a> Pull<'a> {
    /// A whole question.
    pub const fn new(what: &'a str, id: &'a str, offset: u64, max: u64) -> Self {
        Self { what, id: Some(id), offset: Some(offset), max: Some(max) }
    }

    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        Ok(Self {
            what: fields.text(key::WHAT).unwrap_or_default(),
            id: fields.text(key::ID),
            offset: fields.number(key::OFFSET),
            max: fields.number(key::MAX),
        })
    }
}

/// PIECE: the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Of [`what`].
    pub what: &'a str,
    /// Of which.
    pub id: Option<&'a str>,
    /// From where.
    pub offset: Option<u64>,
    /// The file has no more.
    pub is_end: bool,
    /// There is no such file.
    pub is_gone: bool,
    /// The frame's body.
    pub bytes: &'a [u8],
}

impl Message for Piece<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::Piece, 0).fields(|f| {
            f.text(key::WHAT, self.what).maybe(key::ID, self.id);
            f.maybe_number(key::OFFSET, self.offset);
            f.mark(key::END, self.is_end).mark(key::GONE, self.is_gone);
        });
        frame.body(self.bytes);
    }
}

impl<'a> Piece<'a> {
    /// The answer that there is nothing.
    pub const fn gone(what: &'a str, id: &'a str, offset: u64) -> Self {
        let (id, offset) = (Some(id), Some(offset));
        Self { what, id, offset, is_end: false, is_gone: true, bytes: &[] }
    }

    /// The answer with bytes.
    pub const fn new(
        what: &'a str,
        id: &'a str,
        offset: u64,
        bytes: &'a [u8],
        is_end: bool,
    ) -> Self {
        let (id, offset) = (Some(id), Some(offset));
        Self { what, id, offset, is_end, is_gone: false, bytes }
    }

    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        Ok(Self {
            what: fields.text(key::WHAT).unwrap_or_default(),
            id: fields.text(key::ID),
            offset: fields.number(key::OFFSET),
            is_end: fields.has(key::END),
            is_gone: fields.has(key::GONE),
            bytes: &frame.body,
        })
    }
}
