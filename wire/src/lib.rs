//! Turns messages into frames and back, refusing what it does not understand.
//!
//! One protocol serves gateway, runner and children; `docs/WIRE.md` is its normative text. This crate deliberately
//! lacks sockets, threads and time: bytes go in, frames and errors come out. It is separate so that both ends are
//! tested against the same vectors and so that any split of a byte stream can be tried without a kernel.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod decode;
mod encode;
mod error;
mod fields;
mod frame;
mod kind;
pub mod message;
mod streams;

pub use decode::Decoder;
pub use encode::{Builder, put_frame};
pub use error::WireError;
pub use fields::{Fields, FieldsWriter, valid_value};
pub use frame::{Frame, Header, Reset, flags};
pub use kind::Kind;
pub use streams::{Event, Streams};

/// The newest version of the protocol that this build speaks.
pub const VERSION: u16 = 1;
/// The frame size either side may use unless a smaller one was agreed, in bytes after the header.
pub const FRAME_MAX: u32 = 1 << 20;
/// The size no agreement may exceed, in bytes after the header.
pub const FRAME_CAP: u32 = 16 << 20;
/// How much of a body travels in one DATA frame unless there is a reason for less, in bytes.
pub const DATA_CHUNK: usize = 64 << 10;
/// The credit that each direction of a stream begins with on a lane of several streams, in bytes.
pub const WINDOW: u32 = 256 << 10;
/// The size of a frame header in bytes.
pub const HEADER: usize = 16;
