//! What is done to one job: `POST /v1/jobs/{id}/VERB` and `DELETE /v1/jobs/{id}`.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use ostler_driver::{Answer, Verb};
use ostler_job::durable::QueueName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Id, bulk::NOWHERE, edit, find, queued};
use crate::{
    Api,
    auth::{Caller, Needs, Operate},
    body,
    parse::{
        self, Notes, checks,
        query::NoQuery,
        shape::{self, fielded},
    },
    problem::Problem,
    reasons,
    view::JobView,
};

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $verb:expr;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                post,
                path = $path,
                tag = "jobs",
                operation_id = $id,
                params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
                responses((status = 200, description = "The job, as it is now.", body = JobView, content_type = "application/json")),
            )]
            pub(crate) async fn $name(
                State(api): State<Api>,
                Needs(caller, ..): Needs<Operate>,
                Id(id): Id,
                _: NoQuery,
            ) -> Result<Response, Problem> {
                steer(&api, &caller, id, $verb).await
            }
        )*
    };
}

verbs! {
    /// Cancel a job: kept from running, or killed politely
    cancel, "/v1/jobs/{id}/cancel", "cancelJob", Verb::Cancel;
    /// Kill a job at once
    kill, "/v1/jobs/{id}/kill", "killJob", Verb::Kill;
    /// Pause a job: kept from starting, or its processes stopped
    pause, "/v1/jobs/{id}/pause", "pauseJob", Verb::Pause;
    /// Resume a paused job
    resume, "/v1/jobs/{id}/resume", "resumeJob", Verb::Resume;
    /// Run a finished job anew, or a waiting one now
    retry, "/v1/jobs/{id}/retry", "retryJob", Verb::Retry;
}

pub(crate) async fn steer(
    api: &Api,
    caller: &Caller,
    id: ostler_job::JobId,
    verb: Verb,
) -> Result<Response, Problem> {
    apply(api, caller, id, verb).await?;
    let job = find(api, caller, id).await?;
    let told = reasons::told(api, caller, &job).await?;
    body::json(StatusCode::OK, &JobView::new(&job, told))
}

async fn apply(
    api: &Api,
    caller: &Caller,
    id: ostler_job::JobId,
    verb: Verb,
) -> Result<(), Problem> {
    if caller.tenant().is_some() {
        find(api, caller, id).await?;
    }
    match api.backend().steer(caller.name(), verb.clone(), vec![id]).await?.first() {
        Some(Answer::Done { .. }) => Ok(()),
        Some(Answer::Unknown) => Err(Problem::no_job(id)),
        Some(other) => Err(edit::refusal(&verb, other)),
        None => Err(Problem::internal("no answer came")),
    }
}

/// Where to move a job.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"queue": "nightly"}))]
pub(crate) struct MoveRequest {
    /// The runner that it is pinned to from now on; null: any may run it.
    #[serde(default, deserialize_with = "shape::given")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    host: Option<Option<String>>,
    /// The queue that it waits in from now on.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    queue: Option<String>,
    /// One that runs is ended in order, which is no failure, and waits there then; with a queue alone.
    relocate: Option<bool>,
}

fielded!(MoveRequest);

/// Pin a job to a runner or to none, or put it into another queue
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/move",
    tag = "jobs",
    operation_id = "moveJob",
    params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
    request_body = MoveRequest,
    responses((status = 200, description = "The job, as it is now.", body = JobView, content_type = "application/json")),
)]
pub(crate) async fn r#move(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Id(id): Id,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Destination { host, queue, relocate } = move_request(&headers, body).await?;
    check_queue(&api, &caller, queue.as_ref())?;
    steer(&api, &caller, id, Verb::Move { host, queue, relocate }).await
}

struct Destination {
    host: Option<Option<String>>,
    queue: Option<QueueName>,
    relocate: bool,
}

async fn move_request(headers: &HeaderMap, body: Body) -> Result<Destination, Problem> {
    let (asked, mut notes) = parse::object::<MoveRequest>(headers, body).await?;
    let MoveRequest { host, queue, relocate } = asked;
    let relocate = relocate.unwrap_or(false);
    check_relocation(relocate, (host.is_some(), queue.is_some()), &mut notes);
    if host.is_none() && queue.is_none() && notes.0.is_empty() {
        notes.add("/host", NOWHERE);
    }
    host.iter().flatten().for_each(|host| checks::runner(host, "/host", &mut notes));
    let queue = checks::queue(queue.as_deref(), "/queue", &mut notes);
    match notes.0.is_empty() {
        true => Ok(Destination { host, queue, relocate }),
        false => Err(Problem::fields(notes.0)),
    }
}

/// What runs is ended for another queue, and for nothing else.
pub(crate) fn check_relocation(
    relocate: bool,
    (has_host, has_queue): (bool, bool),
    notes: &mut Notes,
) {
    if relocate && (has_host || !has_queue) {
        notes.add("/relocate", "is for a move to a queue alone; name a queue, and no host");
    }
}

/// Jobs are moved to a queue that there is.
pub(crate) fn check_queue(
    api: &Api,
    caller: &Caller,
    queue: Option<&QueueName>,
) -> Result<(), Problem> {
    let missing = queue.filter(|queue| api.backend().queue(queue).is_none());
    missing.map_or(Ok(()), |queue| Err(queued::unknown(api, caller, queue).at("/queue")))
}

/// Forget a finished job with its attempts and logs
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "deleteJob",
    params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Id(id): Id,
    _: NoQuery,
) -> Result<Response, Problem> {
    apply(&api, &caller, id, Verb::Delete).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
