//! An answer that ends with the token it was given for.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Answers up to this size are written in one go.
const SMALL: u64 = 64 << 10;

/// Resolves when a token lets nobody in any more.
pub(crate) type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Breaks the body off when the token ends. One that is small, and there already, is left alone.
pub(crate) fn guarded(body: Body, over: impl FnOnce() -> Over) -> Body {
    match http_body::Body::size_hint(&body).exact() {
        Some(size) if size <= SMALL => body,
        Some(_) | None => Body::new(Guarded { body: Some(body), over: over() }),
    }
}

struct Guarded {
    /// `None`: it was broken off.
    body: Option<Body>,
    over: Over,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.body.is_some() && self.over.as_mut().poll(cx).is_ready() {
            // Whoever writes it notices that nobody reads.
            self.body = None;
            let ended = io::Error::new(io::ErrorKind::PermissionDenied, "the token has ended");
            return Poll::Ready(Some(Err(axum::Error::new(ended))));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
