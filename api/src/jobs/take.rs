//! From built jobs to taken ones: what depends on the present state of things is looked up, then the driver is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ostler_driver::{Answer, EditRefusal, NewJob};
use ostler_job::{
    JobId, Span,
    durable::{DedupeScope, Spec},
};

use super::{queued, unrunnable};
use crate::{
    Api,
    auth::Caller,
    backend::{DoneSince, RunnerView},
    body,
    parse::build::Built,
    problem::{Kind, Problem},
    view,
};

/// Makes jobs ready for the driver; each by itself may turn out impossible.
pub(crate) async fn ready(
    api: &Api,
    caller: &Caller,
    mut built: Vec<Built>,
) -> Result<Vec<Result<NewJob, Problem>>, Problem> {
    let mut runners = None;
    let filled: Vec<_> = built.iter_mut().map(|built| queued::fill(api, caller, built)).collect();
    let payloads = payloads(api, &built).await?;
    let done = done_before(api, &built).await?;
    let mut ready = Vec::with_capacity(built.len());
    for ((mut built, done_before), filled) in built.into_iter().zip(done).zip(filled) {
        let problem = filled
            .or_else(|| unrunnable(api, &built, &mut runners))
            .or_else(|| set_payload(&mut built.spec, &payloads));
        let Built { paused, delayed, .. } = built;
        let job = || NewJob { spec: Arc::new(built.spec), paused, delayed, done_before };
        ready.push(problem.map_or_else(|| Ok(job()), Err));
    }
    Ok(ready)
}

/// Why nobody could run it, if that is not to be waited for.
fn unrunnable(api: &Api, built: &Built, runners: &mut Option<Vec<RunnerView>>) -> Option<Problem> {
    if !built.refuses_unrunnable {
        return None;
    }
    let runners = runners.get_or_insert_with(|| api.backend().runners());
    unrunnable::problem(api, &built.spec, runners)
}

/// The runners that there are.
pub(crate) fn names(api: &Api) -> BTreeSet<String> {
    api.backend().runners().into_iter().map(|runner| runner.name).collect()
}

/// There is no runner of this name.
pub(crate) fn no_runner(host: &str, known: &BTreeSet<String>) -> Problem {
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let there = match known.is_empty() {
        true => "there is none at present".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    Problem::new(Kind::ConflictState, format!("there is no runner {host:?}; {there}"))
}

/// The same of one that a path names.
pub(crate) fn nobody(api: &Api, name: &str) -> Problem {
    Problem::new(Kind::NotFound, no_runner(name, &names(api)).body().detail.clone())
}

/// The sizes of all payloads that jobs name, as far as they exist.
async fn payloads(api: &Api, built: &[Built]) -> Result<BTreeMap<String, u64>, Problem> {
    let names: BTreeSet<String> = built
        .iter()
        .filter_map(|built| built.spec.work.payload())
        .map(|it| it.sha256.clone())
        .collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let backend = api.share();
    // One token submits all of them.
    let tenant = built.iter().find(|built| built.bound).map(|built| built.spec.tenant.clone());
    body::blocking(move || {
        let is_own = |name: &String| match &tenant {
            None => true,
            Some(tenant) => backend.owns_payload_blocking(name, tenant).unwrap_or(false),
        };
        let size = |name: &String| {
            is_own(name).then(|| backend.keep_payload_blocking(name).ok()).flatten()
        };
        names.iter().filter_map(|name| Some((name.clone(), size(name)?))).collect()
    })
    .await
}

fn set_payload(spec: &mut Spec, sizes: &BTreeMap<String, u64>) -> Option<Problem> {
    let payload = spec.work.payload_mut()?;
    match sizes.get(&payload.sha256) {
        Some(bytes) => {
            payload.bytes = *bytes;
            None
        }
        None => {
            let detail =
                format!("there is no payload {}; POST it to /v1/payloads first", payload.sha256);
            Some(Problem::new(Kind::ConflictState, detail).at("/stdin/payload"))
        }
    }
}

/// For each job the one that succeeded within its dedupe window.
async fn done_before(api: &Api, built: &[Built]) -> Result<Vec<Option<JobId>>, Problem> {
    let now = view::now();
    let since = |spec: &Spec| {
        let dedupe = spec.dedupe.as_ref().filter(|it| it.scope == DedupeScope::Done)?;
        let window = dedupe.window?.0 / 1_000_000;
        let since = ostler_job::Wall(now.0.saturating_sub(window));
        let (tenant, identity) = (spec.tenant.clone(), spec.identity.clone());
        Some(DoneSince { tenant, identity, content: spec.content, since })
    };
    let mut done = vec![None; built.len()];
    let mut places = Vec::new();
    let mut kinds = Vec::new();
    for (place, built) in built.iter().enumerate() {
        if let Some(kind) = since(&built.spec) {
            places.push(place);
            kinds.push(kind);
        }
    }
    if !kinds.is_empty() {
        for (place, found) in places.into_iter().zip(api.backend().done_since(kinds).await?) {
            done[place] = found;
        }
    }
    Ok(done)
}

/// What is said of a promise that is not kept, as far as that can be told.
pub(crate) fn late(expected: Span) -> String {
    let seconds = expected.as_secs_f64();
    format!(
        "within cannot be kept: by what waits before it and what it takes, it is expected to be done after about {seconds:.1} s"
    )
}

/// Why the driver did not do what it was asked.
pub(crate) fn refusal(answer: &Answer) -> Problem {
    match answer {
        Answer::Duplicate { job } => Problem::new(
            Kind::Duplicate,
            format!("job {job} is the same and stands for this one, as dedupe asks"),
        )
        .about(*job),
        Answer::QueueFull { queue, retry_after } => {
            let seconds = retry_after.0.div_ceil(1_000_000_000).max(1);
            let detail = match queue {
                None => "as many jobs wait as may, in all or of one tenant; try again later, or raise jobs.waiting_max in the config"
                    .to_owned(),
                Some(queue) => format!(
                    "as many jobs wait in the queue {queue} as may, in all or of one tenant; try again later, or raise its waiting_max"
                ),
            };
            Problem::new(Kind::QueueFull, detail).retry_after(seconds)
        }
        Answer::WithOthers | Answer::Repeated { .. } => {
            let detail = "another job of the batch was refused, and it was to be all or none";
            Problem::new(Kind::ConflictState, detail)
        }
        Answer::Keyed { .. } => {
            let detail = "the Idempotency-Key was used for another request; choose a new one";
            Problem::new(Kind::IdempotencyMismatch, detail)
        }
        Answer::Unknown => Problem::new(Kind::NotFound, "there is no such job"),
        Answer::NotNow { job, state } => Problem::new(
            Kind::ConflictState,
            format!("job {job} is {state}, which does not allow this"),
        )
        .about(*job),
        Answer::EditRefused { job, why } => not_edited(*job, *why),
        Answer::QueueRefused { queue, why } => queued::refusal(queue, why),
        Answer::Done { .. }
        | Answer::Late { .. }
        | Answer::Coalesced { .. }
        | Answer::Queue(_)
        | Answer::Schedule(_)
        | Answer::ScheduleRefused { .. } => Problem::internal("a wrong answer"),
    }
}

/// Why a job that waits was not edited.
fn not_edited(job: JobId, why: EditRefusal) -> Problem {
    let (at, detail) = match why {
        EditRefusal::Spent { failures } => (
            "/retry/attempts",
            format!(
                "job {job} has failed {failures} times and would have no attempt left; give more attempts than that, or cancel it"
            ),
        ),
        EditRefusal::Once => {
            let detail = format!(
                "job {job} is at_most_once and may have started: it is not ended to be started again; wait for its end, or cancel it"
            );
            return Problem::new(Kind::ConflictState, detail).about(job);
        }
        EditRefusal::Begun => (
            "/not_before",
            format!(
                "job {job} was started before, and not_before is for the first attempt; pause it, or retry it to have it tried now"
            ),
        ),
    };
    Problem::new(Kind::ConflictState, detail).about(job).at(at)
}
