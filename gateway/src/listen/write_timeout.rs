//! Backpressure on a client that takes nothing: its socket is given up; and at the end one that still sends is waited for.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;

use crate::connection::Ending;

/// A client takes at least this in the time of the limit, or is given up: a byte now and then is no progress.
const TAKES_MIN: usize = 4 << 10;
/// How long a closing connection reads what nobody wants: at most, and without a byte coming. A client on its way through a large
/// upload hears of its end only so; a socket that is closed under it takes the reply back.
const LINGER: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(5);

/// A socket, whatever is spoken on it.
pub(super) trait Socket {
    /// Sends no proper end when it is closed.
    fn abort(&self);
}

impl Socket for TcpStream {
    fn abort(&self) {
        // Without it the socket is closed as ever.
        let _ = self.set_zero_linger();
    }
}

impl<T: Socket> Socket for TlsStream<T> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct WriteTimeout<T: Socket> {
    io: T,
    write_limit: Duration,
    /// Runs from the first write that is blocked until the client has taken [`TAKES_MIN`] or all there is.
    blocked: Option<Pin<Box<Sleep>>>,
    taken: usize,
    ending: Arc<Ending>,
    lingering: Option<Lingering>,
}

#[derive(Debug)]
struct Lingering {
    total: Pin<Box<Sleep>>,
    quiet: Pin<Box<Sleep>>,
    /// Something is known to be coming, or has come.
    expects: bool,
}

impl Lingering {
    fn begin(expects: bool) -> Self {
        Self { total: Box::pin(sleep(LINGER)), quiet: Box::pin(sleep(QUIET)), expects }
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        !self.expects
            || self.total.as_mut().poll(cx).is_ready()
            || self.quiet.as_mut().poll(cx).is_ready()
    }

    fn came(&mut self) {
        self.expects = true;
        self.quiet.as_mut().reset(Instant::now() + QUIET);
    }
}

impl<T: Socket> WriteTimeout<T> {
    pub(super) fn new(io: T, write_limit: Duration, ending: Arc<Ending>) -> Self {
        Self { io, write_limit, blocked: None, taken: 0, ending, lingering: None }
    }

    fn watch<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
        bytes: impl FnOnce(&R) -> usize,
    ) -> Poll<io::Result<R>> {
        if let Poll::Ready(result) = &written {
            self.taken = self.taken.saturating_add(result.as_ref().map_or(0, bytes));
            if self.blocked.is_none() || self.taken >= TAKES_MIN {
                self.blocked = None;
                self.taken = 0;
            }
            return written;
        }
        let limit = self.write_limit;
        let timer = self.blocked.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: Socket> Drop for WriteTimeout<T> {
    fn drop(&mut self) {
        if self.ending.abort.load(Ordering::Relaxed) {
            self.io.abort();
        }
    }
}

impl<T: Socket + AsyncRead + Unpin> AsyncRead for WriteTimeout<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, out)
    }
}

impl<T: Socket + AsyncRead + AsyncWrite + Unpin> AsyncWrite for WriteTimeout<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watch(cx, written, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.watch(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        // Only asked for when all that there was is written.
        self.watch(cx, flushed, |()| usize::MAX)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            let shut = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.watch(cx, shut, |()| usize::MAX))?;
            this.lingering = Some(Lingering::begin(this.ending.linger.load(Ordering::Relaxed)));
        }
        let Some(lingering) = &mut this.lingering else { return Poll::Ready(Ok(())) };
        loop {
            let mut bytes = [0; 4096];
            let mut bytes = ReadBuf::new(&mut bytes);
            // Input that is there already counts, whether it was expected or not.
            match Pin::new(&mut this.io).poll_read(cx, &mut bytes) {
                Poll::Ready(Ok(())) if !bytes.filled().is_empty() => lingering.came(),
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if lingering.is_over(cx) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
            // Bytes that never stop coming leave the timers no turn otherwise.
            if lingering.total.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    impl Socket for DuplexStream {
        fn abort(&self) {}
    }

    fn limited(limit: Duration) -> (WriteTimeout<DuplexStream>, DuplexStream) {
        let (ours, client) = duplex(16);
        (WriteTimeout::new(ours, limit, Arc::default()), client)
    }

    #[tokio::test]
    async fn a_client_that_takes_a_byte_now_and_then_is_given_up_like_one_that_takes_none() {
        let (mut limited, mut client) = limited(Duration::from_millis(500));
        let nibble = tokio::spawn(async move {
            let mut byte = [0];
            while client.read_exact(&mut byte).await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        // At that pace it would take 20 seconds.
        let error = limited.write_all(&[0; 2000]).await.expect_err("it is given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(limited);
        nibble.await.expect("it ends");
        let (mut limited, client) = self::limited(Duration::from_millis(50));
        let error = limited.write_all(&[0; 2000]).await.expect_err("it is given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_takes_what_there_is_gets_all_of_it() {
        let (mut limited, mut client) = limited(Duration::from_secs(60));
        let taken = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.map(|_| all.len())
        });
        limited.write_all(&[0; 100_000]).await.expect("it reads");
        limited.shutdown().await.expect("it reads");
        drop(limited);
        assert_eq!(taken.await.expect("it ends").expect("it reads"), 100_000);
    }

    #[tokio::test]
    async fn a_connection_lingers_only_when_something_may_still_come() {
        for (lingers, sent) in [(false, false), (true, false), (false, true)] {
            let (mut limited, mut client) = limited(Duration::from_secs(60));
            limited.ending.linger.store(lingers, Ordering::Relaxed);
            if sent {
                client.write_all(b"unread").await.expect("there is room");
            }
            let closed = std::future::poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut limited).poll_shutdown(cx).is_ready())
            });
            assert_eq!(closed.await, !lingers && !sent, "{lingers} {sent}");
            drop(client);
            limited.shutdown().await.expect("the client is gone");
        }
    }

    /// A client that never stops sending, and is always there.
    struct Endless(usize);

    /// More than are read until the time is over.
    const READS: usize = 5_000_000;

    impl Socket for Endless {
        fn abort(&self) {}
    }

    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            // As a socket does it: now and then others get a turn.
            ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
            self.0 += 1;
            out.put_slice(if self.0 < READS { b"more" } else { b"" });
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn whoever_never_stops_sending_holds_a_closing_connection_for_its_time_only() {
        let mut limited = WriteTimeout::new(Endless(0), Duration::from_secs(60), Arc::default());
        let total = Box::pin(sleep(Duration::from_millis(20)));
        limited.lingering = Some(Lingering { total, ..Lingering::begin(true) });
        limited.shutdown().await.expect("it ends");
        assert!(limited.io.0 < READS);
    }

    #[tokio::test]
    async fn head_and_body_go_out_in_one_write_whatever_stands_before_the_socket() {
        use ostler_heads::{
            http1::{guard::Guard, scan::Bounds},
            http2::trailers,
        };
        let parts = [io::IoSlice::new(b"head"), io::IoSlice::new(b"body")];
        let minute = Duration::from_secs(60);
        let (io, _client) = limited(minute);
        let bounds = Bounds { bytes: 1 << 10, fields: 10, target: 100 };
        let mut http1 = Guard::new(io, bounds, minute, Arc::default());
        assert!(http1.is_write_vectored());
        assert_eq!(http1.write_vectored(&parts).await.expect("there is room"), 8);
        let (io, _client) = limited(minute);
        let mut http2 = trailers::Guard::new(io);
        assert!(http2.is_write_vectored());
        assert_eq!(http2.write_vectored(&parts).await.expect("there is room"), 8);
    }
}
