//! Many jobs in one request, one a line: all or none of them, or the good ones as they come.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use ostler_driver::{Answer, NewJob};
use ostler_job::{JobId, durable::JobState};

use super::{
    idempotency::{keyed, known},
    lines::{Line, Lines},
    take,
};
use crate::{
    Api,
    auth::Caller,
    body::{self, Pipe},
    parse::{
        BODY_MAX,
        build::{self, Built, Given},
    },
    problem::{FieldError, Kind, Problem},
    view,
};

pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Lines and bytes of a batch that is taken whole: one commit, which everybody waits for.
const LINES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 16 << 20;
/// Jobs that a streamed batch hands over at once.
const GROUP: usize = 100;
/// Bytes of lines after which a group goes, however few they are.
const GROUP_BYTES: usize = 1 << 20;
/// How long a group waits for more lines before it goes.
const LINGER: Duration = Duration::from_millis(2);
/// Problems that one answer tells.
const ERRORS_MAX: usize = 100;
/// Lines that are read before others get a turn.
const TURN: usize = 256;

/// Takes all lines or none.
pub(crate) async fn all_or_none(
    api: &Api,
    caller: &Caller,
    body: Body,
    key: Option<String>,
) -> Result<Response, Problem> {
    let mut lines = Lines::new(body, key.is_some());
    let (numbers, built) = read_all(caller, &mut lines).await?;
    let hash = lines.hash().unwrap_or_default();
    let key = key.map(|key| keyed(caller, &key, hash));
    if let Some(key) = &key
        && let Some(jobs) = known(api, key).await?
    {
        return replay(api, caller, jobs).await;
    }
    if built.is_empty() {
        return Err(Problem::new(Kind::BadJson, "the batch has no lines; write one job a line"));
    }
    let mut jobs = Vec::with_capacity(built.len());
    let mut errors = Vec::new();
    for (number, ready) in numbers.iter().zip(take::ready(api, caller, built).await?) {
        match ready {
            Ok(job) => jobs.push(job),
            Err(problem) => note(&mut errors, *number, &problem),
        }
    }
    none_taken(errors)?;
    let attempts: Vec<u32> = jobs.iter().map(attempts_max).collect();
    let answers = api.backend().submit(caller.name(), key, jobs, true).await?;
    if let Some(Answer::Keyed { jobs, same: true }) = answers.first() {
        return replay(api, caller, jobs.clone()).await;
    }
    refused(&numbers, &answers)?;
    let mut out = BytesMut::with_capacity(answers.len() * 72);
    for ((number, answer), attempts) in numbers.iter().zip(&answers).zip(attempts) {
        write_answer(&mut out, *number, answer, attempts)?;
    }
    Ok(body::typed(StatusCode::ACCEPTED, NDJSON, body::whole(out.freeze())))
}

/// All jobs with their lines' numbers, if all are right.
async fn read_all(caller: &Caller, lines: &mut Lines) -> Result<(Vec<u64>, Vec<Built>), Problem> {
    let given =
        Given { now: view::now(), tenant: caller.tenant(), admin: caller.is_admin(), waits: false };
    let (mut numbers, mut built, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut turn = 0;
    loop {
        while let Some(line) = lines.at_hand() {
            turn += 1;
            if numbers.len() == LINES_MAX {
                return Err(too_many(format!("more than {LINES_MAX} lines")));
            }
            numbers.push(line.number);
            match one(&line, given) {
                Ok(job) if errors.is_empty() => built.push(job),
                Ok(_) => {}
                Err(problem) => note(&mut errors, line.number, &problem),
            }
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        if lines.bytes() > BYTES_MAX {
            return Err(too_many(format!("more than {BYTES_MAX} bytes")));
        }
        if !lines.more().await? {
            break;
        }
    }
    none_taken(errors)?;
    Ok((numbers, built))
}

fn too_many(what: String) -> Problem {
    let detail = format!("{what} are not taken all or none; split the batch, or say partial=true");
    Problem::new(Kind::TooLarge, detail)
}

fn one(line: &Line, given: Given<'_>) -> Result<Built, Problem> {
    match line.is_too_long() {
        true => Err(body::too_large(BODY_MAX)),
        false => build::read(&line.text, given),
    }
}

fn note(errors: &mut Vec<FieldError>, line: u64, problem: &Problem) {
    let body = problem.body();
    let whole = [FieldError {
        pointer: body.pointer.clone(),
        detail: body.detail.clone(),
        ..FieldError::default()
    }];
    let told = if body.errors.is_empty() { &whole[..] } else { &body.errors };
    let room = ERRORS_MAX.saturating_sub(errors.len());
    errors.extend(told.iter().take(room).map(|it| FieldError { line: Some(line), ..it.clone() }));
}

fn none_taken(errors: Vec<FieldError>) -> Result<(), Problem> {
    let Some(first) = errors.first() else { return Ok(()) };
    let detail = format!(
        "line {}: {}; no job of the batch was taken",
        first.line.unwrap_or_default(),
        first.detail
    );
    let mut problem = Problem::new(Kind::InvalidField, detail);
    if let Some(pointer) = &first.pointer {
        problem = problem.at(pointer);
    }
    Err(problem.with_errors(errors))
}

/// The driver's refusal of one is the refusal of all.
fn refused(numbers: &[u64], answers: &[Answer]) -> Result<(), Problem> {
    let mut errors = Vec::new();
    for (number, answer) in numbers.iter().zip(answers) {
        match answer {
            Answer::Done { .. }
            | Answer::Late { .. }
            | Answer::Coalesced { .. }
            | Answer::WithOthers => {}
            Answer::QueueFull { .. } | Answer::Keyed { .. } => return Err(take::refusal(answer)),
            Answer::Repeated { of } => {
                let line = numbers.get(*of).copied().unwrap_or_default();
                let detail =
                    format!("it is the same as line {line}, which stands for it, as dedupe asks");
                note(&mut errors, *number, &Problem::new(Kind::Duplicate, detail));
            }
            Answer::Duplicate { .. }
            | Answer::Unknown
            | Answer::Queue(_)
            | Answer::QueueRefused { .. }
            | Answer::Schedule(_)
            | Answer::ScheduleRefused { .. }
            | Answer::EditRefused { .. }
            | Answer::NotNow { .. } => {
                note(&mut errors, *number, &take::refusal(answer));
            }
        }
    }
    none_taken(errors)
}

async fn replay(api: &Api, caller: &Caller, jobs: Vec<JobId>) -> Result<Response, Problem> {
    let mut found = api.backend().get(jobs.clone()).await?.into_iter().peekable();
    let mut out = BytesMut::with_capacity(jobs.len() * 48);
    for (number, id) in (1..).zip(&jobs) {
        match found.next_if(|job| job.id == *id) {
            Some(job) if caller.sees(&job) => {
                write_job(&mut out, number, *id, Some((job.status.state, job.spec.retry.attempts)))
            }
            Some(_) | None => write_problem(&mut out, number, &lost(*id))?,
        }
    }
    let mut response = body::typed(StatusCode::ACCEPTED, NDJSON, body::whole(out.freeze()));
    response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    Ok(response)
}

/// The problem of a job that cannot be read back, which its submitter must not take for a refusal.
fn lost(id: JobId) -> Problem {
    Problem::new(Kind::NotFound, format!("job {id} was taken, and has been deleted since"))
}

/// Takes the good lines in groups, and answers while more come.
pub(crate) fn partial(api: Api, caller: Caller, body: Body) -> Response {
    let (pipe, answers) = body::pipe();
    tokio::spawn(async move {
        let mut stream = Stream { api, caller, pipe };
        stream.run(Lines::new(body, false)).await;
    });
    body::typed(StatusCode::OK, NDJSON, answers)
}

struct Stream {
    api: Api,
    caller: Caller,
    pipe: Pipe,
}

/// The client takes no more answers.
struct Gone;

impl Stream {
    async fn run(&mut self, mut lines: Lines) {
        let mut group = Vec::with_capacity(GROUP);
        let mut bytes = 0;
        loop {
            while let Some(line) = lines.at_hand() {
                let given = Given {
                    now: view::now(),
                    tenant: self.caller.tenant(),
                    admin: self.caller.is_admin(),
                    waits: false,
                };
                group.push((line.number, one(&line, given)));
                bytes += line.text.len();
                if group.len() == GROUP || bytes > GROUP_BYTES {
                    bytes = 0;
                    if self.flush(&mut group).await.is_err() {
                        return;
                    }
                }
            }
            // Reading is cancel safe: a piece is either taken whole or not at all.
            let more = match tokio::time::timeout(LINGER, lines.more()).await {
                Ok(more) => more,
                Err(_) => {
                    if self.flush(&mut group).await.is_err() {
                        return;
                    }
                    lines.more().await
                }
            };
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(problem) => {
                    // What came before the connection broke is taken, as its answers would say.
                    let _ = self.flush(&mut group).await;
                    let mut out = BytesMut::new();
                    if write_problem(&mut out, 0, &problem).is_ok() {
                        let _ = self.pipe.send(Ok(out.freeze())).await;
                    }
                    return;
                }
            }
        }
        // Nobody is left to tell that the answers were not taken.
        let _ = self.flush(&mut group).await;
    }

    async fn flush(&self, group: &mut Vec<(u64, Result<Built, Problem>)>) -> Result<(), Gone> {
        if group.is_empty() {
            return Ok(());
        }
        let out = self.take(std::mem::take(group)).await;
        let out = out.map_err(|problem| std::io::Error::other(problem.body().detail.clone()));
        self.pipe.send(out).await.map_err(|_| Gone)
    }

    /// Takes a group, and writes its answers.
    async fn take(&self, group: Vec<(u64, Result<Built, Problem>)>) -> Result<Bytes, Problem> {
        let mut outcome: Vec<(u64, Option<Problem>)> = Vec::with_capacity(group.len());
        let mut good = Vec::with_capacity(group.len());
        for (number, built) in group {
            outcome.push((number, built.map(|built| good.push(built)).err()));
        }
        let mut answers = self.submit(good).await.into_iter();
        let mut out = BytesMut::with_capacity(outcome.len() * 48);
        for (number, problem) in outcome {
            match problem.map_or_else(|| answers.next(), |problem| Some(Err(problem))) {
                Some(Ok((answer, attempts))) => {
                    write_answer(&mut out, number, &answer, attempts)?;
                }
                Some(Err(problem)) => write_problem(&mut out, number, &problem)?,
                None => write_problem(&mut out, number, &Problem::internal("no answer came"))?,
            }
        }
        Ok(out.freeze())
    }

    /// One answer for each job, with how often it may be tried.
    async fn submit(&self, good: Vec<Built>) -> Vec<Result<(Answer, u32), Problem>> {
        let count = good.len();
        let all = |problem: Problem| std::iter::repeat_n(Err(problem), count).collect();
        let ready = match take::ready(&self.api, &self.caller, good).await {
            Ok(ready) => ready,
            Err(problem) => return all(problem),
        };
        let mut results: Vec<Option<Problem>> = Vec::with_capacity(count);
        let mut jobs: Vec<NewJob> = Vec::with_capacity(count);
        for ready in ready {
            results.push(ready.map(|job| jobs.push(job)).err());
        }
        let attempts: Vec<u32> = jobs.iter().map(attempts_max).collect();
        let submitted = match jobs.is_empty() {
            true => Ok(Vec::new()),
            false => self.api.backend().submit(self.caller.name(), None, jobs, false).await,
        };
        let mut answers = match submitted {
            Ok(answers) => answers.into_iter().zip(attempts),
            Err(down) => return all(down.into()),
        };
        let next = |answer: Option<_>| answer.ok_or_else(|| Problem::internal("no answer came"));
        results
            .into_iter()
            .map(|problem| problem.map_or_else(|| next(answers.next()), Err))
            .collect()
    }
}

fn attempts_max(job: &NewJob) -> u32 {
    job.spec.retry.attempts
}

fn write_answer(
    out: &mut BytesMut,
    line: u64,
    answer: &Answer,
    attempts: u32,
) -> Result<(), Problem> {
    match answer {
        Answer::Done { job, state } => write_job(out, line, *job, Some((*state, attempts))),
        Answer::Late { job, state, expected } => {
            write_job(out, line, *job, Some((*state, attempts)));
            // In the line's object, which it ends.
            out.truncate(out.len() - b"}\n".len());
            out.put_slice(b",\"warning\":\"");
            out.put_slice(take::late(*expected).as_bytes());
            out.put_slice(b"\"}\n");
        }
        // The other job's state is its own affair.
        Answer::Coalesced { job } => write_job(out, line, *job, None),
        Answer::Duplicate { .. }
        | Answer::QueueFull { .. }
        | Answer::Keyed { .. }
        | Answer::WithOthers
        | Answer::Repeated { .. }
        | Answer::Unknown
        | Answer::Queue(_)
        | Answer::QueueRefused { .. }
        | Answer::Schedule(_)
        | Answer::ScheduleRefused { .. }
        | Answer::EditRefused { .. }
        | Answer::NotNow { .. } => write_problem(out, line, &take::refusal(answer))?,
    }
    Ok(())
}

/// Written by hand, since there may be a hundred thousand of them. Of another job, which stands for it, there is nothing to say.
fn write_job(out: &mut BytesMut, line: u64, job: JobId, own: Option<(JobState, u32)>) {
    let mut number = itoa::Buffer::new();
    out.put_slice(b"{\"line\":");
    out.put_slice(number.format(line).as_bytes());
    out.put_slice(b",\"id\":");
    out.put_slice(number.format(job.0).as_bytes());
    let Some((state, attempts)) = own else { return out.put_slice(b",\"coalesced\":true}\n") };
    out.put_slice(b",\"state\":\"");
    out.put_slice(state.code().as_bytes());
    out.put_slice(b"\",\"attempts_max\":");
    out.put_slice(number.format(attempts).as_bytes());
    out.put_slice(b"}\n");
}

fn write_problem(out: &mut BytesMut, line: u64, problem: &Problem) -> Result<(), Problem> {
    let error = serde_json::to_vec(problem.body()).map_err(Problem::internal)?;
    let mut number = itoa::Buffer::new();
    out.put_slice(b"{\"line\":");
    out.put_slice(number.format(line).as_bytes());
    out.put_slice(b",\"error\":");
    out.put_slice(&error);
    out.put_slice(b"}\n");
    Ok(())
}
