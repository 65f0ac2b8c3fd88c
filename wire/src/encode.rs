//! Frames into bytes.

use bytes::{BufMut, BytesMut};

use crate::{FieldsWriter, HEADER, Header, Kind};

/// Appends a frame without a head: DATA, RESET, PING and the like.
pub fn put_frame(out: &mut BytesMut, header: Header, body: &[u8]) {
    debug_assert!(!header.kind.has_head() || header.aux == 0, "a head is written by Builder");
    let len = u32::try_from(body.len()).expect("bodies are cut to frames of at most FRAME_MAX");
    out.reserve(HEADER + body.len());
    out.put_slice(&Header { len, ..header }.to_bytes());
    out.put_slice(body);
}

/// Writes one frame with a head: header first, head by [`Builder::fields`], then body; lengths are filled in at the end.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut BytesMut,
    start: usize,
    header: Header,
}

impl<'a> Builder<'a> {
    /// Begins a frame at the end of `out`.
    pub fn new(out: &'a mut BytesMut, kind: Kind, stream: u32) -> Self {
        debug_assert!(kind.has_head(), "{kind:?} has no head; use put_frame");
        let start = out.len();
        out.put_bytes(0, HEADER);
        let header = Header { len: 0, kind, flags: 0, code: 0, stream, aux: 0 };
        Self { out, start, header }
    }

    /// Sets flag bits.
    pub fn flags(mut self, flags: u8) -> Self {
        self.header.flags |= flags;
        self
    }

    /// Sets the code.
    pub fn code(mut self, code: u16) -> Self {
        self.header.code = code;
        self
    }

    /// Writes the head's pairs, after those of an earlier call.
    pub fn fields(self, write: impl FnOnce(&mut FieldsWriter<'_>)) -> Self {
        write(&mut FieldsWriter::from(self.out, self.start + HEADER));
        self
    }

    /// Appends the body and fills in the header. Returns the offset of the frame in the buffer.
    pub fn body(self, body: &[u8]) -> usize {
        let Self { out, start, mut header } = self;
        let head = out.len() - start - HEADER;
        header.aux = u32::try_from(head).expect("heads are limited far below 4 GiB");
        header.len = u32::try_from(head + body.len()).expect("bodies are cut to FRAME_MAX");
        out.put_slice(body);
        out[start..start + HEADER].copy_from_slice(&header.to_bytes());
        start
    }
}
