//! A body of lines, cut as it comes.

use axum::body::Body;
use bytes::{Buf as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::idempotency::same_text;
use crate::{body, parse::BODY_MAX, problem::Problem};

/// Lines of a body, from 1.
pub(crate) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How far the buffer was looked through.
    looked: usize,
    ended: bool,
    line: u64,
    bytes: u64,
    hash: Option<Sha256>,
}

/// A line, with its number; an overlong one has lost its end.
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: Bytes,
}

impl Line {
    pub(crate) fn is_too_long(&self) -> bool {
        self.text.len() > BODY_MAX
    }
}

impl Lines {
    pub(crate) fn new(body: Body, hashed: bool) -> Self {
        let hash = hashed.then(Sha256::new);
        Self { body, buffer: BytesMut::new(), looked: 0, ended: false, line: 0, bytes: 0, hash }
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of all lines so far.
    pub(crate) fn hash(&self) -> Option<Sha256> {
        self.hash.clone()
    }

    /// The next line that is not blank, as far as it is here already.
    pub(crate) fn at_hand(&mut self) -> Option<Line> {
        loop {
            let end = match memchr::memchr(b'\n', &self.buffer[self.looked..]) {
                Some(at) => self.looked + at,
                None if self.ended && !self.buffer.is_empty() => self.buffer.len(),
                None => {
                    self.looked = self.buffer.len();
                    return None;
                }
            };
            let mut text = self.buffer.split_to(end);
            self.buffer.advance(1.min(self.buffer.len()));
            self.looked = 0;
            self.line += 1;
            if text.last() == Some(&b'\r') {
                text.truncate(text.len() - 1);
            }
            if !text.iter().all(u8::is_ascii_whitespace) {
                if let Some(hash) = &mut self.hash {
                    hash.update(same_text(&text));
                    hash.update(b"\n");
                }
                return Some(Line { number: self.line, text: text.freeze() });
            }
        }
    }

    /// Reads more; `false` when there is no more.
    pub(crate) async fn more(&mut self) -> Result<bool, Problem> {
        if self.ended {
            return Ok(false);
        }
        match body::next(&mut self.body).await? {
            None => self.ended = true,
            Some(piece) => {
                self.bytes += piece.len() as u64;
                self.keep(&piece);
            }
        }
        Ok(true)
    }

    /// Of a line that is too long already, nothing more is kept up to its end.
    fn keep(&mut self, piece: &[u8]) {
        let unended = memchr::memchr(b'\n', &self.buffer[self.looked..]).is_none();
        let over = unended && self.buffer.len() > BODY_MAX;
        let from = match over {
            true => memchr::memchr(b'\n', piece).unwrap_or(piece.len()),
            false => 0,
        };
        self.buffer.extend_from_slice(&piece[from..]);
    }
}
