//! `GET /v1/schedules/{name}/firings`.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{InPath, LIMIT, LIMIT_MAX, look, view, view::FiringView};
use crate::{
    Api,
    auth::{Needs, Read},
    body,
    parse::{
        query::{self, Pairs},
        text::moment,
    },
    problem::Problem,
    view::Stamp,
};

/// What became of the moments at which a schedule fires.
#[derive(Serialize, ToSchema)]
pub(crate) struct FiringPage {
    /// The one that was due last first.
    firings: Vec<FiringView>,
    /// The `before` of the next page; null: this is the last. A page may have none, and this all the same.
    next: Option<Stamp>,
}

/// List what became of a schedule's firings
///
/// Each moment at which it was due is there once, for as long as events are kept; several that were missed together are one.
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}/firings",
    tag = "schedules",
    operation_id = "listFirings",
    params(
        ("name" = String, Path, description = "The schedule."),
        ("before" = Option<String>, Query, description = "That were due before this moment.", format = DateTime, pattern = "^(19[7-9][1-9]|[2-9][0-9]{3})-"),
        ("limit" = Option<u16>, Query, description = "Firings on the page; 100 unless given.", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page.", body = FiringPage, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    InPath(name): InPath,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["before", "limit"]])?;
    let before = pairs.parsed("before", moment)?;
    let limit = pairs.parsed("limit", |text| query::number(text, 1, LIMIT_MAX))?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT);
    let made = look(&api, &caller, &name).await?.schedule.stand.made;
    let mut firings = api.backend().firings(name, before, limit + 1).await?;
    let more = firings.len() > limit;
    firings.truncate(limit);
    let next = firings.last().filter(|_| more).map(|it| Stamp(it.due));
    let firings =
        view::firings(&api, &caller, vec![(made, firings)]).await?.pop().unwrap_or_default();
    body::json(StatusCode::OK, &FiringPage { firings, next })
}
