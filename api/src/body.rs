//! Bodies in both directions: read within limits, written as they come.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use ostler_machine::threads;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    auth, guard,
    problem::{Kind, Problem},
};

/// A client that sends nothing for this long has given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next piece of a request's body; `None` is its end.
pub(crate) async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let Ok(frame) = tokio::time::timeout(PATIENCE, body.frame()).await else {
            return Err(Problem::new(Kind::BadJson, "the body did not come to its end in time"));
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) if guard::is_ended(&error) => {
                return Err(auth::ended("what was still to come of the request is not done"));
            }
            Some(Err(error)) => {
                return Err(Problem::new(Kind::BadJson, format!("the body broke off: {error}")));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The whole of a body that may have so many bytes.
pub(crate) async fn read(mut body: Body, max: usize) -> Result<Bytes, Problem> {
    let told = http_body::Body::size_hint(&body).lower();
    if told > max as u64 {
        return Err(too_large(max));
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(&mut body).await? else {
        return if first.len() > max { Err(too_large(max)) } else { Ok(first) };
    };
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(&second);
    while whole.len() <= max {
        match next(&mut body).await? {
            Some(piece) => whole.extend_from_slice(&piece),
            None => return Ok(whole.freeze()),
        }
    }
    Err(too_large(max))
}

pub(crate) fn too_large(max: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!(
            "the body may have {max} bytes; standard input beyond 32 KiB goes to POST /v1/payloads, many jobs as application/x-ndjson"
        ),
    )
}

/// What a `Content-Type` names, without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or(value);
    Some(kind.trim().to_ascii_lowercase())
}

/// Refuses what is not JSON.
pub(crate) fn needs_json(headers: &HeaderMap) -> Result<(), Problem> {
    match content_type(headers).as_deref() {
        Some("application/json") => Ok(()),
        other => Err(unsupported(other, "application/json")),
    }
}

pub(crate) fn unsupported(got: Option<&str>, expected: &str) -> Problem {
    let got = got.map_or_else(|| "no Content-Type".to_owned(), |got| format!("{got:?}"));
    let detail = format!("{got} is not taken here; send the field Content-Type: {expected}");
    Problem::new(Kind::UnsupportedMediaType, detail)
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(value).map_err(Problem::internal)?;
    Ok(typed(status, "application/json", Body::from(bytes)))
}

/// An answer of some other type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Pieces of an answer that is written as it comes; an error breaks the connection off.
pub(crate) type Pipe = mpsc::Sender<Result<Bytes, io::Error>>;

/// An answer's body, written by whoever holds the other end.
pub(crate) fn pipe() -> (Pipe, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::new(Piped(receiver, None)))
}

/// The same, of so many bytes.
pub(crate) fn pipe_of(len: u64) -> (Pipe, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::new(Piped(receiver, Some(len))))
}

struct Piped(mpsc::Receiver<Result<Bytes, io::Error>>, Option<u64>);

impl http_body::Body for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Reads or writes a file, or looks at one, on a thread that may block. Never waits for a peer.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    threads::FILES.run("", |_| work()).await.map_err(Problem::internal)
}

/// A body that is there already.
pub(crate) fn whole(bytes: Bytes) -> Body {
    let full = http_body_util::Full::new(bytes);
    Body::new(full.map_err(|never: Infallible| match never {}))
}
