//! `/v1/runners`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use ostler_job::{
    JobId,
    labels::{self, Labels},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Caller, Needs, Operate, Read},
    body,
    jobs::take,
    parse::{
        query::{Named, NoQuery, Pairs},
        text,
    },
    problem::{Kind, Problem},
    schema::WantedLabels,
    view::Stamp,
};
use crate::backend::{Forgotten, RunnerView};

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
    /// Jobs that it runs at once.
    slots: u32,
    /// What it says of its host, in the order of the names.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Labels,
    /// Ids of the jobs that it has.
    #[schema(value_type = Vec<u64>)]
    running: Vec<JobId>,
    /// When it was heard of last.
    heard_at: Stamp,
}

impl From<RunnerView> for Runner {
    fn from(view: RunnerView) -> Self {
        let RunnerView { name, connected, draining, slots, labels, held, heard_at } = view;
        let (running, heard_at) = (held, Stamp(heard_at));
        Self { name, connected, draining, slots, labels, running, heard_at }
    }
}

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
    if caller.tenant().is_some() {
        for runner in &mut runners {
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

/// Remove a runner
///
/// Its certificate is good for nothing any more, and its link ends; what it runs is given up as lost. Its name is free for another.
#[utoipa::path(
    delete,
    path = "/v1/runners/{name}",
    tag = "admin",
    operation_id = "removeRunner",
    params(("name" = String, Path, description = "The runner.")),
    responses((status = 204, description = "It may not come in any more.")),
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Admin>,
    Named(name): Named,
    _: NoQuery,
) -> Result<Response, Problem> {
    match api.backend().forget_runner(caller.name(), &name).await? {
        Forgotten::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Forgotten::Unknown => Err(take::nobody(&api, &name)),
        Forgotten::Own => {
            let name = text::quoted(&name);
            let detail = format!(
                "the runner {name} is of the gateway's own host and did not join; drain it, or stop it there"
            );
            Err(Problem::new(Kind::ConflictState, detail))
        }
    }
}

async fn set(api: &Api, caller: &Caller, name: &str, drain: bool) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let known = api.backend().drain(caller.name(), name, drain).await?;
    let runner = api.backend().runners().into_iter().find(|runner| runner.name == name);
    match runner.filter(|_| known) {
        Some(runner) => body::json(StatusCode::OK, &Runner::from(runner)),
        None => Err(take::nobody(api, name)),
    }
}
