//! Bytes into frames.

use bytes::{Buf, BytesMut};

use crate::{FRAME_CAP, Frame, HEADER, Header, Kind, WireError, flags};

/// Cuts a byte stream into frames, however it was split on the way.
///
/// Bytes are put into [`Decoder::buffer`], then [`Decoder::poll_frame`] is drained to `None`.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    frame_max: u32,
    skip: usize,
}

impl Decoder {
    /// A decoder that refuses frames above `frame_max` bytes.
    pub fn new(frame_max: u32) -> Self {
        assert!(frame_max <= FRAME_CAP, "no agreement exceeds FRAME_CAP");
        Self { buffer: BytesMut::new(), frame_max, skip: 0 }
    }

    /// Takes frames up to another size from now on.
    pub fn allow(&mut self, frame_max: u32) {
        assert!(frame_max <= FRAME_CAP, "no agreement exceeds FRAME_CAP");
        self.frame_max = frame_max;
    }

    /// Where received bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the stream stands between two frames, so that its end here loses nothing.
    pub fn is_between_frames(&self) -> bool {
        self.buffer.is_empty() && self.skip == 0
    }

    /// The next whole frame, `None` until more bytes came. Unknown types that are not critical are skipped.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            if self.skip > 0 {
                let now = self.skip.min(self.buffer.len());
                self.buffer.advance(now);
                self.skip -= now;
            }
            if self.skip > 0 || self.buffer.len() < HEADER {
                return Ok(None);
            }
            let (len, kind) = self.peek()?;
            let Some(kind) = kind else {
                self.buffer.advance(HEADER);
                self.skip = len as usize;
                continue;
            };
            if self.buffer.len() < HEADER + len as usize {
                // One allocation for a large frame instead of one for each doubling.
                self.buffer.reserve(HEADER + len as usize - self.buffer.len());
                return Ok(None);
            }
            return self.take(len, kind).map(Some);
        }
    }

    /// Length and kind of the frame that begins the buffer, checked; `None` for a kind to skip.
    fn peek(&self) -> Result<(u32, Option<Kind>), WireError> {
        let b = &self.buffer;
        let len = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        if len > self.frame_max {
            return Err(WireError::TooLong { len, max: self.frame_max });
        }
        let kind = Kind::from_code(b[4]);
        if kind.is_none() && b[5] & flags::CRITICAL != 0 {
            return Err(WireError::UnknownCritical { kind: b[4] });
        }
        Ok((len, kind))
    }

    fn take(&mut self, len: u32, kind: Kind) -> Result<Frame, WireError> {
        let b = &self.buffer;
        let header = Header {
            len,
            kind,
            flags: b[5],
            code: u16::from_le_bytes([b[6], b[7]]),
            stream: u32::from_le_bytes([b[8], b[9], b[10], b[11]]),
            aux: u32::from_le_bytes([b[12], b[13], b[14], b[15]]),
        };
        let head_len = if kind.has_head() { header.aux } else { 0 };
        if head_len > len {
            return Err(WireError::HeadTooLong { head: head_len, len });
        }
        self.buffer.advance(HEADER);
        let mut body = self.buffer.split_to(len as usize).freeze();
        let head = body.split_to(head_len as usize);
        Ok(Frame { header, head, body })
    }
}
