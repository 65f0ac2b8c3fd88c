//! Which runners a queue's jobs may go to: `POST /v1/queues/{name}/attach` and `detach`.

use std::collections::BTreeSet;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ostler_driver::QueueVerb;
use ostler_job::{Selector, durable::QueueShape};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{InPath, order, view::QueueView};
use crate::{
    Api,
    auth::{Needs, Operate},
    body,
    parse::{self, Notes, query::NoQuery, shape::fielded},
    problem::Problem,
};

/// Runners that a queue is to be attached to as well.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AttachRequest, example = json!({"selectors": ["gpu=a100,zone=b", "runner:r1"]}))]
pub(crate) struct AttachRequest {
    #[schema(schema_with = crate::schema::selectors)]
    selectors: Option<Vec<String>>,
    /// One of those runners alone has jobs of it at any time, or several have; as before unless given.
    exclusive: Option<bool>,
}

/// Runners that a queue is not to be attached to any more.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DetachRequest, example = json!({"selectors": ["gpu=a100,zone=b"]}))]
pub(crate) struct DetachRequest {
    #[schema(schema_with = crate::schema::selectors)]
    selectors: Option<Vec<String>>,
    /// All of them: its jobs may go to every runner, and to several at a time.
    all: Option<bool>,
}

fielded!(AttachRequest, DetachRequest);

/// Attach a queue to runners
///
/// Its jobs go to those that one of the selectors means, and to no others. A selector that means no runner now is taken all the same. What
/// runs elsewhere goes on.
#[utoipa::path(
    post,
    path = "/v1/queues/{name}/attach",
    tag = "queues",
    operation_id = "attachQueue",
    params(("name" = String, Path, description = "The queue.")),
    request_body = AttachRequest,
    responses((status = 200, description = "The queue, as it is now.", body = QueueView, content_type = "application/json")),
)]
pub(crate) async fn attach(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let (asked, mut notes) = parse::object::<AttachRequest>(&headers, body).await?;
    if asked.selectors.is_none() && asked.exclusive.is_none() {
        notes.add("/selectors", "is missing; name some, or say exclusive");
    }
    let selectors = selectors(asked.selectors, "/selectors", &mut notes);
    notes.done()?;
    let verb = QueueVerb::Attach { selectors, exclusive: asked.exclusive };
    let found = order(&api, &caller, name, verb).await?;
    body::json(StatusCode::OK, &QueueView::new(&found, &caller))
}

/// Detach a queue from runners
///
/// Nothing of it begins there after the answer; what runs there goes on. The last selector is not taken away by naming it, since every
/// runner would work the queue then: that is asked for by `all`.
#[utoipa::path(
    post,
    path = "/v1/queues/{name}/detach",
    tag = "queues",
    operation_id = "detachQueue",
    params(("name" = String, Path, description = "The queue.")),
    request_body = DetachRequest,
    responses((status = 200, description = "The queue, as it is now.", body = QueueView, content_type = "application/json")),
)]
pub(crate) async fn detach(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let (asked, mut notes) = parse::object::<DetachRequest>(&headers, body).await?;
    let all = asked.all.unwrap_or(false);
    match &asked.selectors {
        Some(_) if all => notes.add("/all", "and selectors contradict each other; give one"),
        None if !all => notes.add("/selectors", "is missing; name some, or say all"),
        Some(_) | None => {}
    }
    let selectors = selectors(asked.selectors, "/selectors", &mut notes);
    notes.done()?;
    let found = order(&api, &caller, name, QueueVerb::Detach((!all).then_some(selectors))).await?;
    body::json(StatusCode::OK, &QueueView::new(&found, &caller))
}

/// What was written, each read.
pub(super) fn selectors(
    asked: Option<Vec<String>>,
    at: &str,
    notes: &mut Notes,
) -> BTreeSet<Selector> {
    const MOST: usize = QueueShape::ATTACH_MAX;
    let asked = asked.unwrap_or_default();
    if asked.len() > MOST {
        notes.add(at, format!("{} selectors are too many; {MOST} are the most", asked.len()));
    }
    let read = asked.iter().take(MOST).enumerate().filter_map(|(index, text)| {
        let bad = |why| notes.add(parse::step(at, &index.to_string()), why);
        Selector::read(text).map_err(bad).ok()
    });
    read.collect()
}
