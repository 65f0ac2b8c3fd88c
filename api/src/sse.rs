//! Server-sent events (HTML Living Standard 9.2), written by hand: three kinds of lines.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde_json::Value;

use super::body;

/// A comment goes out when there was nothing else for this long, so that nobody on the way takes the connection for dead.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
pub(crate) const COMMENT: &[u8] = b": still here\n\n";
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The first thing of a stream: when to connect again after it broke.
pub(crate) fn begin() -> Bytes {
    Bytes::from_static(b"retry: 2000\n\n")
}

/// One event. JSON has no line ends of its own, so that its data is one line.
pub(crate) fn event(id: Option<&str>, name: &str, data: &Value) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n"))
}

pub(crate) fn response(body: Body) -> Response {
    let mut response = body::typed(StatusCode::OK, "text/event-stream", body);
    // nginx and its like hold answers back unless told otherwise.
    let name = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(name, http::HeaderValue::from_static("no"));
    response
}
