//! `/v1/queues`: the queues that there are, and one of them.

pub(crate) mod attach;
pub(crate) mod change;
pub(crate) mod remove;
pub(crate) mod steer;
pub(crate) mod view;

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::{StatusCode, request::Parts};
use ostler_driver::{Answer, QueueVerb, QueueView as Found};
use ostler_job::durable::QueueName;

use self::view::{QueueList, QueueView};
use super::{
    Api,
    auth::{Caller, Needs, Read},
    body,
    jobs::{queued, take},
    parse::{
        query::{Named, NoQuery},
        text,
    },
    problem::{Kind, Problem},
};

/// The queue that a path names.
#[derive(Debug)]
pub(crate) struct InPath(pub(crate) QueueName);

impl FromRequestParts<Api> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Named(name) = Named::from_request_parts(parts, api).await?;
        let rule = ostler_job::name::RULE;
        let bad = || {
            let detail = format!("{} is not the name of a queue; {rule}", text::quoted(&name));
            Problem::new(Kind::NotFound, detail)
        };
        QueueName::new(&name).map(Self).ok_or_else(bad)
    }
}

/// List queues
///
/// A token that is bound to a tenant is told how many jobs of that tenant each of them has.
#[utoipa::path(
    get,
    path = "/v1/queues",
    tag = "queues",
    operation_id = "listQueues",
    responses((status = 200, description = "All queues, in the order of their names.", body = QueueList, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let answers = api.backend().look_queues(None, caller.tenant().map(str::to_owned)).await?;
    let view = |answer: &Answer| {
        let Answer::Queue(found) = answer else { return None };
        Some(QueueView::new(found, &caller))
    };
    let queues = answers.iter().filter_map(view).collect();
    body::json(StatusCode::OK, &QueueList { queues })
}

/// Show a queue
#[utoipa::path(
    get,
    path = "/v1/queues/{name}",
    tag = "queues",
    operation_id = "getQueue",
    params(("name" = String, Path, description = "The queue.")),
    responses((status = 200, description = "The queue.", body = QueueView, content_type = "application/json")),
)]
pub(crate) async fn show(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    InPath(name): InPath,
    _: NoQuery,
) -> Result<Response, Problem> {
    let tenant = caller.tenant().map(str::to_owned);
    let answer = api.backend().look_queues(Some(name), tenant).await?.pop();
    let found = found(&api, &caller, answer)?;
    body::json(StatusCode::OK, &QueueView::new(&found, &caller))
}

/// Has something done to a queue, and tells it as it is then.
pub(crate) async fn order(
    api: &Api,
    caller: &Caller,
    name: QueueName,
    verb: QueueVerb,
) -> Result<Found, Problem> {
    let answer = api.backend().order_queue(caller.name(), name, verb).await?;
    found(api, caller, Some(answer))
}

fn found(api: &Api, caller: &Caller, answer: Option<Answer>) -> Result<Found, Problem> {
    match answer {
        Some(Answer::Queue(found)) => Ok(found),
        Some(other) => Err(match queued::unknown_of(api, caller, &other) {
            // It is in the path.
            Some(problem) => Problem::new(Kind::NotFound, problem.body().detail.clone()),
            None => take::refusal(&other),
        }),
        None => Err(Problem::internal("no answer came")),
    }
}
