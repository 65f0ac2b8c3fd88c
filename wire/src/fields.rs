//! Heads: `name NUL value NUL name NUL value`, no NUL at the end.

use bytes::{BufMut, BytesMut};
use memchr::memchr;

use crate::WireError;

/// The pairs of a head, in order. Made by [`Fields::parse`], which proved that they are pairs.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Reads a head; an odd number of parts is an error.
    pub fn parse(head: &'a [u8]) -> Result<Self, WireError> {
        if head.is_empty() {
            return Ok(Self { rest: None });
        }
        let parts = memchr::memchr_iter(0, head).count() + 1;
        if parts.is_multiple_of(2) {
            Ok(Self { rest: Some(head) })
        } else {
            Err(WireError::OddHead)
        }
    }

    /// The first value of a name.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.clone().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The first value of a name as text; `None` when absent or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name.as_bytes()).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// All values of a name as texts, in order. One that is not UTF-8 is a text that says nothing, so that whoever reads it
    /// finds it wrong and not absent.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        let values = self.clone().filter(|(n, _)| *n == name.as_bytes());
        values.map(|(_, value)| std::str::from_utf8(value).unwrap_or("\u{fffd}")).collect()
    }

    /// The first value of a name as a decimal number; digits only.
    pub fn number(&self, name: &str) -> Option<u64> {
        let digits = self.text(name).filter(|v| v.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let name_end = memchr(0, rest).expect("parse counted an even number of parts");
        let (name, after) = (&rest[..name_end], &rest[name_end + 1..]);
        let (value, rest) = match memchr(0, after) {
            Some(end) => (&after[..end], Some(&after[end + 1..])),
            None => (after, None),
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// Whether a name or value can travel in a head and in HTTP: no NUL, CR or LF.
pub fn valid_value(value: &[u8]) -> bool {
    memchr::memchr3(0, b'\r', b'\n', value).is_none()
}

/// Appends pairs to a head that ends a buffer.
#[derive(Debug)]
pub struct FieldsWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl<'a> FieldsWriter<'a> {
    /// A head that begins at the buffer's end.
    pub fn new(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// A head that began at `start` and ends the buffer.
    pub(crate) fn from(out: &'a mut BytesMut, start: usize) -> Self {
        debug_assert!(start <= out.len(), "a head begins within its buffer");
        Self { out, start }
    }

    /// Appends a pair.
    ///
    /// The caller has checked foreign bytes with [`valid_value`]; a NUL here is our own fault and panics in debug.
    pub fn put(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.put_parts(&[name], &[value])
    }

    /// Appends a pair whose name and value come in parts.
    pub fn put_parts(&mut self, name: &[&[u8]], value: &[&[u8]]) -> &mut Self {
        debug_assert!(name.iter().chain(value).all(|part| memchr(0, part).is_none()));
        if self.out.len() > self.start {
            self.out.put_u8(0);
        }
        name.iter().for_each(|part| self.out.extend_from_slice(part));
        self.out.put_u8(0);
        value.iter().for_each(|part| self.out.extend_from_slice(part));
        self
    }

    /// Appends to the value that was put last.
    pub fn extend(&mut self, value: &[&[u8]]) -> &mut Self {
        debug_assert!(!self.is_empty(), "a value is extended after its pair was put");
        debug_assert!(value.iter().all(|part| memchr(0, part).is_none()));
        value.iter().for_each(|part| self.out.extend_from_slice(part));
        self
    }

    /// The head's length so far in bytes.
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
