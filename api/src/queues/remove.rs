//! `DELETE /v1/queues/{name}`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use ostler_driver::{Answer, Places, QueueRefusal, QueueVerb, Verb};
use ostler_job::durable::{Filter, QueueName};

use super::{InPath, found, order};
use crate::{
    Api,
    auth::{Caller, Needs, Operate},
    jobs::{bulk::Work, queued},
    parse::{checks, query::Pairs, states::states},
    problem::{Kind, Problem},
};

/// Delete a queue
///
/// Refused while it has jobs. With `move_to` those that wait go to another queue first: it is paused and drained, and stays so when
/// something keeps it from going, such as a job that runs; asked again it goes on. Jobs that have finished keep its name.
#[utoipa::path(
    delete,
    path = "/v1/queues/{name}",
    tag = "queues",
    operation_id = "deleteQueue",
    params(
        ("name" = String, Path, description = "The queue."),
        ("move_to" = Option<String>, Query, description = "The queue that takes the jobs that wait.", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    ),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    pairs: Pairs,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let pairs = pairs.only(&[&["move_to"]])?;
    let to = pairs.parsed("move_to", checks::queue_name)?;
    let answer = api.backend().order_queue(caller.name(), name.clone(), QueueVerb::Delete).await?;
    if let (Answer::QueueRefused { why: QueueRefusal::HasJobs(places), .. }, Some(to)) =
        (&answer, to)
    {
        empty(&api, &caller, (name, *places), to).await?;
    } else {
        found(&api, &caller, Some(answer))?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Moves what waits, and deletes the queue then.
async fn empty(
    api: &Api,
    caller: &Caller,
    (name, places): (QueueName, Places),
    to: QueueName,
) -> Result<(), Problem> {
    if to == name {
        return Err(Problem::parameter("move_to", "is the queue itself; name another one"));
    }
    if places.running > 0 {
        return Err(queued::has_jobs(&name, places));
    }
    let answer = api.backend().look_queues(Some(to.clone()), None).await?.pop();
    let other = found(api, caller, answer)
        .map_err(|problem| Problem::new(Kind::ConflictState, problem.body().detail.clone()))?;
    if let Some(held) = &other.queue.drained {
        return Err(queued::drained(&to, held));
    }
    order(api, caller, name.clone(), QueueVerb::Pause).await?;
    order(api, caller, name.clone(), QueueVerb::Drain).await?;
    let states = states("waiting").map_err(Problem::internal)?;
    let filter = Filter { queue: Some(name.clone()), states, ..Filter::default() };
    let left = loop {
        let verb = Verb::Move { host: None, queue: Some(to.clone()), relocate: false };
        let mut work = Work::new(api, caller, verb);
        work.filter(filter.clone()).await?;
        // Asked again, those that the other queue does not take would be found again.
        let left = work.answer.left();
        if left.is_some() || !work.answer.has_more() {
            break left.map(|left| queued::not_emptied(&name, left));
        }
    };
    // What was left may have ended by itself.
    order(api, caller, name, QueueVerb::Delete).await.map(drop).map_err(|why| left.unwrap_or(why))
}
