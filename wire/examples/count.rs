//! Writes and reads 100,000 requests and answers of a hello-world app, for an exact count of instructions:
//!
//! `cargo build --release -p ostler-wire --example count && valgrind --tool=callgrind target/release/examples/count`

use std::hint::black_box;

use bytes::BytesMut;
use ostler_wire::{Builder, Decoder, FRAME_MAX, FieldsWriter, Kind, flags};

/// Exchanges that are counted; an exchange is a request written and read, and its answer written and read.
const EXCHANGES: u32 = 100_000;

#[expect(clippy::print_stdout, reason = "its output is for a person")]
fn main() {
    let mut to_child = Decoder::new(FRAME_MAX);
    let mut to_gateway = Decoder::new(FRAME_MAX);
    let mut bytes = 0;
    for stream in 1..=EXCHANGES {
        write_request(to_child.buffer(), stream);
        bytes += read(&mut to_child);
        write_answer(to_gateway.buffer(), stream);
        bytes += read(&mut to_gateway);
    }
    println!("{EXCHANGES} exchanges, {bytes} bytes of names and values");
}

/// What curl asks of a hello-world app.
const REQUEST: &[(&[u8], &[u8])] = &[
    (b":id", b"01hv3x5q9g8b7c6d"),
    (b":scheme", b"http"),
    (b":queue_us", b"0000000042"),
    (b":deadline_ms", b"30000"),
    (b"REQUEST_METHOD", b"GET"),
    (b"SCRIPT_NAME", b""),
    (b"PATH_INFO", b"/"),
    (b"QUERY_STRING", b""),
    (b"REQUEST_URI", b"/"),
    (b"RAW_URI", b"/"),
    (b"SERVER_PROTOCOL", b"HTTP/1.1"),
    (b"SERVER_NAME", b"127.0.0.1"),
    (b"SERVER_PORT", b"8080"),
    (b"REMOTE_ADDR", b"127.0.0.1"),
    (b"REMOTE_PORT", b"51234"),
    (b"HTTP_HOST", b"127.0.0.1:8080"),
    (b"HTTP_USER_AGENT", b"curl/7.88.1"),
    (b"HTTP_ACCEPT", b"*/*"),
    (b"HTTP_X_REQUEST_ID", b"01hv3x5q9g8b7c6d"),
    (b"HTTP_X_REQUEST_START", b"t=1700000000000000"),
];

const ANSWER: &[(&[u8], &[u8])] =
    &[(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", b"12")];

fn write_request(out: &mut BytesMut, stream: u32) {
    Builder::new(out, Kind::Req, stream).flags(flags::END).fields(|f| put(f, REQUEST)).body(b"");
}

fn write_answer(out: &mut BytesMut, stream: u32) {
    let builder = Builder::new(out, Kind::Rsp, stream).flags(flags::END).code(200);
    builder.fields(|f| put(f, ANSWER)).body(b"hello world\n");
}

fn put(fields: &mut FieldsWriter<'_>, pairs: &[(&[u8], &[u8])]) {
    for (name, value) in black_box(pairs) {
        fields.put(name, value);
    }
}

fn read(decoder: &mut Decoder) -> usize {
    let frame = decoder.poll_frame().expect("our own frames are right").expect("a whole frame");
    let fields = frame.fields().expect("our own heads are pairs");
    fields.map(|(name, value)| black_box(name).len() + black_box(value).len()).sum()
}
