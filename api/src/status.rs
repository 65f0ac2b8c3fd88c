//! The state of the whole, and copies of it: `GET /v1/status`, `POST /v1/backup`.

use std::{collections::BTreeMap, path::PathBuf};

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ostler_driver::ScheduleFigures;
use ostler_job::durable::JobState;
use ostler_machine::clock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Needs, Read},
    body,
    parse::{self, query::NoQuery, shape::fielded, text::quoted},
    problem::{Kind, Problem},
};

/// The state of the whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    version: &'static str,
    /// Jobs that have not finished, by state; null for a token that is bound to a tenant.
    jobs: Option<BTreeMap<&'static str, u64>>,
    /// How long the job that waits longest could have run by now; null: none waits, or the token is bound to a tenant.
    oldest_runnable_seconds: Option<f64>,
    /// Schedules by state: `active`, `paused`, `faulty`, `ended`; null for a token that is bound to a tenant.
    schedules: Option<BTreeMap<&'static str, u64>>,
    /// How many of them are overdue; null for a token that is bound to a tenant.
    schedules_overdue: Option<u64>,
    /// The time zone of schedules that name none.
    zone: String,
    /// The zone data that schedules go by: a folder of the gateway's host or `built in`, and the version if it is known.
    #[schema(example = "/usr/share/zoneinfo (2026a)")]
    zone_data: String,
    /// Runners that are connected.
    runners: usize,
    slots: u32,
    slots_busy: u32,
    /// Bytes of the store, payloads and logs.
    store_bytes: u64,
    /// New jobs are taken.
    accepting: bool,
    /// Why not.
    problem: Option<String>,
}

/// The state of the whole
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "admin",
    operation_id = "getStatus",
    responses((status = 200, description = "The state.", body = StatusView, content_type = "application/json")),
)]
pub(crate) async fn status(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let figures = api.backend().figures();
    let problem = api.backend().problem();
    let backend = api.share();
    let store_bytes = body::blocking(move || backend.size_blocking()).await?;
    let states = JobState::ALL.iter().zip(figures.states);
    let states = states.filter(|(state, _)| !state.is_finished());
    let states = states.map(|(state, count)| (state.code(), count));
    let schedules = ScheduleFigures::STATES.into_iter().zip(figures.schedules.states);
    let (slots, slots_busy) = figures.slots;
    let sees_all = caller.tenant().is_none();
    let status = StatusView {
        version: env!("CARGO_PKG_VERSION"),
        jobs: sees_all.then(|| states.collect()),
        oldest_runnable_seconds: figures
            .oldest_runnable
            .filter(|_| sees_all)
            .map(|since| since.passed(clock::now()).as_secs_f64()),
        schedules: sees_all.then(|| schedules.collect()),
        schedules_overdue: sees_all.then_some(figures.schedules.overdue),
        zone: api.zone().to_owned(),
        zone_data: api.zone_data().to_owned(),
        runners: api.backend().runners().iter().filter(|runner| runner.connected).count(),
        slots,
        slots_busy,
        store_bytes,
        accepting: problem.is_none() && !api.is_draining(),
        problem,
    };
    body::json(StatusCode::OK, &status)
}

/// Where to write a copy of the store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupRequest {
    /// A file of the gateway's host that does not exist yet, absolute.
    #[schema(value_type = String, pattern = "^/[^\\u0000]+$", example = "/var/backups/ostler.db")]
    path: Option<String>,
}

fielded!(BackupRequest);

/// A copy that was written.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupView {
    path: String,
    bytes: u64,
}

/// Write a copy of the store while it is used
#[utoipa::path(
    post,
    path = "/v1/backup",
    tag = "admin",
    operation_id = "backUp",
    request_body = BackupRequest,
    responses((status = 200, description = "It is written.", body = BackupView, content_type = "application/json")),
)]
pub(crate) async fn backup(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Admin>,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (asked, mut notes) = parse::object::<BackupRequest>(&headers, body).await?;
    let path = asked.path.unwrap_or_default();
    if notes.0.is_empty() && (!path.starts_with('/') || path.len() < 2 || path.contains('\0')) {
        notes.add(
            "/path",
            format!("{} is not absolute; write it as /var/backups/ostler.db", quoted(&path)),
        );
    }
    if !notes.0.is_empty() {
        return Err(Problem::fields(notes.0));
    }
    let to = PathBuf::from(&path);
    let exists = {
        let to = to.clone();
        body::blocking(move || to.symlink_metadata().is_ok()).await?
    };
    if exists {
        let detail = format!("{} exists already; choose another name", quoted(&path));
        return Err(Problem::new(Kind::ConflictState, detail).at("/path"));
    }
    let folder = to.parent().map(std::path::Path::to_owned);
    let there = body::blocking(move || folder.is_some_and(|folder| folder.is_dir())).await?;
    if !there {
        let detail = format!(
            "{} is in no folder that exists on the gateway's host; make it first",
            quoted(&path)
        );
        return Err(Problem::new(Kind::ConflictState, detail).at("/path"));
    }
    let bytes = api.backend().backup(caller.name(), to).await?;
    body::json(StatusCode::OK, &BackupView { path, bytes })
}
