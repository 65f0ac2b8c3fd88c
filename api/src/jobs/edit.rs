//! `PATCH /v1/jobs/{id}`: another thing is asked of a job that waits.

use axum::{body::Body, extract::State, response::Response};
use http::HeaderMap;
use ostler_driver::{Answer, Verb};
use ostler_job::{
    JobId,
    durable::{Delivery, Edit, Job, JobState, Work},
};
use ostler_machine::clock;

use super::{Id, actions, actions::check_queue, find, take};
use crate::{
    Api,
    auth::{Needs, Operate},
    parse::{self, edit, edit::EditRequest, query::NoQuery},
    problem::{Kind, Problem},
    view::{self, JobView},
};

/// Change a job that waits
///
/// What is given takes the place of what there is; null takes it away, where it need not be. All of it holds, or nothing is changed. A job
/// that a runner has, or that has finished, is not changed.
#[utoipa::path(
    patch,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "editJob",
    params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
    request_body = EditRequest,
    responses((status = 200, description = "The job, as it is now.", body = JobView, content_type = "application/json")),
)]
pub(crate) async fn edit(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Id(id): Id,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (asked, mut notes) = parse::object::<EditRequest>(&headers, body).await?;
    let edit = edit::read(asked, "", &mut notes);
    if !notes.0.is_empty() {
        return Err(Problem::fields(notes.0));
    }
    check_queue(&api, &caller, edit.queue.as_ref())?;
    let job = find(&api, &caller, id).await?;
    if let Some(problem) = unfit(&job, &edit) {
        return Err(problem);
    }
    actions::steer(&api, &caller, id, Verb::Edit(Box::new(edit))).await
}

/// Why the job cannot be changed so, by what never changes about it.
pub(crate) fn unfit(job: &Job, edit: &Edit) -> Option<Problem> {
    let Job { id, spec, status, .. } = job;
    if status.state.is_finished() {
        return Some(not_now(*id, status.state));
    }
    let problem = |detail: String| Problem::new(Kind::ConflictState, detail).about(*id);
    let module = match &spec.work {
        Work::Shell(_) => None,
        Work::Noop => Some(spec.work.module()),
        Work::Unknown => {
            let detail =
                "what it runs cannot be read here: a later version took it, or it is damaged";
            return Some(problem(format!("job {id} is not edited: {detail}")));
        }
    };
    if let (Some(Some(_)), Some(module)) = (edit.timeout, module) {
        let detail = format!("timeout has no meaning for the module {module}; leave it out");
        return Some(problem(detail).at("/timeout"));
    }
    let attempts = edit.retry.as_ref().map_or(1, |retry| retry.attempts);
    if spec.delivery == Delivery::AtMostOnce && attempts > 1 {
        let detail =
            format!("{attempts} attempts are more than at_most_once allows; leave retry out");
        return Some(problem(detail).at("/retry/attempts"));
    }
    // Of one that was retried after it had expired, that time means nothing any more.
    let expires = spec.expires.filter(|at| *at > view::now())?;
    let start = edit.not_before.flatten().filter(|start| *start >= expires)?;
    let detail = format!(
        "not before {} it would have expired, at {}; make it earlier",
        clock::show(start),
        clock::show(expires)
    );
    Some(problem(detail).at("/not_before"))
}

/// Why a verb was not done, with what may be done instead.
pub(crate) fn refusal(verb: &Verb, answer: &Answer) -> Problem {
    match (verb, answer) {
        (Verb::Edit(_), Answer::NotNow { job, state }) => not_now(*job, *state),
        (Verb::Move { queue, .. }, Answer::NotNow { job, state }) if state.is_out() => {
            let detail = match queue {
                Some(_) => format!(
                    "job {job} is {state}, and is not moved while a runner has it; with relocate it is ended, and waits in the other queue then"
                ),
                None => format!(
                    "job {job} is {state}, and is not moved while a runner has it; cancel it, or wait until it waits again"
                ),
            };
            Problem::new(Kind::ConflictState, detail).about(*job)
        }
        _ => take::refusal(answer),
    }
}

fn not_now(id: JobId, state: JobState) -> Problem {
    let cure = if state.is_finished() {
        "submit another one, or retry it and edit it then"
    } else {
        "a runner has it; edit it when it waits for another attempt, or cancel it and submit another one"
    };
    let detail = format!("job {id} is {state}, and only what waits is edited: {cure}");
    Problem::new(Kind::ConflictState, detail).about(id)
}
