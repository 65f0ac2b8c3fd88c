//! Decodes any bytes in any split: no panic, the same frames in every split, and each frame is the bytes that it came
//! from. Then both ends of a connection take the frames.

use bytes::BytesMut;
use ostler_wire::{Builder, Decoder, Fields, Frame, HEADER, Streams, WireError, put_frame};

/// Small enough that a fuzzer finds the limit.
const FRAME_MAX: u32 = 4096;

/// The first byte chooses the split, the rest is the byte stream.
pub(crate) fn check(data: &[u8]) {
    let Some((split, bytes)) = data.split_first() else { return };
    let (whole, error) = decode(bytes, bytes.len().max(1));
    assert_eq!(
        decode(bytes, usize::from(*split) + 1),
        (whole.clone(), error),
        "a split changes nothing"
    );
    for frame in &whole {
        check_encoding(frame);
    }
    for window in [None, Some(64)] {
        check_streams(Streams::answerer(window), &whole);
        let mut opener = Streams::opener(window);
        while opener.open().is_some_and(|stream| stream < 3) {}
        check_streams(opener, &whole);
    }
}

fn decode(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<WireError>) {
    let mut decoder = Decoder::new(FRAME_MAX);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Writing the frame's parts gives the bytes that it was decoded from.
fn check_encoding(frame: &Frame) {
    let header = frame.header;
    let mut came = header.to_bytes().to_vec();
    came.extend_from_slice(&frame.head);
    came.extend_from_slice(&frame.body);
    assert_eq!(came.len(), HEADER + header.len as usize);

    let mut out = BytesMut::new();
    if header.kind.has_head() {
        let Ok(fields) = frame.fields() else { return };
        check_fields(frame, fields.clone());
        let builder = Builder::new(&mut out, header.kind, header.stream);
        let builder = builder.flags(header.flags).code(header.code).fields(|writer| {
            for (name, value) in fields {
                writer.put(name, value);
            }
        });
        builder.body(&frame.body);
    } else {
        put_frame(&mut out, header, &frame.body);
    }
    assert_eq!(out, came);
}

fn check_fields(frame: &Frame, fields: Fields<'_>) {
    for (name, value) in fields.clone() {
        assert!(!name.contains(&0) && !value.contains(&0));
        assert!(fields.value(name).is_some());
    }
    let bytes: usize = fields.clone().map(|(name, value)| name.len() + value.len() + 2).sum();
    assert_eq!(bytes.saturating_sub(1), frame.head.len());
}

/// An end takes frames until one breaks a rule; what it grants and what it holds stays in bounds.
fn check_streams(mut streams: Streams, frames: &[Frame]) {
    for frame in frames {
        let stream = frame.header.stream;
        let open = streams.len();
        if streams.handle(frame).is_err() {
            return;
        }
        assert!(streams.len() <= open + 1);
        assert_eq!(streams.ids().count(), streams.len());
        streams.consumed(stream, frame.body.len());
        let credit = streams.credit(stream).min(frame.body.len());
        if credit > 0 {
            streams.sent(stream, credit, frame.header.flags & 0x10 != 0);
        }
    }
}
