//! `GET /v1/jobs/{id}/explain`: why a job waits, what goes before it, and what would let it start sooner.
#![allow(unused_qualifications, reason = "what utoipa's macro writes")]

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_driver::{Explained, Level, Place};
use ostler_job::{
    Span, Wall,
    durable::{Job, JobState},
};
use ostler_machine::clock;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Id, find};
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body,
    parse::{
        query::NoQuery,
        words::{JobReason, QueueDisciplineName, State as StateName},
    },
    problem::Problem,
    reasons::{self, Teller, Told},
    sooner,
    view::{self, HeldView, Stamp},
};

/// Why a job waits, with its place among the others.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobExplanation {
    id: u64,
    state: StateName,
    /// What it waits for, or why it ended so; null: it runs.
    reason: Option<JobReason>,
    /// The same in a sentence, or where it is and since when.
    why: String,
    /// Everything that holds it up now, the first of which is its reason.
    holds: Vec<HoldView>,
    /// What would let it start sooner, as far as that is in somebody's hands.
    sooner: Vec<String>,
    /// Its queue and those above, from there up.
    queues: Vec<LevelView>,
    /// Its tenant's place in its queue; null: it waits for no slot.
    tenant: Option<TenantView>,
    /// Jobs of its tenant in its queue that go before it as things are now; null: it stands in no line.
    before: Option<u32>,
    /// Whether that is exact, or about so many.
    before_is_exact: Option<bool>,
    /// It has missed its promise, and waits with others that have.
    is_late: bool,
    /// When it is expected to start, about; null: something else than others must change first, or it cannot be told.
    start_at: Option<Stamp>,
    /// How long half of the jobs of its kind have run at most; null: none has run here.
    run_seconds_p50: Option<f64>,
    /// How long nine of ten have.
    run_seconds_p90: Option<f64>,
    /// Slots of all runners that take jobs.
    slots: u32,
    /// Those of them that are taken.
    slots_busy: u32,
}

/// Something that holds a job up.
#[derive(Serialize, ToSchema)]
struct HoldView {
    reason: JobReason,
    /// In a sentence.
    why: String,
}

/// A queue on the way from a job to the slots.
#[derive(Serialize, ToSchema)]
struct LevelView {
    /// Its name; null: what shares the slots among the queues at the top.
    name: Option<String>,
    discipline: QueueDisciplineName,
    /// Its weight beside others; null: it is the top.
    weight: Option<u64>,
    /// The weight of all that have jobs for a slot now beside it, and its own; null to a token that is bound to a tenant.
    weight_of_all: Option<u64>,
    /// Its part of what the one above has, from 0 to 1; in hundredths to a token that is bound to a tenant.
    share: Option<f64>,
    /// Jobs that wait there and below for a slot; those of the caller's tenant alone, when it is bound to one.
    waiting: u32,
    /// Jobs that run there and below; of the caller's tenant alone, likewise.
    running: u32,
    /// Something of it may start now.
    open: bool,
    /// Nothing of it starts, since then.
    paused: Option<HeldView>,
    /// Jobs that may run at once; null: as many as there are slots.
    concurrency: Option<u32>,
    /// Jobs of its tenant that may run at once in its own queue; null: as many as all together, or it is one above.
    tenant_max: Option<u32>,
    /// Null: whatever starts.
    rate: Option<String>,
    /// When the rate lets the next job start; null: at once.
    rate_opens_at: Option<Stamp>,
    /// Slots that it has before others borrow them; null: none.
    guarantee: Option<f64>,
    /// Slots that it may use; null: as many as there are.
    ceiling: Option<f64>,
}

/// A tenant in a queue.
#[derive(Serialize, ToSchema)]
struct TenantView {
    name: String,
    weight: u32,
    /// The weight of all tenants that have jobs for a slot now, and its own; null: the queue knows no shares, or the token is bound to a
    /// tenant.
    weight_of_all: Option<u64>,
    /// Its part of what the queue has, from 0 to 1; in hundredths to a token that is bound to a tenant.
    share: Option<f64>,
    /// Its jobs that wait in the queue, for whatever.
    waiting: u64,
    /// Its jobs of the queue that a runner has.
    running: u64,
    /// Slot time that it has had beyond its share, and below zero what it is behind; null: that is not kept.
    ahead_seconds: Option<f64>,
}

/// Explain why a job waits
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/explain",
    tag = "jobs",
    operation_id = "explainJob",
    params(("id" = u64, Path, description = "The job.", maximum = 9007199254740991_i64)),
    responses((status = 200, description = "Its reason and its place.", body = JobExplanation, content_type = "application/json")),
)]
pub(crate) async fn explain(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    Id(id): Id,
    _: NoQuery,
) -> Result<Response, Problem> {
    let job = find(&api, &caller, id).await?;
    let explained = match reasons::waits(&job) {
        true => api.backend().explain(id).await?,
        false => None,
    };
    body::json(StatusCode::OK, &JobExplanation::new(&api, &caller, &job, explained))
}

impl JobExplanation {
    fn new(api: &Api, caller: &Caller, job: &Job, explained: Option<Explained>) -> Self {
        let waits = explained.is_some();
        let explained = explained.unwrap_or_default();
        let teller = Teller::new(api, caller);
        let told = |(at, why)| match at {
            0 => teller.told(why, job),
            _ => teller.told_as_well(why, job),
        };
        let all: Vec<Told> = explained.whys.iter().enumerate().map(told).collect();
        let first = all.first().cloned();
        let of_record = job.status.reason.map(JobReason::Ended);
        let Explained { place, start, takes, slots, .. } = explained;
        Self {
            id: job.id.0,
            state: StateName(job.status.state),
            reason: of_record.or_else(|| first.as_ref().map(|told| told.reason())),
            why: first.map_or_else(|| present(job), |told| told.why),
            holds: all.into_iter().map(HoldView::from).collect(),
            sooner: explained
                .whys
                .iter()
                .filter_map(|why| sooner::cure(why, job, caller))
                .collect(),
            tenant: waits.then(|| TenantView::new(job, &explained, caller)).flatten(),
            queues: explained.levels.iter().map(|it| LevelView::new(it, caller)).collect(),
            before: place.map(shown),
            before_is_exact: place.map(|it| it.is_exact),
            is_late: place.is_some_and(|it| it.is_late),
            start_at: start.map(|wait| Stamp(view::now().after(wait))),
            run_seconds_p50: takes.map(|(p50, _)| p50.as_secs_f64()),
            run_seconds_p90: takes.map(|(_, p90)| p90.as_secs_f64()),
            slots: slots.0,
            slots_busy: slots.1,
        }
    }
}

impl From<Told> for HoldView {
    fn from(told: Told) -> Self {
        Self { reason: told.reason(), why: told.why }
    }
}

impl LevelView {
    fn new(level: &Level, caller: &Caller) -> Self {
        let slots = |millislots: u32| f64::from(millislots) / 1000.0;
        let all = (level.waiting, level.running);
        let (waiting, running) = if caller.tenant().is_some() { level.own } else { all };
        Self {
            name: level.queue.as_ref().map(ToString::to_string),
            discipline: QueueDisciplineName(level.discipline),
            weight: level.share.map(|(weight, _)| weight),
            weight_of_all: of_all(level.share, caller),
            share: part(level.share, caller),
            waiting,
            running,
            open: level.is_open,
            paused: level.paused.as_ref().map(|held| HeldView::new(held, caller)),
            concurrency: level.concurrency,
            tenant_max: level.tenant_max,
            rate: level.rate.map(|rate| rate.to_string()),
            rate_opens_at: level.closed_until.map(Stamp),
            guarantee: (level.guarantee > 0).then(|| slots(level.guarantee)),
            ceiling: level.ceiling.map(slots),
        }
    }
}

impl TenantView {
    fn new(job: &Job, explained: &Explained, caller: &Caller) -> Option<Self> {
        let standing = explained.standing?;
        Some(Self {
            name: job.spec.tenant.clone(),
            weight: standing.weight,
            weight_of_all: of_all(standing.share, caller),
            share: part(standing.share, caller),
            waiting: explained.own.waiting,
            running: explained.own.running,
            ahead_seconds: standing.lead.map(seconds),
        })
    }
}

/// Of a weight and that of all beside it the latter, which is others': one tenant is not told.
fn of_all(share: Option<(u64, u64)>, caller: &Caller) -> Option<u64> {
    share.filter(|_| caller.tenant().is_none()).map(|(_, all)| all)
}

/// The weight as a part of all. To one tenant about so much: it says how long it may take, and not how many others there are.
fn part(share: Option<(u64, u64)>, caller: &Caller) -> Option<f64> {
    let (weight, all) = share.filter(|(_, all)| *all > 0)?;
    let steps = if caller.tenant().is_some() { 100.0 } else { 10_000.0 };
    Some((weight as f64 / all as f64 * steps).round() / steps)
}

/// A count of a sample, as exact as it is.
fn shown(place: Place) -> u32 {
    if place.is_exact { place.before } else { reasons::rounded(place.before) }
}

fn seconds(nanos: i64) -> f64 {
    let span = Span(nanos.unsigned_abs()).as_secs_f64();
    if nanos < 0 { -span } else { span }
}

/// Where a job is that waits for nothing.
fn present(job: &Job) -> String {
    let status = &job.status;
    let at = |moment: Option<Wall>| {
        moment.map_or_else(String::new, |it| format!(" {}", clock::show(it)))
    };
    let runner = status.runner.as_deref().unwrap_or("its runner");
    match (status.state, status.reason) {
        (JobState::Running, _) => format!("it runs on {runner} since{}", at(status.started_at)),
        (JobState::Stopped, _) => {
            format!(
                "its processes are stopped on {runner}; it was started at{}",
                at(status.started_at)
            )
        }
        (state, Some(reason)) => {
            let exit = status
                .exit_status
                .map_or_else(String::new, |it| format!(", with exit status {it}"));
            let signal = status.signal.map_or_else(String::new, |it| format!(", by signal {it}"));
            format!("it is over since{}: {state}, {reason}{exit}{signal}", at(status.finished_at))
        }
        // It has gone on since its record was read.
        (state, None) => format!("it is {state}, and about to be something else"),
    }
}
