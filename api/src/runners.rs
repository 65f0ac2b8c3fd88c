//! `/v1/runners`.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use ostler_driver::{Answer, QueueView as Found};
use ostler_job::{
    JobId,
    durable::QueueName,
    labels::{self, Labels},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Caller, Needs, Operate, Read},
    body,
    jobs::take,
    parse::{
        self,
        query::{Named, NoQuery, Pairs},
        shape::fielded,
        text,
    },
    problem::{Kind, Problem},
    schema::WantedLabels,
    view::Stamp,
};
use crate::backend::{Drained, Forgotten, RunnerView, SlotsSet};

/// The condition of the list.
const LABEL: &str = "label";

/// All runners.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunnerList {
    runners: Vec<Runner>,
}

/// A host that runs jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Runner {
    name: String,
    connected: bool,
    /// It takes no new jobs.
    draining: bool,
    /// By whom and since when it takes none; null: it takes jobs.
    drained: Option<DrainedView>,
    /// Jobs that it runs at once.
    slots: u32,
    /// So many as an operator set; null: as many as it says itself.
    slots_set: Option<u32>,
    /// What it says of its host, in the order of the names.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Labels,
    /// Queues whose jobs go to some runners alone, and to this one as things are now: they are attached to it, or are below one that is.
    queues: Vec<String>,
    /// Ids of the jobs that it has.
    #[schema(value_type = Vec<u64>)]
    running: Vec<JobId>,
    /// When it was heard of last.
    heard_at: Stamp,
}

impl From<RunnerView> for Runner {
    fn from(view: RunnerView) -> Self {
        let RunnerView { name, connected, drained, slots, slots_set, labels, held, heard_at } =
            view;
        let (draining, running, heard_at) = (drained.is_some(), held, Stamp(heard_at));
        let drained = drained.map(|Drained { by, since, broken }| {
            let since = since.map(Stamp);
            DrainedView { by, since, broken }
        });
        let queues = Vec::new();
        Self {
            name,
            connected,
            draining,
            drained,
            slots,
            slots_set,
            labels,
            queues,
            running,
            heard_at,
        }
    }
}

/// The queues that are limited to some runners, each with what limits it.
struct Limited(Vec<(QueueName, Vec<Found>)>);

impl Limited {
    async fn look(api: &Api) -> Self {
        // Who looks for runners since nothing goes is told of them, whatever else cannot be told then.
        let answers = api.backend().look_queues(None, None).await.unwrap_or_default();
        let found = answers.into_iter().filter_map(|answer| {
            let Answer::Queue(found) = answer else { return None };
            Some((found.queue.name.clone(), found))
        });
        let found: BTreeMap<QueueName, Found> = found.collect();
        let is_limited =
            |it: &&Found| it.queue.shape.exclusive || !it.queue.shape.attach.is_empty();
        let limits = |(name, it): (&QueueName, &Found)| {
            let way = it.above.iter().filter_map(|above| found.get(above)).chain([it]);
            let limits: Vec<Found> = way.filter(is_limited).cloned().collect();
            (!limits.is_empty()).then(|| (name.clone(), limits))
        };
        Self(found.iter().filter_map(limits).collect())
    }

    /// Those whose jobs go to this runner.
    fn to(&self, runner: &Runner) -> Vec<String> {
        let meets = |it: &Found| {
            let Found { queue, attachment, .. } = it;
            if queue.shape.exclusive {
                return attachment.holder.as_deref() == Some(&*runner.name);
            }
            queue.shape.attach.iter().any(|it| it.meets(&runner.name, Some(&runner.labels)))
        };
        let to = self.0.iter().filter(|(_, limits)| limits.iter().all(meets));
        to.map(|(name, _)| name.to_string()).collect()
    }
}

/// That a runner takes nothing new.
#[derive(Serialize, ToSchema)]
pub(crate) struct DrainedView {
    /// Whose token it was; null: an older gateway did not keep it.
    by: Option<String>,
    /// Since when; null: an older gateway did not keep it.
    since: Option<Stamp>,
    /// Why nothing can be started there, as the last job told that could not: the gateway drained it, and tries it with one job now and then. Null: somebody wanted it so, or a token of one tenant asks.
    broken: Option<String>,
}

/// How many jobs a runner is to run at once.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"slots": 4}))]
#[serde(deny_unknown_fields)]
pub(crate) struct SlotsRequest {
    /// Jobs at once. To let it take none, drain it.
    #[schema(required = true, minimum = 1, maximum = 10000, value_type = u32)]
    slots: Option<u32>,
}

fielded!(SlotsRequest);

/// List runners
#[utoipa::path(
    get,
    path = "/v1/runners",
    tag = "runners",
    operation_id = "listRunners",
    params(("label" = inline(Option<WantedLabels>), Query, description = "Only those that have this label, `NAME=VALUE`; several times for several, all of which they have.")),
    responses((status = 200, description = "The runners that are connected, or have jobs.", body = RunnerList, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&[LABEL]])?;
    let wanted = wanted(&pairs)?;
    let runners = api.backend().runners().into_iter();
    let mut runners: Vec<Runner> = runners
        .filter(|it| wanted.iter().all(|(name, value)| it.labels.has(name, value)))
        .map(Runner::from)
        .collect();
    let limited = Limited::look(&api).await;
    for runner in &mut runners {
        runner.queues = limited.to(runner);
    }
    if caller.tenant().is_some() {
        for runner in &mut runners {
            // It was somebody's job that told.
            runner.drained.iter_mut().for_each(|it| it.broken = None);
            let found = api.backend().get(std::mem::take(&mut runner.running)).await?;
            let own = found.iter().filter(|job| caller.sees(job));
            runner.running = own.map(|job| job.id).collect();
        }
    }
    body::json(StatusCode::OK, &RunnerList { runners })
}

/// The labels that are asked for.
fn wanted(pairs: &Pairs) -> Result<Vec<(&str, &str)>, Problem> {
    let read = |(_, value)| labels::pair(value);
    pairs
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|detail| Problem::parameter(LABEL, detail))
}

/// Let a runner take nothing new
///
/// What it runs goes on; what waited goes elsewhere.
#[utoipa::path(
    post,
    path = "/v1/runners/{name}/drain",
    tag = "runners",
    operation_id = "drainRunner",
    params(("name" = String, Path, description = "The runner.")),
    responses((status = 200, description = "The runner, as it is now.", body = Runner, content_type = "application/json")),
)]
pub(crate) async fn drain(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Named(name): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    set(&api, &caller, &name, true).await
}

/// Let a runner take jobs again
#[utoipa::path(
    post,
    path = "/v1/runners/{name}/undrain",
    tag = "runners",
    operation_id = "undrainRunner",
    params(("name" = String, Path, description = "The runner.")),
    responses((status = 200, description = "The runner, as it is now.", body = Runner, content_type = "application/json")),
)]
pub(crate) async fn undrain(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Named(name): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    set(&api, &caller, &name, false).await
}

/// Set how many jobs a runner runs at once
///
/// Whatever it says itself, now and when it comes back. What it runs goes on, also where that is more.
#[utoipa::path(
    put,
    path = "/v1/runners/{name}/slots",
    tag = "runners",
    operation_id = "setRunnerSlots",
    params(("name" = String, Path, description = "The runner.")),
    request_body = SlotsRequest,
    responses((status = 200, description = "The runner, as it is now.", body = Runner, content_type = "application/json")),
)]
pub(crate) async fn set_slots(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Named(name): Named,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let (asked, notes) = parse::object::<SlotsRequest>(&headers, body).await?;
    match asked.slots {
        Some(slots) if notes.0.is_empty() => change_slots(&api, &caller, &name, Some(slots)).await,
        _ => Err(Problem::fields(notes.0)),
    }
}

/// Let a runner run as many jobs at once as it says itself
#[utoipa::path(
    delete,
    path = "/v1/runners/{name}/slots",
    tag = "runners",
    operation_id = "unsetRunnerSlots",
    params(("name" = String, Path, description = "The runner.")),
    responses((status = 200, description = "The runner, as it is now.", body = Runner, content_type = "application/json")),
)]
pub(crate) async fn unset_slots(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    Named(name): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    change_slots(&api, &caller, &name, None).await
}

async fn change_slots(
    api: &Api,
    caller: &Caller,
    name: &str,
    slots: Option<u32>,
) -> Result<Response, Problem> {
    match api.backend().set_slots(caller.name(), name, slots).await? {
        SlotsSet::Done => shown(api, name).await,
        SlotsSet::Unknown => Err(take::nobody(api, name)),
        SlotsSet::TakesNone => {
            let name = text::quoted(name);
            let detail = format!(
                "the runner {name} takes no durable jobs: it was started with no slots for them, joined without them, or ends; \
                 start it with --job-slots"
            );
            Err(Problem::new(Kind::ConflictState, detail))
        }
    }
}

/// Remove a runner
///
/// It is forgotten, its certificate is good for nothing any more, and its name is free for another. One that is connected is refused unless
/// this is to be `now`: then its link ends, and what it runs is given up as lost.
#[utoipa::path(
    delete,
    path = "/v1/runners/{name}",
    tag = "admin",
    operation_id = "removeRunner",
    params(
        ("name" = String, Path, description = "The runner."),
        ("now" = Option<bool>, Query, description = "Also while it is connected."),
    ),
    responses((status = 204, description = "It may not come in any more.")),
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Admin>,
    Named(name): Named,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let now = pairs.only(&[&["now"]])?.parsed("now", parse::query::flag)?.unwrap_or(false);
    match api.backend().forget_runner(caller.name(), &name, now).await? {
        Forgotten::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Forgotten::Unknown => Err(take::nobody(&api, &name)),
        Forgotten::Own => {
            let name = text::quoted(&name);
            let detail = format!(
                "the runner {name} is of the gateway's own host and did not join; drain it, or stop it there"
            );
            Err(Problem::new(Kind::ConflictState, detail))
        }
        Forgotten::Connected => {
            let name = text::quoted(&name);
            let detail = format!(
                "the runner {name} is connected; drain it and stop it there first, or remove it with now=true \
                 (`ostler runner remove --now`), and what it runs is lost"
            );
            Err(Problem::new(Kind::ConflictState, detail))
        }
    }
}

async fn set(api: &Api, caller: &Caller, name: &str, drain: bool) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    match api.backend().drain(caller.name(), name, drain).await? {
        true => shown(api, name).await,
        false => Err(take::nobody(api, name)),
    }
}

async fn shown(api: &Api, name: &str) -> Result<Response, Problem> {
    let runner = api.backend().runners().into_iter().find(|runner| runner.name == name);
    match runner.map(Runner::from) {
        Some(mut runner) => {
            runner.queues = Limited::look(api).await.to(&runner);
            body::json(StatusCode::OK, &runner)
        }
        None => Err(take::nobody(api, name)),
    }
}
