//! Frames over sockets: reading one at a time, and a queue that writes them in order.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    rc::Rc,
};

use bytes::Bytes;
use ostler_process::fds;
use ostler_wire::{Decoder, FRAME_MAX, Frame, Header, Kind, WireError};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::{Notify, mpsc, oneshot},
};

/// Frames that wait to be written to one socket, at most. A reader that is this far behind is stuck.
const OUTBOX_MAX: usize = 1024;
/// Frames that may wait before those hold back that can wait with their owner.
const OUTBOX_BUSY: usize = 64;
/// How much is read at once.
const READ_CHUNK: usize = 64 << 10;

/// Why a connection's frames ended.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The connection broke.
    #[error("{}", if .0.kind() == io::ErrorKind::UnexpectedEof { "the connection ended".into() } else { .0.to_string() })]
    Io(io::Error),
    /// The other side broke the protocol.
    #[error(transparent)]
    Wire(WireError),
    /// It ended in the middle of a frame.
    #[error("the connection ended in the middle of a frame")]
    Cut,
}

/// Reads frames from anything that bytes come from.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    from: R,
    decoder: Decoder,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, decoder: Decoder::new(FRAME_MAX) }
    }

    /// The next frame; `None` when the other side ended between two. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.decoder.poll_frame().map_err(ReadError::Wire)? {
                return Ok(Some(frame));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The same; `heard` is told of whatever comes: a large frame takes a while on a slow link.
    pub(crate) async fn next_heard(
        &mut self,
        heard: impl Fn(),
    ) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.decoder.poll_frame().map_err(ReadError::Wire)? {
                return Ok(Some(frame));
            }
            if !self.read().await? {
                return Ok(None);
            }
            heard();
        }
    }

    /// Some more bytes; `false`: there are no more.
    async fn read(&mut self) -> Result<bool, ReadError> {
        let buffer = self.decoder.buffer();
        buffer.reserve(READ_CHUNK);
        let read = self.from.read_buf(buffer).await.map_err(ReadError::Io)?;
        match read {
            0 if self.decoder.is_between_frames() => Ok(false),
            0 => Err(ReadError::Cut),
            _ => Ok(true),
        }
    }
}

/// Something to write.
#[derive(Debug)]
enum Outgoing {
    /// Frames, with a descriptor attached to their first byte.
    Frames(Bytes, Option<OwnedFd>),
    /// Everything before this was written.
    Flushed(oneshot::Sender<()>),
}

/// The queue to a socket. It never waits: whoever falls [`OUTBOX_MAX`] frames behind is refused.
#[derive(Clone, Debug)]
pub(crate) enum Outbox {
    /// To a Unix socket.
    Unix(UnixOutbox),
    /// To a gateway elsewhere, between the frames of its streams.
    Shared(Rc<dyn SharedLink>),
}

/// A link that carries streams too, as an [`Outbox`] needs it.
pub(crate) trait SharedLink: fmt::Debug {
    /// Ends the link.
    fn close(&self);
    /// Queues a frame; `false` when the other side is stuck or gone.
    fn send(&self, frame: &Bytes) -> bool;
    /// Whether it has ended.
    fn is_over(&self) -> bool;
    /// Whether the other side keeps up.
    fn has_room(&self) -> bool;
    /// Waits until something was written.
    fn room(&self) -> LocalFuture<'_>;
    /// Waits until everything queued so far was handed to the kernel, or cannot be any more.
    fn flush(&self) -> LocalFuture<'_>;
}

/// What a [`SharedLink`] waits for.
pub(crate) type LocalFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The queue to a Unix socket, which takes descriptors too.
#[derive(Clone, Debug)]
pub(crate) struct UnixOutbox {
    queue: mpsc::Sender<Outgoing>,
    /// Something was written.
    room: Rc<Notify>,
    /// The link is of no more use to its owner.
    closed: Rc<Notify>,
}

impl Outbox {
    /// A queue, and the writer that empties it into a Unix socket until either is gone.
    pub(crate) fn over_unix(
        socket: OwnedWriteHalf,
    ) -> (Self, impl Future<Output = io::Result<()>>) {
        let (queue, receiver) = mpsc::channel(OUTBOX_MAX);
        let (room, closed) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let writing = write_unix(receiver, socket, Rc::clone(&room));
        (Self::Unix(UnixOutbox { queue, room, closed }), writing)
    }

    /// Ends the link, which is then dialled anew. Nothing that comes on it counts any more.
    pub(crate) fn close(&self) {
        match self {
            Self::Unix(unix) => unix.closed.notify_one(),
            Self::Shared(link) => link.close(),
        }
    }

    /// Waits until its owner has closed the link.
    pub(crate) async fn closed(&self) {
        match self {
            Self::Unix(unix) => unix.closed.notified().await,
            // The link's own tasks notice.
            Self::Shared(_) => std::future::pending().await,
        }
    }

    /// Waits until something was written.
    pub(crate) async fn room(&self) {
        match self {
            Self::Unix(unix) => unix.room.notified().await,
            Self::Shared(link) => link.room().await,
        }
    }

    /// Queues a frame; `false` when the other side is stuck or gone.
    pub(crate) fn send(&self, frame: Bytes, fd: Option<OwnedFd>) -> bool {
        match self {
            Self::Unix(unix) => unix.queue.try_send(Outgoing::Frames(frame, fd)).is_ok(),
            Self::Shared(link) => {
                debug_assert!(fd.is_none(), "no descriptor leaves the host");
                link.send(&frame)
            }
        }
    }

    /// Why a frame was not taken. `None`: the link is over, and tells itself why, which is on its way to its owner.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Unix(unix) if unix.queue.is_closed() => Some("it closed the connection"),
            Self::Shared(link) if link.is_over() => None,
            Self::Unix(_) | Self::Shared(_) => Some("it reads nothing any more"),
        }
    }

    /// Whether the other side keeps up. Whoever can wait asks before it sends.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Self::Unix(unix) => unix.queue.capacity() > OUTBOX_MAX - OUTBOX_BUSY,
            Self::Shared(link) => link.has_room(),
        }
    }

    /// Waits until everything queued so far was handed to the kernel, or cannot be any more.
    pub(crate) async fn flush(&self) {
        let queue = match self {
            Self::Unix(unix) => &unix.queue,
            Self::Shared(link) => return link.flush().await,
        };
        let (done, flushed) = oneshot::channel();
        if queue.send(Outgoing::Flushed(done)).await.is_ok() {
            // An error means that the writer is gone, and with it what there was to wait for.
            let _ = flushed.await;
        }
    }
}

async fn write_unix(
    mut queue: mpsc::Receiver<Outgoing>,
    mut socket: OwnedWriteHalf,
    room: Rc<Notify>,
) -> io::Result<()> {
    while let Some(outgoing) = queue.recv().await {
        match outgoing {
            Outgoing::Frames(bytes, None) => socket.write_all(&bytes).await?,
            Outgoing::Frames(bytes, Some(fd)) => {
                let sent = send_with_fd(socket.as_ref(), &bytes, &fd).await?;
                socket.write_all(&bytes[sent..]).await?;
            }
            Outgoing::Flushed(done) => drop(done.send(())),
        }
        room.notify_one();
    }
    Ok(())
}

/// Sends the first bytes of a frame together with its descriptor.
async fn send_with_fd(socket: &UnixStream, bytes: &[u8], fd: &OwnedFd) -> io::Result<usize> {
    loop {
        socket.writable().await?;
        let sent = socket
            .try_io(Interest::WRITABLE, || Ok(fds::send(socket.as_fd(), bytes, &[fd.as_fd()])?));
        match sent {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

/// A frame with a head, as foreign hands write it.
#[cfg(test)]
pub(crate) fn frame(
    kind: Kind,
    flags: u8,
    code: u16,
    fields: impl FnOnce(&mut ostler_wire::FieldsWriter<'_>),
    body: &[u8],
) -> Bytes {
    let mut out = bytes::BytesMut::new();
    ostler_wire::Builder::new(&mut out, kind, 0).flags(flags).code(code).fields(fields).body(body);
    out.freeze()
}

/// A frame of a header alone.
pub(crate) fn plain(kind: Kind, code: u16, aux: u32) -> Bytes {
    let header = Header { len: 0, kind, flags: 0, code, stream: 0, aux };
    Bytes::copy_from_slice(&header.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_that_comes_slowly_is_no_silence() {
        let (mut there, here) = tokio::io::duplex(1);
        let mut frames = FrameReader::new(here);
        let slow = frame(Kind::Piece, 0, 0, |_| {}, &[7; 12]);
        let sent = slow.clone();
        tokio::spawn(async move {
            // The pipe takes one byte at a time.
            there.write_all(&sent).await.unwrap();
            std::future::pending::<()>().await;
        });
        let heard = std::cell::Cell::new(0);
        let hear = || heard.set(heard.get() + 1);
        let came = frames.next_heard(hear).await.unwrap().expect("a frame");
        assert_eq!(came.body, [7; 12][..]);
        assert_eq!(heard.get(), slow.len(), "each byte was heard");
    }
}
