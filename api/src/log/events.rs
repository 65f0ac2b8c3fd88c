//! `GET /v1/jobs/{id}/log/events`: the log as server-sent events, chunk by chunk, with their times.

use axum::{extract::State, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use ostler_job::{JobId, Wall, durable::Job};
use ostler_machine::clock;
use serde_json::{Value, json};

use super::{
    attempt::{Missing, layout, open},
    chunks::{HEADER, Header, Which, is_boundary},
    tail::{Next, Tail},
    which,
};
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body::{self, Pipe},
    jobs::{Id, find},
    parse::query::{Pairs, number},
    problem::Problem,
    reasons, sse,
    view::JobView,
};

/// Bytes of a chunk that one event carries, at most.
const EVENT_MAX: usize = 64 << 10;

/// Follow what a job writes
///
/// Server-sent events: `output` with `{"stream":"stdout","at":…,"text":…}` (`base64` instead of `text` where it is not UTF-8), at last
/// `end` with the job, after `cut` when bytes of the output are missing. `Last-Event-ID` resumes.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/log/events",
    tag = "logs",
    operation_id = "followLog",
    params(
        ("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64),
        ("stream" = inline(Option<Which>), Query, description = "`both` unless given."),
        ("attempt" = Option<u32>, Query, description = "Which attempt, from 1; the last one and those after it unless given.", minimum = 1, maximum = 4294967295_i64),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came: offset in the log file, dot, attempt.", pattern = "^[0-9]{1,15}\\.[1-9][0-9]{0,8}$"),
    ),
    responses((status = 200, description = "Events.", content((String = "text/event-stream")))),
)]
pub(crate) async fn events(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    Id(id): Id,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["stream", "attempt"]])?;
    let which = pairs.parsed("stream", which)?.unwrap_or(Which::Both);
    let attempt = pairs.parsed("attempt", |text| number(text, 1, u64::from(u32::MAX)))?;
    let attempt = attempt.and_then(|number| u32::try_from(number).ok());
    let resume = last_event(&headers)?;
    let job = find(&api, &caller, id).await?;
    let log = open(&api, &job, resume.map(|(_, number)| number).or(attempt)).await?;
    if let (Some((offset, _)), Some(log)) = (resume, log) {
        let good = body::blocking(move || is_boundary(&log.source, offset)).await?;
        if !good.map_err(Problem::internal)? {
            return Err(Problem::parameter("Last-Event-ID", "no event of this log has this id"));
        }
    }
    let (pipe, answer) = body::pipe();
    let reader = Reader { api, caller, id, attempt, which, resume };
    tokio::spawn(async move {
        // The client connects again with the last id it has.
        let _ = reader.run(&pipe).await;
    });
    Ok(sse::response(answer))
}

fn last_event(headers: &HeaderMap) -> Result<Option<(u64, u32)>, Problem> {
    let Some(value) = headers.get(sse::LAST_EVENT_ID) else { return Ok(None) };
    let read = || {
        let (offset, attempt) = value.to_str().ok()?.split_once('.')?;
        let offset = number(offset, 0, u64::MAX >> 1).ok()?;
        let attempt = number(attempt, 1, u64::from(u32::MAX)).ok()?;
        Some((offset, u32::try_from(attempt).ok()?))
    };
    let bad = || Problem::parameter("Last-Event-ID", "expected OFFSET.ATTEMPT, as events have it");
    read().map(Some).ok_or_else(bad)
}

struct Reader {
    api: Api,
    caller: Caller,
    id: JobId,
    attempt: Option<u32>,
    which: Which,
    resume: Option<(u64, u32)>,
}

impl Reader {
    async fn run(&self, pipe: &Pipe) -> Result<(), Problem> {
        let mut tail = Tail::new(&self.api, &self.caller, self.id, self.attempt);
        if let Some((offset, attempt)) = self.resume {
            tail.resume(attempt, offset);
        }
        if pipe.send(Ok(sse::begin())).await.is_err() {
            return Ok(());
        }
        let mut chunks = Chunks::default();
        loop {
            let out = match tail.next(pipe).await? {
                Next::Piece { bytes, attempt, offset, fresh } => {
                    if fresh {
                        chunks = Chunks { at: offset, ..Chunks::default() };
                    }
                    chunks.feed(&bytes, attempt, self.which)
                }
                Next::Quiet => BytesMut::from(sse::COMMENT),
                Next::End => break,
            };
            if !out.is_empty() && pipe.send(Ok(out.freeze())).await.is_err() {
                return Ok(());
            }
        }
        if !tail.is_over() {
            return Ok(());
        }
        let job = find(&self.api, &self.caller, self.id).await?;
        if self.attempt.is_some() || job.status.state.is_finished() {
            if let Some(cut) = self.cut(&job, tail.attempt()).await? {
                let _ = pipe.send(Ok(cut)).await;
            }
            let told = reasons::told(&self.api, &self.caller, &job).await?;
            let data = serde_json::to_value(JobView::new(&job, told)).map_err(Problem::internal)?;
            let _ = pipe.send(Ok(sse::event(None, "end", &data))).await;
        }
        Ok(())
    }
}

impl Reader {
    /// Says what is missing of the output of the last attempt that was read.
    async fn cut(&self, job: &Job, attempt: u32) -> Result<Option<Bytes>, Problem> {
        if attempt == 0 {
            return Ok(None);
        }
        let Some(log) = open(&self.api, job, Some(attempt)).await? else { return Ok(None) };
        let missing = match log.ends_at {
            Some(_) => log.missing(layout(&log.source, Which::Both).await?.both),
            None => Missing::default(),
        };
        let data = json!({"attempt": attempt, "bytes": missing.bytes, "waits": missing.waits});
        Ok((missing.bytes > 0).then(|| sse::event(None, "cut", &data)))
    }
}

/// Chunks of one log file, as they become whole. An overlong one is told in parts, the last of which has the id.
#[derive(Default)]
struct Chunks {
    buffer: BytesMut,
    /// Offset in the file of what is not told yet.
    at: u64,
    header: Option<(Header, usize)>,
}

impl Chunks {
    fn feed(&mut self, bytes: &[u8], attempt: u32, which: Which) -> BytesMut {
        let mut out = BytesMut::new();
        self.buffer.extend_from_slice(bytes);
        loop {
            let Some((header, left)) = self.header else {
                if self.buffer.len() < HEADER {
                    return out;
                }
                let header = Header::read(&self.buffer);
                self.buffer.advance(HEADER);
                self.at += HEADER as u64;
                self.header = Some((header, header.len as usize));
                continue;
            };
            let part = left.min(EVENT_MAX);
            if self.buffer.len() < part {
                return out;
            }
            let text = self.buffer.split_to(part);
            self.at += part as u64;
            self.header = (left > part).then_some((header, left - part));
            if which.takes(header.stream) && part > 0 {
                let whole = self.header.is_none().then(|| format!("{}.{attempt}", self.at));
                out.extend_from_slice(&sse::event(
                    whole.as_deref(),
                    "output",
                    &output(header, &text),
                ));
            }
        }
    }
}

fn output(header: Header, text: &[u8]) -> Value {
    let stream = if header.stream == 2 { "stderr" } else { "stdout" };
    let at = clock::show(Wall(header.at / 1_000));
    match std::str::from_utf8(text) {
        Ok(text) => json!({"stream": stream, "at": at, "text": text}),
        Err(_) => json!({"stream": stream, "at": at, "base64": STANDARD.encode(text)}),
    }
}
