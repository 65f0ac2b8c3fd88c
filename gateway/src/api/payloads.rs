//! `/v1/payloads`: bytes for jobs to read, streamed to the disk.

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use ostler_job::durable::Payload;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Needs, Submit},
    backend::Sink,
    body,
    parse::query::NoQuery,
    problem::{Kind, Problem},
};

/// Bytes that are kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct PayloadView {
    /// SHA-256 of the bytes, lower-case hex: their name.
    sha256: String,
    /// How many they are.
    bytes: u64,
}

/// Upload bytes for jobs to read
///
/// They are named by their SHA-256: `"stdin": {"payload": SHA256}` of a job. The same bytes again are kept once.
#[utoipa::path(
    post,
    path = "/v1/payloads",
    tag = "jobs",
    operation_id = "uploadPayload",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "They are safe.", body = PayloadView, content_type = "application/json")),
)]
pub(crate) async fn post(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Submit>,
    _: NoQuery,
    body: Body,
) -> Result<Response, Problem> {
    upload(&api, &caller, body).await
}

/// Upload bytes for jobs to read
///
/// The same as POST.
#[utoipa::path(
    put,
    path = "/v1/payloads",
    tag = "jobs",
    operation_id = "putPayload",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "They are safe.", body = PayloadView, content_type = "application/json")),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Submit>,
    _: NoQuery,
    body: Body,
) -> Result<Response, Problem> {
    upload(&api, &caller, body).await
}

async fn upload(api: &Api, caller: &Caller, mut body: Body) -> Result<Response, Problem> {
    let max = api.payload_max();
    if body.size_hint().lower() > max {
        return Err(too_large(max));
    }
    let backend = api.share();
    let sink = body::blocking(move || backend.upload_blocking()).await?.map_err(|e| failed(&e))?;
    let (pieces, received) = mpsc::channel(4);
    let writer = tokio::task::spawn_blocking(move || write(sink, received));
    let mut bytes = 0;
    while let Some(piece) = body::next(&mut body).await? {
        bytes += piece.len() as u64;
        if bytes > max {
            return Err(too_large(max));
        }
        // A writer that has failed says so below.
        if pieces.send(Piece::Bytes(piece)).await.is_err() {
            break;
        }
    }
    // Only this makes it a payload: one that broke off leaves nothing.
    let _ = pieces.send(Piece::End).await;
    let payload = writer.await.map_err(Problem::internal)?.map_err(|error| failed(&error))?;
    let Some(Payload { sha256, bytes }) = payload else {
        return Err(Problem::internal("the payload was not finished"));
    };
    if let Some(tenant) = caller.tenant().map(str::to_owned) {
        // Others know its name perhaps; what it holds is for those who had it.
        let (backend, name) = (api.share(), sha256.clone());
        let owned = body::blocking(move || backend.own_payload_blocking(&name, &tenant)).await?;
        owned.map_err(|error| failed(&error))?;
    }
    body::json(StatusCode::CREATED, &PayloadView { sha256, bytes })
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// Writes on a thread that may block, until the end, or until nobody sends any more.
fn write(
    mut sink: Box<dyn Sink>,
    mut pieces: mpsc::Receiver<Piece>,
) -> std::io::Result<Option<Payload>> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => sink.write(&bytes)?,
            Piece::End => return sink.finish().map(Some),
        }
    }
    Ok(None)
}

fn too_large(max: u64) -> Problem {
    Problem::new(Kind::TooLarge, format!("a payload may have {max} bytes; split it"))
}

fn failed(error: &std::io::Error) -> Problem {
    let detail =
        format!("the payload cannot be kept: {error}; make room on the disk, then try again");
    Problem::new(Kind::StoreUnavailable, detail).retry_after(10)
}
