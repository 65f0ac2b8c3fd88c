//! `GET /v1/jobs` and `GET /v1/jobs/{id}`.
#![allow(unused_qualifications, reason = "what utoipa's macro writes")]

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_job::durable::{Filter, Query};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{Id, find};
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body,
    parse::query::{self, NoQuery, Pairs},
    problem::Problem,
    view::{self, JobDetail, JobView},
};

const LIMIT: usize = 100;
const LIMIT_MAX: u64 = 1000;

/// Conditions, joined by "and".
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what `query::filter` reads")]
pub(crate) struct FilterParams {
    /// States, repeated or as a list with commas; besides the states there are `waiting`, `active`, `unfinished`, `finished`, `failed`.
    #[param(inline, explode = true)]
    state: Option<Vec<crate::openapi::StateWord>>,
    /// Of this tenant.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    tenant: Option<String>,
    /// With this tag; repeated: with all of them.
    #[param(schema_with = crate::openapi::tag_list)]
    tag: Option<Vec<String>>,
    /// Of this identity.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    identity: Option<String>,
    /// That this runner has or had last.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    runner: Option<String>,
    /// Whose last exit status is this, or with `!` any other or a signal.
    #[param(pattern = "^!?0*(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$", example = "!0")]
    exit_status: Option<String>,
    /// Submitted at this time or later: RFC 3339, or a duration for so long ago.
    #[param(schema_with = crate::openapi::when)]
    since: Option<String>,
    /// Submitted before this time.
    #[param(schema_with = crate::openapi::when)]
    until: Option<String>,
    /// With this in the name, the command line or the arguments.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    text: Option<String>,
    /// One of these ids, repeated or as a list with commas; at most 1000.
    #[param(schema_with = crate::openapi::id_list)]
    id: Option<Vec<u64>>,
}

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// Newest first.
    jobs: Vec<JobView>,
    /// The `cursor` of the next page; null: this is the last.
    next: Option<String>,
    /// The look took long and came back before the page was full, perhaps with nothing: `next` goes on from there.
    partial: bool,
}

/// List jobs, newest first
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "listJobs",
    params(
        FilterParams,
        ("limit" = Option<u16>, Query, description = "Jobs on the page; 100 unless given.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The member `next` of the page before.", pattern = "^A[AB][A-Za-z0-9_-]{8}[AEIMQUYcgkosw048]$", example = "AAAAAAAAABE"),
    ),
    responses((status = 200, description = "A page.", body = JobPage, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[query::FILTER, &["limit", "cursor"]])?;
    let mut filter = query::filter(pairs.iter(), view::now()).map_err(Problem::parameters)?;
    let limit = pairs.parsed("limit", |text| query::number(text, 1, LIMIT_MAX))?;
    let below = pairs.parsed("cursor", query::read_cursor)?;
    if !bind(&mut filter, &caller) {
        return body::json(
            StatusCode::OK,
            &JobPage { jobs: Vec::new(), next: None, partial: false },
        );
    }
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT);
    let page = api.backend().query(caller.name(), Query { filter, below, limit }).await?;
    let jobs = page.jobs.iter().map(JobView::new).collect();
    let next = page.next.map(query::cursor);
    body::json(StatusCode::OK, &JobPage { jobs, next, partial: page.partial })
}

/// Confines a filter to what the caller may see; `false`: that is nothing.
pub(crate) fn bind(filter: &mut Filter, caller: &Caller) -> bool {
    let Some(own) = caller.tenant() else { return true };
    match filter.tenant.as_deref() {
        Some(asked) => asked == own,
        None => {
            filter.tenant = Some(own.to_owned());
            true
        }
    }
}

/// Show a job with its attempts
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "getJob",
    params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
    responses((status = 200, description = "The job.", body = JobDetail, content_type = "application/json")),
)]
pub(crate) async fn show(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    Id(id): Id,
    _: NoQuery,
) -> Result<Response, Problem> {
    let job = find(&api, &caller, id).await?;
    let attempts = match job.status.attempts {
        0 => Vec::new(),
        _ => api.backend().attempts(id).await?,
    };
    body::json(StatusCode::OK, &JobDetail::new(&job, &attempts))
}
