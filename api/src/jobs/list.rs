//! `GET /v1/jobs` and `GET /v1/jobs/{id}`.
#![allow(unused_qualifications, reason = "what utoipa's macro writes")]

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_job::durable::{Filter, Query};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Id, find};
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body,
    parse::{
        conditions::Conditions,
        query::{self, NoQuery, Pairs},
        sort::{self, sort},
    },
    problem::Problem,
    reasons,
    view::{self, JobDetail, JobView},
};

const LIMIT: usize = 100;
const LIMIT_MAX: u64 = 1000;

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// In the order that was asked for; newest first unless one was.
    jobs: Vec<JobView>,
    /// The `cursor` of the next page; null: this is the last.
    next: Option<String>,
    /// The look took long and came back before the page was full, perhaps with nothing: `next` goes on from there.
    partial: bool,
}

/// List jobs
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "listJobs",
    params(
        Conditions,
        ("limit" = Option<u16>, Query, description = "Jobs on the page; 100 unless given.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The member `next` of the page before, which had the same order.", pattern = "^(AQA[A-Za-f][A-Za-z0-9_-]{8}|(A[gw]A[A-Za-f][A-Za-z0-9_-]{8})?A[AB][A-Za-z0-9_-]{8}[AEIMQUYcgkosw048])$", example = "AAAAAAAAABE"),
        ("sort" = Option<String>, Query, description = "In which order; `-id`, the newest first, unless given. `submitted` is the order of ids, since jobs get theirs as they come; `finished` has those alone that have finished.", pattern = "^-?(id|submitted|finished)$", example = "-finished"),
    ),
    responses((status = 200, description = "A page.", body = JobPage, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[Conditions::names(), &["sort", "limit", "cursor"]])?;
    let mut filter = query::filter(pairs.iter(), view::now()).map_err(Problem::parameters)?;
    let limit = pairs.parsed("limit", |text| query::number(text, 1, LIMIT_MAX))?;
    let sort = pairs.parsed("sort", sort)?.unwrap_or_default();
    let after = pairs.parsed("cursor", |text| sort::read_cursor(text, sort))?;
    if !bind(&mut filter, &caller) {
        return body::json(
            StatusCode::OK,
            &JobPage { jobs: Vec::new(), next: None, partial: false },
        );
    }
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT);
    let query = Query { filter, sort, after, limit };
    let page = api.backend().query(caller.name(), query).await?;
    let told = reasons::all_told(&api, &caller, &page.jobs).await?;
    let jobs = page.jobs.iter().zip(told).map(|(job, told)| JobView::new(job, told)).collect();
    let next = page.next.map(|next| sort::cursor(sort, next));
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
    let told = reasons::told(&api, &caller, &job).await?;
    let attempts = match job.status.attempts {
        0 => Vec::new(),
        _ => api.backend().attempts(id).await?,
    };
    body::json(StatusCode::OK, &JobDetail::new(&job, &attempts, told))
}
