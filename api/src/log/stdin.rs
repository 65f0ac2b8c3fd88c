//! `GET /v1/jobs/{id}/stdin`: what a job reads.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ostler_job::durable::Input;

use super::{PIECE, range, source::Source};
use crate::{
    Api,
    auth::{Needs, Read},
    body,
    jobs::{Id, find},
    parse::query::NoQuery,
    problem::{Kind, Problem},
};

/// What a job reads
///
/// The field `Range` (one range) is heeded.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/stdin",
    tag = "logs",
    operation_id = "getStdin",
    params(
        ("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64),
    ),
    responses(
        (status = 200, description = "The bytes.", content((String = "application/octet-stream")), headers(("Accept-Ranges" = String))),
        (status = 206, description = "A range of them.", content((String = "application/octet-stream")), headers(("Content-Range" = String))),
    ),
)]
pub(crate) async fn stdin(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    Id(id): Id,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = find(&api, &caller, id).await?;
    let source = match job.spec.work.command() {
        None => Source::Nothing,
        Some(command) => source(&api, &command.stdin).await?,
    };
    let total = source.len();
    let range = range(&headers, total)?;
    let part = range.clone().unwrap_or(0..total);
    let (pipe, answer) = body::pipe_of(part.end - part.start);
    let mut offset = part.start;
    tokio::spawn(async move {
        while offset < part.end {
            let max = usize::try_from(part.end - offset).unwrap_or(PIECE).min(PIECE);
            let piece = source.read(offset, max).await;
            let piece =
                piece.map_err(|problem| std::io::Error::other(problem.body().detail.clone()));
            let read = piece.as_ref().map_or(0, Bytes::len) as u64;
            offset += read;
            if pipe.send(piece).await.is_err() || read == 0 {
                return;
            }
        }
    });
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = body::typed(status, "application/octet-stream", answer);
    let fields = response.headers_mut();
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(part) = range {
        let text = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        fields
            .insert(header::CONTENT_RANGE, HeaderValue::try_from(text).map_err(Problem::internal)?);
    }
    Ok(response)
}

async fn source(api: &Api, input: &Input) -> Result<Source, Problem> {
    match input {
        Input::Empty => Ok(Source::Nothing),
        Input::Text(text) => Ok(Source::Whole(Bytes::copy_from_slice(text.as_bytes()))),
        Input::Base64(text) => {
            let bytes = STANDARD.decode(text).map_err(Problem::internal)?;
            Ok(Source::Whole(Bytes::from(bytes)))
        }
        Input::Payload(payload) => {
            let (backend, name) = (api.share(), payload.sha256.clone());
            let gone = format!("the payload {name} is not there any more");
            match body::blocking(move || backend.payload_blocking(&name)).await? {
                Ok(file) => Ok(Source::File(Arc::new(file))),
                Err(_) => Err(Problem::new(Kind::NotFound, gone)),
            }
        }
    }
}
