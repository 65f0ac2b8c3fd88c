//! What operators do to a schedule: `POST /v1/schedules/{name}/VERB`, and `DELETE`.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use ostler_driver::{Answer, ScheduleRefusal, ScheduleVerb};
use ostler_job::{Wall, durable::ScheduleName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{FIRED_MAX, Found, InPath, found, look, order, refusal, told, view::ScheduleView};
use crate::{
    Api,
    auth::{Caller, Needs, Operate},
    parse::{self, build, query::NoQuery, shape::fielded, text::Moment},
    problem::{Kind, Problem},
};

/// How often it is tried to move the cursor of one that fires in between.
const MOVES_MAX: u32 = 5;

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $verb:expr;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                post,
                path = $path,
                tag = "schedules",
                operation_id = $id,
                params(("name" = String, Path, description = "The schedule.")),
                responses((status = 200, description = "The schedule, as it is now.", body = ScheduleView, content_type = "application/json")),
            )]
            pub(crate) async fn $name(
                State(api): State<Api>,
                Needs(caller, ..): Needs<Operate>,
                InPath(name): InPath,
                _: NoQuery,
            ) -> Result<Response, Problem> {
                let found = order(&api, &caller, name, $verb).await?;
                told(&api, &caller, StatusCode::OK, found).await
            }
        )*
    };
}

verbs! {
    /// Let a schedule not fire
    ///
    /// Its jobs go on. It stays so whatever restarts, until it is resumed.
    pause, "/v1/schedules/{name}/pause", "pauseSchedule", ScheduleVerb::Pause;
    /// Let a schedule fire again
    ///
    /// It was paused, or paused itself for a fault that is mended. What came due meanwhile was missed.
    resume, "/v1/schedules/{name}/resume", "resumeSchedule", ScheduleVerb::Resume;
    /// Let a schedule fire once now
    ///
    /// Beside its times, paused or not; what overlap says holds. `ran` is the job.
    run, "/v1/schedules/{name}/run", "runSchedule", ScheduleVerb::Run;
}

/// Where a schedule goes on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CursorRequest, example = json!({"to": "2026-11-25T01:02:03Z"}))]
pub(crate) struct CursorRequest {
    /// What is due up to this moment is decided; what is due after it is decided anew, but for what has a job.
    #[schema(required = true, nullable = false)]
    to: Option<Moment>,
}

fielded!(CursorRequest);

/// Move where a schedule goes on
///
/// Back, so that what came due since is decided anew, as missed; or ahead, so that it does not fire before.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/cursor",
    tag = "schedules",
    operation_id = "moveSchedule",
    params(("name" = String, Path, description = "The schedule.")),
    request_body = CursorRequest,
    responses((status = 200, description = "The schedule, as it is now.", body = ScheduleView, content_type = "application/json")),
)]
pub(crate) async fn cursor(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (asked, mut notes) = parse::object::<CursorRequest>(&headers, body).await?;
    let to = build::parsed(asked.to.map(|it| it.0), "/to", &mut notes);
    let (Some(to), true) = (to, notes.0.is_empty()) else {
        return Err(Problem::fields(notes.0));
    };
    for _ in 0..MOVES_MAX {
        let found = move_cursor(&api, &caller, &name, to).await?;
        if let Some(found) = found {
            return told(&api, &caller, StatusCode::OK, found).await;
        }
    }
    Err(refusal(&name, &ScheduleRefusal::Changed))
}

/// Moves it; `None`: it fired in between, so that it is not known any more what has a job.
async fn move_cursor(
    api: &Api,
    caller: &Caller,
    name: &ScheduleName,
    to: Wall,
) -> Result<Option<Found>, Problem> {
    let version = look(api, caller, name).await?.version;
    let fired = api.backend().fired_after(name.clone(), to, FIRED_MAX).await?;
    if fired.len() >= FIRED_MAX {
        let detail = format!(
            "the schedule {name} has {FIRED_MAX} jobs or more of moments after that, too many to be told from those that have none; name a \
             later moment"
        );
        return Err(Problem::new(Kind::ConflictState, detail).at("/to"));
    }
    let verb = ScheduleVerb::Cursor { to, fired, version };
    let tenant = caller.tenant().map(str::to_owned);
    let answer = api.backend().order_schedule(caller.name(), tenant, name.clone(), verb).await?;
    if matches!(&answer, Answer::ScheduleRefused { why: ScheduleRefusal::Changed, .. }) {
        return Ok(None);
    }
    found(answer).map(Some)
}

/// Delete a schedule
///
/// Its jobs stay. One that the configuration file has is taken out there.
#[utoipa::path(
    delete,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    operation_id = "deleteSchedule",
    params(("name" = String, Path, description = "The schedule.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    _: NoQuery,
) -> Result<Response, Problem> {
    order(&api, &caller, name, ScheduleVerb::Delete).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
