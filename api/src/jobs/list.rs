//! `GET /v1/jobs` and `GET /v1/jobs/{id}`.
#![allow(unused_qualifications, reason = "what utoipa's macro writes")]

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_job::durable::{Filter, Query, WaitReason};
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
/// Jobs that are asked for their reasons by one look, and by one answer, about.
const PIECE: usize = 200;
const LOOKS_MAX: usize = 2000;

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
    let (mut filter, waits) =
        query::list_filter(pairs.iter(), view::now()).map_err(Problem::parameters)?;
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
    let found = match waits.is_empty() {
        true => plain(&api, &caller, query).await?,
        false => waiting_for(&api, &caller, query, &waits).await?,
    };
    body::json(StatusCode::OK, &found)
}

/// The jobs of a filter.
async fn plain(api: &Api, caller: &Caller, query: Query) -> Result<JobPage, Problem> {
    let sort = query.sort;
    let page = api.backend().query(caller.name(), query).await?;
    let told = reasons::all_told(api, caller, &page.jobs).await?;
    let jobs = page.jobs.iter().zip(told).map(|(job, told)| JobView::new(job, told)).collect();
    let next = page.next.map(|next| sort::cursor(sort, next));
    Ok(JobPage { jobs, next, partial: page.partial })
}

/// Those of them that wait for one of these. Each that waits is asked for its reason, so one answer looks at so many and no more.
async fn waiting_for(
    api: &Api,
    caller: &Caller,
    mut query: Query,
    waits: &[WaitReason],
) -> Result<JobPage, Problem> {
    let (sort, limit) = (query.sort, query.limit);
    query.limit = PIECE;
    let (mut jobs, mut looked) = (Vec::new(), 0);
    loop {
        let page = api.backend().query(caller.name(), query.clone()).await?;
        let told = reasons::all_told(api, caller, &page.jobs).await?;
        looked += page.jobs.len();
        for (at, (job, told)) in page.jobs.iter().zip(told).enumerate() {
            if !told.as_ref().is_some_and(|told| waits.contains(&told.word)) {
                continue;
            }
            jobs.push(JobView::new(job, told));
            let is_last = at + 1 == page.jobs.len() && page.next.is_none();
            if jobs.len() == limit && !is_last {
                let next = sort.cursor(job).map(|at| sort::cursor(sort, at));
                return Ok(JobPage { jobs, next, partial: false });
            }
        }
        let partial = page.partial || looked >= LOOKS_MAX;
        if page.next.is_none() || partial {
            let next = page.next.map(|next| sort::cursor(sort, next));
            let partial = partial && next.is_some();
            return Ok(JobPage { jobs, next, partial });
        }
        query.after = page.next;
    }
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
