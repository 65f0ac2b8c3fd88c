//! Stands between a socket and hyper: only requests that `scan` has passed get through.
//!
//! A refused head is replaced by a harmless one, and the connection's [`Notes`] say which request that is. So the
//! refusal is answered in its turn by the ordinary path, logged and counted, and nothing after it is read.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{
    chunked::Chunked,
    scan::{self, Bounds, Framing, Heard, Progress, Refused},
};

/// What the guard tells the connection's service.
#[derive(Debug, Default)]
pub struct Notes {
    served: AtomicU64,
    refused: Mutex<Option<(u64, Refused, Heard)>>,
    /// A head has begun and is not whole.
    half: AtomicBool,
}

impl Notes {
    /// Counts a request that hyper hands over. The refusal, when it stands for a refused one.
    pub fn next_request(&self) -> Option<(Refused, Heard)> {
        let this = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        let mut refused = self.refused.lock().expect("no code panics while it holds the notes");
        refused
            .take_if(|(request, ..)| *request == this)
            .map(|(_, refused, heard)| (refused, heard))
    }

    /// Whether a request has begun that hyper does not know of yet.
    pub fn is_half(&self) -> bool {
        self.half.load(Ordering::Relaxed)
    }
}

/// An end of the time that is noticed so late has passed while this process stood still.
const STOOD_STILL: Duration = Duration::from_millis(100);
/// For a socket to be seen then.
const READING: Duration = Duration::from_millis(20);

/// What hyper reads instead of a refused request, and instead of one whose answer must have no body.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
const STAND_IN_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

#[derive(Debug)]
enum State {
    Head(Progress),
    Length(u64),
    Chunked(Chunked),
    /// A head was refused: the rest of the input is of no interest.
    Refused,
    /// A body is malformed: what came before it still goes to hyper, so that its request is answered.
    Broken(&'static str),
}

/// See the module.
#[derive(Debug)]
pub struct Guard<T> {
    io: T,
    bounds: Bounds,
    notes: Arc<Notes>,
    state: State,
    heads: u64,
    /// A head that is not whole yet, or what did not fit into hyper's buffer.
    held: BytesMut,
    /// How much of `held` has been passed.
    passed: usize,
    /// Time for a head, from its first byte.
    limit: Duration,
    /// Runs while a head is not whole.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Guard<T> {
    /// Guards a connection whose heads have so long to come.
    pub fn new(io: T, bounds: Bounds, limit: Duration, notes: Arc<Notes>) -> Self {
        let state = State::Head(Progress::default());
        let held = BytesMut::new();
        Self { io, bounds, notes, state, heads: 0, held, passed: 0, limit, timer: None }
    }

    /// Ends a head that does not come to its end.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let half = matches!(self.state, State::Head(_)) && self.held.len() > self.passed;
        self.notes.half.store(half, Ordering::Relaxed);
        if !half {
            self.timer = None;
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        ready!(timer.as_mut().poll(cx));
        if timer.deadline().elapsed() > STOOD_STILL {
            // Timers are seen before sockets then: what came meanwhile is read first.
            timer.as_mut().reset(Instant::now() + READING);
            ready!(timer.as_mut().poll(cx));
        }
        let reason = "the request head did not come in time";
        self.refuse(Refused { status: StatusCode::REQUEST_TIMEOUT, reason });
        Poll::Ready(())
    }

    /// Finds out how many bytes of `held` may pass.
    fn scan(&mut self) {
        while self.passed < self.held.len() {
            let fresh = &self.held[self.passed..];
            match &mut self.state {
                State::Head(progress) => match scan::resume(fresh, self.bounds, progress) {
                    Ok(None) => return,
                    Ok(Some((len, framing))) => {
                        self.heads += 1;
                        self.passed += len;
                        self.state = match framing {
                            Framing::Length(0) => State::Head(Progress::default()),
                            Framing::Length(length) => State::Length(length),
                            Framing::Chunked => State::Chunked(Chunked::START),
                        };
                    }
                    Err(refused) => self.refuse(refused),
                },
                State::Length(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(fresh.len());
                    self.passed += step;
                    *left -= step as u64;
                    if *left == 0 {
                        self.state = State::Head(Progress::default());
                    }
                }
                State::Chunked(chunked) => match chunked.follow(fresh) {
                    Ok(len) => {
                        self.passed += len;
                        if *chunked == Chunked::Done {
                            self.state = State::Head(Progress::default());
                        }
                    }
                    Err(problem) => {
                        self.held.truncate(self.passed);
                        self.state = State::Broken(problem);
                    }
                },
                State::Refused | State::Broken(_) => return,
            }
        }
    }

    fn refuse(&mut self, refused: Refused) {
        let heard = scan::hear(&self.held[self.passed..]);
        self.held.truncate(self.passed);
        let stand_in = if heard.method == "HEAD" { STAND_IN_HEAD } else { STAND_IN };
        self.held.extend_from_slice(stand_in);
        self.passed = self.held.len();
        self.state = State::Refused;
        self.timer = None;
        let mut note = self.notes.refused.lock().expect("no code panics while it holds the notes");
        *note = Some((self.heads + 1, refused, heard));
    }

    fn pass(&mut self, out: &mut ReadBuf<'_>) {
        let n = self.passed.min(out.remaining());
        out.put_slice(&self.held[..n]);
        self.held.advance(n);
        self.passed -= n;
        // An idle connection keeps no buffer.
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// The common case: whole requests arrive, and go straight into hyper's buffer.
    fn poll_straight(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, out))?;
        let came = out.filled().len() - before;
        if came == 0 {
            return Poll::Ready(Ok(0));
        }
        match (&mut self.state, &out.filled()[before..]) {
            (State::Length(left), bytes) if (bytes.len() as u64) < *left => {
                *left -= bytes.len() as u64;
            }
            (State::Head(_), bytes) => match scan::head(bytes, self.bounds) {
                Ok(Some((len, Framing::Length(0)))) if len == bytes.len() => self.heads += 1,
                _ => self.take_back(before, out),
            },
            _ => self.take_back(before, out),
        }
        Poll::Ready(Ok(came))
    }

    /// Anything less common is held and looked at piece by piece.
    fn take_back(&mut self, before: usize, out: &mut ReadBuf<'_>) {
        self.held.extend_from_slice(&out.filled()[before..]);
        out.set_filled(before);
        self.scan();
        self.pass(out);
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [std::mem::MaybeUninit::uninit(); 4096];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk))?;
        let came = chunk.filled().len();
        if !matches!(self.state, State::Refused) {
            self.held.extend_from_slice(chunk.filled());
            self.scan();
        }
        Poll::Ready(Ok(came))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        loop {
            if this.passed > 0 {
                this.pass(out);
            }
            if out.filled().len() > before || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let State::Broken(problem) = this.state {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, problem)));
            }
            let came = match this.held.is_empty() && !matches!(this.state, State::Refused) {
                true => this.poll_straight(cx, out)?,
                false => this.poll_held(cx)?,
            };
            let came = match came {
                Poll::Ready(came) => came,
                Poll::Pending => {
                    ready!(this.watch(cx));
                    continue;
                }
            };
            if came == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
