//! The I/O task of a carrier, called its driver (the crate `driver` is another thing): reads answers, writes what could not be written at once.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use ostler_machine::clock;
use ostler_wire::{Decoder, Frame, WireError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::carrier::{Carrier, Ended};

/// Room that is made for each read, in bytes.
const ROOM: usize = 32 << 10;

/// Why a carrier came to its end.
#[derive(Debug)]
pub enum CloseReason {
    /// The other side closed it.
    Closed,
    /// The other side broke a rule.
    Broken(WireError),
    /// The socket failed.
    Failed(io::Error),
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Broken(error) => write!(f, "protocol error: {error}"),
            Self::Failed(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the connection ended")
            }
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// Moves bytes until the end; the decoder may hold some that came before. `settle` is called with what each batch of frames ended.
pub async fn drive<R, W>(
    carrier: &Arc<Carrier>,
    mut decoder: Decoder,
    mut reader: R,
    mut writer: Option<W>,
    mut settle: impl FnMut(Ended, Vec<Frame>),
) -> CloseReason
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut writing = BytesMut::new();
    poll_fn(|cx| {
        loop {
            let paused = carrier.poll_paused(cx);
            if let Poll::Ready(over) = poll_write(carrier, writer.as_mut(), &mut writing, cx) {
                return Poll::Ready(over);
            }
            if carrier.is_finished() {
                return Poll::Ready(CloseReason::Closed);
            }
            if paused {
                return Poll::Pending;
            }
            match ready!(poll_read(&mut reader, decoder.buffer(), cx)) {
                Ok(0) => return Poll::Ready(CloseReason::Closed),
                Ok(_) => {}
                Err(error) => return Poll::Ready(CloseReason::Failed(error)),
            }
            let (mut ended, mut control) = (Ended::default(), Vec::new());
            let handled =
                carrier.handle_frames(&mut decoder, clock::now(), &mut ended, &mut control);
            settle(ended, control);
            if let Err(error) = handled {
                return Poll::Ready(CloseReason::Broken(error));
            }
        }
    })
    .await
}

fn poll_read<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() - buffer.len() < ROOM / 8 {
        buffer.reserve(ROOM);
    }
    pin!(reader.read_buf(buffer)).poll(cx)
}

use std::future::Future as _;

/// A lane is written by whoever has something for it, here only what was left; a link is written here alone.
fn poll_write<W: AsyncWrite + Unpin>(
    carrier: &Arc<Carrier>,
    writer: Option<&mut W>,
    writing: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<CloseReason> {
    let Some(writer) = writer else {
        carrier.poll_write_lane(cx);
        return Poll::Pending;
    };
    loop {
        if writing.is_empty() {
            *writing = carrier.take_out();
        }
        if writing.is_empty() {
            return match Pin::new(&mut *writer).poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(CloseReason::Failed(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            };
        }
        match ready!(Pin::new(&mut *writer).poll_write(cx, writing)) {
            Ok(0) => return Poll::Ready(CloseReason::Closed),
            Ok(sent) => writing.advance(sent),
            Err(error) => return Poll::Ready(CloseReason::Failed(error)),
        }
    }
}
