//! Frames for tests, and random ones.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use bytes::{Bytes, BytesMut};
use ostler_wire::{Builder, Decoder, FRAME_MAX, Frame, Header, Kind, WireError, put_frame};
use proptest::{collection::vec, prelude::*};

/// A frame to be written: pairs for the kinds that have a head, a number for the others.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) code: u16,
    pub(crate) stream: u32,
    pub(crate) aux: u32,
    pub(crate) head: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Plan {
    pub(crate) fn new(kind: Kind, stream: u32) -> Self {
        Self { kind, flags: 0, code: 0, stream, aux: 0, head: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    pub(crate) fn aux(self, aux: u32) -> Self {
        Self { aux, ..self }
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..self }
    }

    /// Appends the frame's bytes.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let Self { kind, flags, code, stream, aux, .. } = *self;
        if kind.has_head() {
            let builder = Builder::new(out, kind, stream).flags(flags).code(code);
            let builder = builder.fields(|fields| {
                for (name, value) in &self.head {
                    fields.put(name, value);
                }
            });
            builder.body(&self.body);
        } else {
            put_frame(out, Header { len: 0, kind, flags, code, stream, aux }, &self.body);
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut out);
        out.freeze()
    }

    /// The frame as the other side decodes it.
    pub(crate) fn frame(&self) -> Frame {
        let frames = decode(&[&self.bytes()]).unwrap();
        frames.into_iter().next().expect("one frame was written")
    }
}

/// Decodes a byte stream that arrives in pieces; the frames before an error are lost with it.
pub(crate) fn decode(pieces: &[&[u8]]) -> Result<Vec<Frame>, WireError> {
    let mut decoder = Decoder::new(FRAME_MAX);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.buffer().extend_from_slice(piece);
        while let Some(frame) = decoder.poll_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The bytes of a frame as its number of each field says, however wrong.
pub(crate) fn raw(len: u32, kind: u8, flags: u8, aux: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = len.to_le_bytes().to_vec();
    out.extend([kind, flags, 0, 0, 1, 0, 0, 0]);
    out.extend(aux.to_le_bytes());
    out.extend(rest);
    out
}

/// Any frame.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    let part = || vec(1..=u8::MAX, 0..20);
    let head = vec((part(), part()), 0..8);
    let body = prop_oneof![4 => vec(any::<u8>(), 0..64), 1 => vec(any::<u8>(), 0..5000)];
    let numbers = (any::<u8>(), any::<u16>(), any::<u32>(), any::<u32>());
    (proptest::sample::select(Kind::ALL), numbers, head, body).prop_map(
        |(kind, (flags, code, stream, aux), head, body)| {
            let (aux, head) = if kind.has_head() { (0, head) } else { (aux, Vec::new()) };
            Plan { kind, flags, code, stream, aux, head, body }
        },
    )
}
