//! HTTP/2 frames written by hand, for what no proper client would send.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::wait::DEADLINE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// The largest payload of a frame that every peer takes.
const FRAME_MAX: usize = 16 << 10;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// How the server took a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Answered with this status.
    Status(u16),
    /// The stream was reset, with this error code.
    Reset(u32),
    /// The connection was ended, with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// A connection whose frames are made by hand.
#[derive(Debug)]
pub struct RawH2 {
    socket: TcpStream,
}

impl RawH2 {
    /// Connects and sends the preface.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the door is open");
        socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
        socket.set_nodelay(true).expect("a socket option can be set");
        let mut raw = Self { socket };
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        raw.frame(SETTINGS, 0, 0, &[]);
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        // A server that has closed already is the reader's to notice.
        let _ = self.socket.write_all(bytes);
    }

    /// Sends one frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = u32::try_from(payload.len()).expect("a test's frame is small").to_be_bytes();
        let mut frame = vec![len[1], len[2], len[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.send(&frame);
    }

    /// Sends a head with these fields as they are, and ends the stream.
    pub fn headers(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.head(END_STREAM, stream, fields);
    }

    /// Sends a head and leaves the body open.
    pub fn open(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.head(0, stream, fields);
    }

    fn head(&mut self, flags: u8, stream: u32, fields: &[(&str, &str)]) {
        let block = hpack(fields);
        let frames = block.len().div_ceil(FRAME_MAX);
        for (index, piece) in block.chunks(FRAME_MAX).enumerate() {
            let (kind, flags) = if index == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
            let last = if index + 1 == frames { END_HEADERS } else { 0 };
            self.frame(kind, flags | last, stream, piece);
        }
    }

    /// Sends DATA.
    pub fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.frame(DATA, if end { END_STREAM } else { 0 }, stream, bytes);
    }

    /// Sends RST_STREAM with CANCEL.
    pub fn cancel(&mut self, stream: u32) {
        self.frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }

    /// Waits until the server has said what becomes of a stream.
    pub fn ending(&mut self, stream: u32) -> Ending {
        loop {
            let mut header = [0; 9];
            if self.socket.read_exact(&mut header).is_err() {
                return Ending::Closed;
            }
            let [a, b, c, kind, flags, ids @ ..] = header;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            if self.socket.read_exact(&mut payload).is_err() {
                return Ending::Closed;
            }
            let code = |at: usize| {
                let bytes = payload.get(at..at + 4).expect("the frame has an error code");
                u32::from_be_bytes(bytes.try_into().expect("four bytes"))
            };
            match (kind, u32::from_be_bytes(ids)) {
                (SETTINGS, _) if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
                (PING, _) if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload),
                (GOAWAY, _) if code(4) != 0 => return Ending::GoAway(code(4)),
                (RST_STREAM, id) if id == stream => return Ending::Reset(code(0)),
                (HEADERS, id) if id == stream => return Ending::Status(status(&payload)),
                _ => {}
            }
        }
    }
}

/// The fields as literals that nobody remembers (RFC 7541 6.2.2).
fn hpack(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            put_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 5.1).
fn put_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).expect("less than 127"));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).expect("less than 256"));
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("less than 128"));
}

/// The status, which comes first in a block.
fn status(block: &[u8]) -> u16 {
    // A change of the table's size may come before it.
    let at = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap_or(block.len());
    match block[at..] {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        // A literal whose name is the static table's 8th.
        [0x08 | 0x48, length, ref rest @ ..] => {
            let value = &rest[..usize::from(length & 0x7f).min(rest.len())];
            if length & 0x80 == 0 { plain_digits(value) } else { huffman_digits(value) }
        }
        _ => 0,
    }
}

fn plain_digits(text: &[u8]) -> u16 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Digits in the code of RFC 7541 B: 0 to 2 take five bits, 3 to 9 take six.
fn huffman_digits(code: &[u8]) -> u16 {
    let bits: Vec<u16> =
        code.iter().flat_map(|b| (0..8).rev().map(move |i| u16::from(b >> i & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum << 1 | bit);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let Some(short) = bits.get(at..at + 5).map(number) else { return 0 };
        if short <= 2 {
            (at, value) = (at + 5, value * 10 + short);
        } else {
            let Some(long) = bits.get(at..at + 6).map(number) else { return 0 };
            (at, value) = (at + 6, value * 10 + long.wrapping_sub(22));
        }
    }
    value
}
