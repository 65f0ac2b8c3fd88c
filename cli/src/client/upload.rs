//! A request body that is a file, or what is still to come of a pipe.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::io::{AsyncRead as _, ReadBuf};

/// Bytes of one piece.
const PIECE: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Upload {
    first: Bytes,
    file: tokio::fs::File,
    room: Vec<u8>,
}

impl Upload {
    pub(super) fn new(first: Bytes, file: tokio::fs::File) -> Self {
        Self { first, file, room: vec![0; PIECE] }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        let mut room = ReadBuf::new(&mut this.room);
        let read = ready!(Pin::new(&mut this.file).poll_read(cx, &mut room));
        Poll::Ready(match read {
            Err(error) => Some(Err(error)),
            Ok(()) if room.filled().is_empty() => None,
            Ok(()) => Some(Ok(Frame::data(Bytes::copy_from_slice(room.filled())))),
        })
    }
}
