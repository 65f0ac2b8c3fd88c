//! `/v1/jobs`.

pub(crate) mod actions;
pub(crate) mod batch;
pub(crate) mod bulk;
pub(crate) mod counts;
pub(crate) mod edit;
pub(crate) mod explain;
pub(crate) mod idempotency;
pub(crate) mod lines;
pub(crate) mod list;
pub(crate) mod queued;
pub(crate) mod submit;
pub(crate) mod take;
pub(crate) mod unrunnable;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use ostler_job::{JobId, durable::Job};

use super::{Api, auth::Caller, parse::query, problem::Problem};

/// The job that a path names, by number.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) JobId);

impl FromRequestParts<Api> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, api)
            .await
            .map_err(|error| Problem::no_job(error.body_text()))?;
        let number = query::number(&text, 0, query::ID_MAX).map_err(|_| Problem::no_job(&text))?;
        Ok(Self(JobId(number)))
    }
}

/// A job, if there is one that the caller may see.
pub(crate) async fn find(api: &Api, caller: &Caller, id: JobId) -> Result<Job, Problem> {
    let found = api.backend().get(vec![id]).await?.pop();
    found.filter(|job| caller.sees(job)).ok_or_else(|| Problem::no_job(id))
}
