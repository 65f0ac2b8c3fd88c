//! `/v1/payloads`: bytes for jobs to read, streamed to the disk.

use std::{io, sync::Arc};

use axum::{body::Body, extract::State, response::Response};
use bytes::BytesMut;
use http::StatusCode;
use http_body::Body as _;
use ostler_job::durable::Payload;
use ostler_machine::threads;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Needs, Submit},
    body,
    parse::query::NoQuery,
    problem::{Kind, Problem},
};
use crate::backend::Full;

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
    let told = body.size_hint().lower();
    if told > max {
        return Err(too_large(max));
    }
    // What no tenant's token brings is of the tenant without a name.
    let tenant: Arc<str> = caller.tenant().unwrap_or_default().into();
    let (begin, owner) = (api.share(), tenant.clone());
    let sink = write(who, move || {
        begin.room_blocking(&owner, told).map_err(no_room)?;
        begin.upload_blocking(&owner)
    });
    let mut sink = sink.await?;
    let (mut bytes, mut held) = (0, BytesMut::new());
    while let Some(piece) = body::next(&mut body).await? {
        bytes += piece.len() as u64;
        if bytes > max {
            return Err(too_large(max));
        }
        held.extend_from_slice(&piece);
        if held.len() >= PIECE {
            let (piece, backend, owner) = (held.split(), api.share(), tenant.clone());
            let one = move || {
                backend.room_blocking(&owner, piece.len() as u64).map_err(no_room)?;
                sink.write(&piece).map(|()| sink)
            };
            sink = write(who, one).await?;
        }
    }
    // Only this makes it a payload: one that broke off leaves nothing.
    let backend = api.share();
    let finish = move || {
        backend.room_blocking(&tenant, held.len() as u64).map_err(no_room)?;
        sink.write(&held)?;
        let payload = sink.finish()?;
        // Others know its name perhaps; what it holds is for those who had it.
        backend.own_payload_blocking(&payload, &tenant)?;
        Ok(payload)
    };
    let Payload { sha256, bytes } = write(who, finish).await?;
    body::json(StatusCode::CREATED, &PayloadView { sha256, bytes })
}

/// As an error of the disk, so that whatever writes stops at it.
fn no_room(full: Full) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, full)
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
    let full = error.get_ref().and_then(|it| it.downcast_ref::<Full>());
    if let Some(full @ (Full::Tenant(_) | Full::All(_))) = full {
        return Problem::new(Kind::FilesFull, full.to_string()).retry_after(60);
    }
    // In words, it has its cure.
    let detail = match error.get_ref() {
        Some(_) => format!("the payload cannot be kept: {error}, then try again"),
        None => {
            let cure = ostler_private::cure(error);
            format!("the payload cannot be kept: {error}; {cure}, then try again")
        }
    };
    Problem::new(Kind::StoreUnavailable, detail).retry_after(10)
}
