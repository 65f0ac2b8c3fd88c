//! What operators do to a queue: `POST /v1/queues/{name}/VERB`.

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_driver::{QueueVerb, Verb};

use super::{InPath, order, view::QueueView};
use crate::{
    Api,
    auth::{Needs, Operate},
    body,
    jobs::bulk::{ActionAnswer, Work},
    parse::{
        conditions::Conditions,
        query::{self, NoQuery, Pairs},
        states::states,
    },
    problem::Problem,
    view,
};

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $verb:expr;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                post,
                path = $path,
                tag = "queues",
                operation_id = $id,
                params(("name" = String, Path, description = "The queue.")),
                responses((status = 200, description = "The queue, as it is now.", body = QueueView, content_type = "application/json")),
            )]
            pub(crate) async fn $name(
                State(api): State<Api>,
                Needs(caller, ..): Needs<Operate>,
                InPath(name): InPath,
                _: NoQuery,
            ) -> Result<Response, Problem> {
                caller.needs_all_tenants()?;
                let found = order(&api, &caller, name, $verb).await?;
                body::json(StatusCode::OK, &QueueView::new(&found, &caller))
            }
        )*
    };
}

verbs! {
    /// Let nothing of a queue start
    ///
    /// It takes new jobs, and what runs goes on. It stays so whatever restarts, until it is resumed.
    pause, "/v1/queues/{name}/pause", "pauseQueue", QueueVerb::Pause;
    /// Let a queue take nothing new
    ///
    /// What waits is worked off, and retried. It stays so whatever restarts, until it is resumed.
    drain, "/v1/queues/{name}/drain", "drainQueue", QueueVerb::Drain;
    /// Let a queue go on that was paused or drained
    resume, "/v1/queues/{name}/resume", "resumeQueue", QueueVerb::Resume;
}

/// Cancel what waits in a queue
///
/// All of it, or those jobs that fit conditions as of `GET /v1/jobs`. What runs goes on.
#[utoipa::path(
    post,
    path = "/v1/queues/{name}/purge",
    tag = "queues",
    operation_id = "purgeQueue",
    params(("name" = String, Path, description = "The queue."), Conditions),
    responses((status = 200, description = "What became of it.", body = ActionAnswer, content_type = "application/json")),
)]
pub(crate) async fn purge(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    pairs: Pairs,
) -> Result<Response, Problem> {
    // The path names the queue.
    let others: Vec<_> =
        Conditions::names().iter().copied().filter(|name| *name != "queue").collect();
    let pairs = pairs.only(&[&others])?;
    let mut filter = query::filter(pairs.iter(), view::now()).map_err(Problem::parameters)?;
    filter.queue = Some(name.clone());
    if filter.states.is_empty() {
        filter.states = states("waiting").map_err(Problem::internal)?;
    }
    let answer = api.backend().look_queues(Some(name.clone()), None).await?.pop();
    super::found(&api, &caller, answer)?;
    let mut work = Work::new(&api, &caller, Verb::Purge(name.clone()));
    work.filter(filter).await?;
    let purged = QueueVerb::Purged(work.answer.done());
    order(&api, &caller, name, purged).await?;
    body::json(StatusCode::OK, &work.answer)
}
