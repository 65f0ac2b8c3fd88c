//! `POST /v1/jobs`: one job, or with `application/x-ndjson` many.

use std::time::Duration;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ostler_driver::Answer;
use ostler_job::JobId;
use sha2::{Digest as _, Sha256};

use super::{
    Job, batch, find,
    idempotency::{self, keyed, known, same_text},
    take,
};
use crate::{
    Api,
    auth::{self, Caller, Needs, Submit},
    body,
    parse::{
        self,
        build::Given,
        query::Pairs,
        text::{self, Delay},
    },
    problem::Problem,
    reasons,
    view::{self, JobView},
};

const WAIT_MAX: Duration = Duration::from_secs(3600);
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");
const COALESCED: HeaderName = HeaderName::from_static("ostler-coalesced");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Submit a job, or many
///
/// With `application/json` one job; the answer's `Location` leads to it. With `application/x-ndjson` one job a line: all or none are
/// taken (at most 10,000 lines and 16 MiB), or with `partial=true` the good ones, in groups, answered while they come. An answer says
/// that the jobs survive a power cut.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "submitJobs",
    params(
        ("wait" = Option<Delay>, Query, description = "Answer when the job has finished, or after this long, at the latest after 1h. For one job only."),
        ("partial" = Option<bool>, Query, description = "For batches: take the good jobs and tell which are not."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request, by the same token, however it is written, are answered with the same jobs. 1 to 255 visible ASCII characters.", min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$"),
    ),
    request_body(content(
        (parse::submit::Submit = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 202, description = "Taken. For a batch, one line a job: `{\"line\":1,\"id\":17,\"state\":\"pending\"}`.",
            content((JobView = "application/json"), (String = "application/x-ndjson")),
            headers(("Location" = String, description = "Where the job is, for one job."), ("Idempotent-Replay" = bool, description = "The Idempotency-Key was known."))),
        (status = 200, description = "It has finished within `wait`, or another job stands for it (`Ostler-Coalesced: true`); the answers of a partial batch.",
            content((JobView = "application/json"), (String = "application/x-ndjson")),
            headers(("Location" = String, description = "Where the job is, for one job."), ("Ostler-Coalesced" = bool, description = "It is another job of the same identity."))),
    ),
)]
pub(crate) async fn submit(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Submit>,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["wait", "partial"]])?;
    let wait = pairs.parsed("wait", wait_time)?;
    let partial = pairs.parsed("partial", parse::query::flag)?.unwrap_or(false);
    let key = idempotency::key(&headers)?;
    match body::content_type(&headers).as_deref() {
        Some("application/json") => one(&api, &caller, body, key, wait).await,
        Some("application/x-ndjson") => {
            if wait.is_some() {
                return Err(Problem::parameter(
                    "wait",
                    "is for one job; follow GET /v1/events for a batch",
                ));
            }
            match partial {
                false => batch::all_or_none(&api, &caller, body, key).await,
                true if key.is_some() => Err(Problem::parameter(
                    "Idempotency-Key",
                    "goes with all or none, not with partial=true",
                )),
                true => Ok(batch::partial(api, caller, body)),
            }
        }
        other => Err(body::unsupported(
            other,
            "application/json, or application/x-ndjson for one job a line",
        )),
    }
}

fn wait_time(value: &str) -> Result<Duration, String> {
    Ok(Duration::from_nanos(text::span(value)?.0).min(WAIT_MAX))
}

async fn one(
    api: &Api,
    caller: &Caller,
    body: Body,
    key: Option<String>,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let text = body::read(body, parse::BODY_MAX).await?;
    let hash = Sha256::new_with_prefix(same_text(&text));
    let key = key.map(|key| keyed(caller, &key, hash));
    if let Some(key) = &key
        && let Some(jobs) = known(api, key).await?
    {
        return replay(api, caller, &jobs, wait).await;
    }
    let given = Given {
        now: view::now(),
        tenant: caller.tenant(),
        admin: caller.is_admin(),
        waits: wait.is_some(),
    };
    let built = parse::build::read(&text, given)?;
    let Some(job) = take::ready(api, caller, vec![built]).await?.pop() else {
        return Err(Problem::internal("a job was lost on its way"));
    };
    let answers = api.backend().submit(caller.name(), key, vec![job?], true).await?;
    match answers.first() {
        Some(Answer::Done { job, .. }) => taken(api, caller, *job, wait, None).await,
        Some(Answer::Late { job, expected, .. }) => {
            let warning = take::late(*expected);
            taken_with(api, caller, *job, wait, (None, Some(warning))).await
        }
        Some(Answer::Coalesced { job }) => taken(api, caller, *job, wait, Some(COALESCED)).await,
        Some(Answer::Keyed { jobs, same: true }) => replay(api, caller, jobs, wait).await,
        Some(other) => Err(take::refusal(other)),
        None => Err(Problem::internal("no answer came")),
    }
}

async fn replay(
    api: &Api,
    caller: &Caller,
    jobs: &[JobId],
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    match jobs.first() {
        Some(job) => taken(api, caller, *job, wait, Some(REPLAY)).await,
        None => Err(Problem::internal("the Idempotency-Key has no jobs")),
    }
}

/// The answer for a job that is safe.
async fn taken(
    api: &Api,
    caller: &Caller,
    id: JobId,
    wait: Option<Duration>,
    mark: Option<HeaderName>,
) -> Result<Response, Problem> {
    taken_with(api, caller, id, wait, (mark, None)).await
}

async fn taken_with(
    api: &Api,
    caller: &Caller,
    id: JobId,
    wait: Option<Duration>,
    (mark, warning): (Option<HeaderName>, Option<String>),
) -> Result<Response, Problem> {
    let job = match wait {
        Some(limit) => finished(api, caller, id, limit).await?,
        None => find(api, caller, id).await?,
    };
    let done = wait.is_some() && job.status.state.is_finished();
    let status = match done || mark == Some(COALESCED) {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    let told = reasons::told(api, caller, &job).await?;
    let mut view = JobView::new(&job, told);
    view.warning = warning;
    let mut response = body::json(status, &view)?;
    let location = HeaderValue::try_from(format!("/v1/jobs/{id}")).map_err(Problem::internal)?;
    response.headers_mut().insert(header::LOCATION, location);
    if let Some(mark) = mark {
        response.headers_mut().insert(mark, TRUE);
    }
    Ok(response)
}

/// Waits until a job has finished, the time is over, or the gateway ends.
async fn finished(api: &Api, caller: &Caller, id: JobId, limit: Duration) -> Result<Job, Problem> {
    let until = tokio::time::Instant::now() + limit;
    let mut watch = api.backend().watch(id);
    loop {
        watch.mark_unchanged();
        let job = find(api, caller, id).await?;
        if job.status.state.is_finished() {
            return Ok(job);
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return Ok(job) },
            () = tokio::time::sleep_until(until) => return Ok(job),
            () = api.draining() => return Ok(job),
            () = api.backend().token_over(caller.hash().to_owned()) => {
                return Err(auth::ended(&format!("job {id} was taken, and goes on")));
            }
        }
    }
}
