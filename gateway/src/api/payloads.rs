//! `/v1/payloads`: bytes for jobs to read, streamed to the disk.

use std::io;

use axum::{body::Body, extract::State, response::Response};
use bytes::BytesMut;
use http::StatusCode;
use http_body::Body as _;
use ostler_job::durable::Payload;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Needs, Submit},
    backend::Sink,
    body,
    parse::query::NoQuery,
    problem::{Kind, Problem},
};
use crate::threads;

/// Bytes that are written at once.
const PIECE: usize = 64 << 10;

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

/// Each piece is a short write of its own: a client that takes its time holds no thread.
async fn upload(api: &Api, caller: &Caller, mut body: Body) -> Result<Response, Problem> {
    let who = caller.name();
    let max = api.payload_max();
    if body.size_hint().lower() > max {
        return Err(too_large(max));
    }
    let backend = api.share();
    let (begin, room) = (backend.clone(), move || backend.room_blocking());
    let mut sink = write(who, move || begin.upload_blocking()).await?;
    let (mut bytes, mut held) = (0, BytesMut::new());
    while let Some(piece) = body::next(&mut body).await? {
        bytes += piece.len() as u64;
        if bytes > max {
            return Err(too_large(max));
        }
        held.extend_from_slice(&piece);
        if held.len() >= PIECE {
            let (piece, room) = (held.split(), room.clone());
            let one = move || add(&mut sink, &piece, room()).map(|()| sink);
            sink = write(who, one).await?;
        }
    }
    // Only this makes it a payload: one that broke off leaves nothing.
    let finish = move || {
        add(&mut sink, &held, room())?;
        sink.finish()
    };
    let Payload { sha256, bytes } = write(who, finish).await?;
    if let Some(tenant) = caller.tenant().map(str::to_owned) {
        // Others know its name perhaps; what it holds is for those who had it.
        let (backend, name) = (api.share(), sha256.clone());
        let owned = body::blocking(move || backend.own_payload_blocking(&name, &tenant)).await?;
        owned.map_err(|error| failed(&error))?;
    }
    body::json(StatusCode::CREATED, &PayloadView { sha256, bytes })
}

/// Writes a piece, unless it would take what is kept for the store.
fn add(sink: &mut Box<dyn Sink>, piece: &[u8], room: u64) -> io::Result<()> {
    if piece.len() as u64 > room {
        let detail = "the rest of the disk is kept for the store (limits.disk_reserve)";
        return Err(io::Error::new(io::ErrorKind::StorageFull, detail));
    }
    sink.write(piece)
}

async fn write<T: Send + 'static>(
    who: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let done = threads::UPLOADS.run(who, |_| work()).await.map_err(Problem::internal)?;
    done.map_err(|error| failed(&error))
}

fn too_large(max: u64) -> Problem {
    Problem::new(Kind::TooLarge, format!("a payload may have {max} bytes; split it"))
}

fn failed(error: &io::Error) -> Problem {
    let detail =
        format!("the payload cannot be kept: {error}; make room on the disk, then try again");
    Problem::new(Kind::StoreUnavailable, detail).retry_after(10)
}
