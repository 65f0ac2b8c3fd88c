//! `GET /v1/jobs/{id}/log`: the octets as they were written.

use axum::{extract::State, response::Response};
use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ostler_job::JobId;

use super::{
    PIECE,
    attempt::{AttemptLog, Missing, layout, open, open_whole, unreadable},
    chunks::{Cut, Decoder, Place, Which},
    range,
    source::Source,
    tail::{Next, Tail},
    which,
};
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body::{self, Pipe},
    jobs::{Id, find},
    parse::query::{Pairs, flag, number},
    problem::Problem,
};

const TEXT: &str = "text/plain; charset=utf-8";
/// Seconds after which a log that its runner still has may be here.
const RETRY: u64 = 5;
/// Tells how many bytes of the log of an attempt that is over are not in the answer.
const MISSING: HeaderName = HeaderName::from_static("ostler-log-missing");

/// What a job wrote
///
/// The octets as they were written, of the last attempt unless another is named. With `follow=true` they keep coming until the attempt is
/// over, and without `attempt` until the job has finished. Without it, the output of an attempt that is over is waited for until all of it
/// has come from its runner; when nothing comes for 10 s, `Ostler-Log-Missing` tells how many bytes did not. Then the field `Range` (one range, of the decoded stream) is heeded.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/log",
    tag = "logs",
    operation_id = "getLog",
    params(
        ("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64),
        ("stream" = inline(Option<Which>), Query, description = "`both` unless given, in the order in which they were written as far as two pipes tell it; with `merge`, exactly."),
        ("attempt" = Option<u32>, Query, description = "Which attempt, from 1.", minimum = 1, maximum = 4294967295_i64),
        ("follow" = Option<bool>, Query, description = "Keep on until it is over. Ranges are ignored then."),
    ),
    responses(
        (status = 200, description = "The output.", content((String = "text/plain")), headers(("Accept-Ranges" = String), ("Ostler-Log-Missing" = u64, description = "Bytes that are not here. With `Retry-After` its runner still has them, else they were not kept."))),
        (status = 206, description = "A range of it.", content((String = "text/plain")), headers(("Content-Range" = String))),
    ),
)]
pub(crate) async fn log(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    Id(id): Id,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["stream", "attempt", "follow"]])?;
    let which = pairs.parsed("stream", which)?.unwrap_or(Which::Both);
    let attempt = pairs.parsed("attempt", |text| number(text, 1, u64::from(u32::MAX)))?;
    let attempt = attempt.and_then(|number| u32::try_from(number).ok());
    let follow = pairs.parsed("follow", flag)?.unwrap_or(false);
    let job = find(&api, &caller, id).await?;
    if follow {
        // Whether there is such an attempt is said at once.
        open(&api, &job, attempt).await?;
        let (pipe, answer) = body::pipe();
        let follower = Follower { api, caller, id, attempt, which };
        tokio::spawn(async move {
            if let Err(problem) = follower.run(&pipe).await {
                let error = std::io::Error::other(problem.body().detail.clone());
                let _ = pipe.send(Err(error)).await;
            }
        });
        return Ok(body::typed(StatusCode::OK, TEXT, answer));
    }
    still(open_whole(&api, &job, attempt).await?, which, &headers).await
}

/// What is there now, or a range of it.
async fn still(
    log: Option<AttemptLog>,
    which: Which,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let source = log.as_ref().map_or(Source::Nothing, |log| log.source.clone());
    let layout = layout(&source, which).await?;
    let missing = log.map_or_else(Missing::default, |log| log.missing(layout.both));
    let total = layout.wanted;
    let range = range(headers, total)?;
    let (status, part) = match &range {
        Some(part) => (StatusCode::PARTIAL_CONTENT, part.clone()),
        None => (StatusCode::OK, 0..total),
    };
    let (walked, start) = (source.clone(), part.start);
    let place = body::blocking(move || layout.place(&walked, start)).await?.map_err(unreadable)?;
    let (pipe, answer) = body::pipe_of(part.end - part.start);
    let cut = Cut::new(place.skip, &part);
    tokio::spawn(async move {
        if let Err(problem) = copy(&source, which, &place, cut, &pipe).await {
            let _ = pipe.send(Err(std::io::Error::other(problem.body().detail.clone()))).await;
        }
    });
    let mut response = body::typed(status, TEXT, answer);
    let fields = response.headers_mut();
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if missing.bytes > 0 {
        fields.insert(MISSING, HeaderValue::from(missing.bytes));
    }
    if missing.waits {
        fields.insert(header::RETRY_AFTER, HeaderValue::from(RETRY));
    }
    if range.is_some() {
        let text = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        fields
            .insert(header::CONTENT_RANGE, HeaderValue::try_from(text).map_err(Problem::internal)?);
    }
    Ok(response)
}

async fn copy(
    source: &Source,
    which: Which,
    place: &Place,
    mut cut: Cut,
    pipe: &Pipe,
) -> Result<(), Problem> {
    let mut decoder = Decoder::new(which);
    let mut offset = place.chunk;
    let mut out = BytesMut::new();
    while !cut.is_over() {
        let piece = source.read(offset, PIECE).await?;
        if piece.is_empty() {
            return Err(Problem::internal("the log became shorter"));
        }
        offset += piece.len() as u64;
        decoder.feed(piece, &mut out);
        let bytes = cut.apply(&mut out);
        if !bytes.is_empty() && pipe.send(Ok(bytes)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

struct Follower {
    api: Api,
    caller: Caller,
    id: JobId,
    attempt: Option<u32>,
    which: Which,
}

impl Follower {
    async fn run(&self, pipe: &Pipe) -> Result<(), Problem> {
        let mut tail = Tail::new(&self.api, &self.caller, self.id, self.attempt);
        let mut decoder = Decoder::new(self.which);
        let mut out = BytesMut::new();
        loop {
            match tail.next(pipe).await? {
                Next::Piece { bytes, fresh, .. } => {
                    if fresh {
                        decoder = Decoder::new(self.which);
                    }
                    decoder.feed(bytes, &mut out);
                    let bytes = out.split().freeze();
                    if !bytes.is_empty() && pipe.send(Ok(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                Next::Quiet => {}
                // Whoever reads must not take it for the whole.
                Next::End if tail.is_cut() || !tail.is_over() => {
                    return Err(Problem::internal("there is more to come of the log"));
                }
                Next::End => return Ok(()),
            }
        }
    }
}
