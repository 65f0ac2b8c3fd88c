//! Bodies that end with their token: the answer that it was given for, and what is still coming of a request.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::backend::Revoked;

/// Answers up to this size are written in one go.
const SMALL: u64 = 64 << 10;

/// Breaks the body off when the token ends. One that is small, and there already, is left alone.
pub(crate) fn guarded(body: Body, over: impl FnOnce() -> Revoked) -> Body {
    match http_body::Body::size_hint(&body).exact() {
        Some(size) if size <= SMALL => body,
        Some(_) | None => until(body, over()),
    }
}

/// Breaks the body off when the token ends, however small it is.
pub(crate) fn until(body: Body, over: Revoked) -> Body {
    Body::new(Guarded { body: Some(body), over })
}

/// Why a body was broken off.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the token has ended")]
struct Ended;

/// Whether a body broke off since its token ended.
pub(crate) fn is_ended(error: &(dyn Error + 'static)) -> bool {
    error.is::<Ended>() || error.source().is_some_and(is_ended)
}

struct Guarded {
    /// `None`: it was broken off.
    body: Option<Body>,
    over: Revoked,
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
            return Poll::Ready(Some(Err(axum::Error::new(Ended))));
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
