//! `PUT /v1/schedules/{name}`.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode, header};
use ostler_driver::{ScheduleRefusal, ScheduleVerb, ScheduleView as Found};
use ostler_job::{
    Wall,
    durable::{Held, Schedule, ScheduleName, ShapeOwner, Stand},
};

use super::{FIRED_MAX, InPath, look, order, refusal, told, unusable, view::ScheduleView};
use crate::{
    Api,
    auth::{Caller, Needs, Submit},
    jobs::{queued, unrunnable},
    parse::{
        build::Given,
        query::{self, Pairs},
        schedule::{self, Asked, ScheduleRequest},
    },
    problem::{Kind, Problem},
    view,
};

/// Make a schedule, or change it
///
/// One that is new takes the scope `submit`, and so does a change of one that the same token put; a change of another's takes `operate`.
/// Its whole shape is replaced; where it stands stays, and so does that it is paused. With other times than before it goes on from now. One
/// that the configuration file has is changed there alone.
#[utoipa::path(
    put,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    operation_id = "putSchedule",
    params(
        ("name" = String, Path, description = "The schedule: 1 to 64 letters, digits, `.`, `-`, `_`, beginning with a letter or digit."),
        ("dry_run" = Option<bool>, Query, description = "Nothing is kept: the answer is what would be, or what is wrong."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: one of that name that there is is left alone, 409."),
    ),
    request_body = ScheduleRequest,
    responses(
        (status = 200, description = "It was there, and is so now; or it would be so.", body = ScheduleView, content_type = "application/json"),
        (status = 201, description = "It is new.", body = ScheduleView, content_type = "application/json"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Submit>,
    InPath(name): InPath,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["dry_run"]])?;
    let dry_run = pairs.parsed("dry_run", query::flag)?.unwrap_or(false);
    let new_only = new_only(&headers)?;
    let (request, notes) = schedule::object(&headers, body).await?;
    let now = view::now();
    let given = Given { now, tenant: caller.tenant(), admin: caller.is_admin(), waits: false };
    let asked = schedule::asked(request, (&name, api.zone()), given, notes)?;
    fits(&api, &caller, &asked)?;
    let next = api.backend().check_schedule(&name, &asked.shape).map_err(|why| unusable(&why))?;
    if dry_run {
        let found = would_be(&api, &caller, (name, new_only), asked, (now, next)).await?;
        return told(&api, &caller, StatusCode::OK, found).await;
    }
    let Asked { shape, paused, .. } = asked;
    let (shape, others) = (Box::new(shape), caller.may_operate());
    let fired = api.backend().fired_after(name.clone(), now, FIRED_MAX).await?;
    let verb = ScheduleVerb::Put { shape, paused, new_only, others, fired };
    let found = order(&api, &caller, name.clone(), verb).await.map_err(|it| taken(&name, it))?;
    let status = if found.is_new { StatusCode::CREATED } else { StatusCode::OK };
    told(&api, &caller, status, found).await
}

/// Whether one that there is is to be left alone.
fn new_only(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(header::IF_NONE_MATCH).map(|value| value.as_bytes().trim_ascii()) {
        None => Ok(false),
        Some(b"*") => Ok(true),
        Some(_) => Err(Problem::parameter(
            "If-None-Match",
            "is not *, which is all that it may be here; leave it out to change a schedule that there is",
        )),
    }
}

/// Nobody puts what there is not: it is another tenant's.
fn taken(name: &ScheduleName, problem: Problem) -> Problem {
    if problem.kind() == Kind::NotFound {
        return refusal(name, &ScheduleRefusal::Taken);
    }
    problem
}

/// Its job is looked at as one that is submitted now.
fn fits(api: &Api, caller: &Caller, asked: &Asked) -> Result<(), Problem> {
    let spec = &asked.shape.spec;
    let queue = spec.queue.clone().unwrap_or_default();
    if api.backend().queue(&queue).is_none() {
        return Err(queued::unknown(api, caller, &queue).at("/job/queue"));
    }
    let problem = asked
        .refuses_unrunnable
        .then(|| unrunnable::problem(api, spec, &api.backend().runners()))
        .flatten();
    problem.map_or(Ok(()), |problem| Err(problem.within("/job")))
}

/// What there would be.
async fn would_be(
    api: &Api,
    caller: &Caller,
    (name, new_only): (ScheduleName, bool),
    Asked { shape, paused, .. }: Asked,
    (now, next): (Wall, Vec<Wall>),
) -> Result<Found, Problem> {
    let (owner, put_by) = (ShapeOwner::Api, Some(caller.name().to_owned()));
    let before = match look(api, caller, &name).await {
        Ok(found) => Some(found),
        Err(problem) if problem.kind() == Kind::NotFound => None,
        Err(problem) => return Err(problem),
    };
    let Some(before) = before else {
        let held = Held { who: caller.name().to_owned(), since: now };
        let stand = Stand {
            since: now,
            made: now,
            cursor: now,
            paused: paused.then_some(held),
            ..Stand::default()
        };
        let schedule = Arc::new(Schedule { name, shape, owner, put_by, stand });
        return Ok(Found {
            schedule,
            next,
            next_at: None,
            unfinished: Vec::new(),
            waiting: Vec::new(),
            too_long: Vec::new(),
            version: 0,
            is_new: true,
            ran: None,
        });
    };
    if new_only {
        return Err(refusal(&name, &ScheduleRefusal::Taken));
    }
    let mut stand = before.schedule.stand.clone();
    if before.schedule.owner == ShapeOwner::File && stand.ended_at.is_none() {
        return Err(refusal(&name, &ScheduleRefusal::OfFile));
    }
    let is_same = before.schedule.shape == shape && stand.ended_at.is_none();
    if !is_same && !caller.may_operate() && before.schedule.put_by != put_by {
        return Err(refusal(&name, &ScheduleRefusal::Others));
    }
    let put_by = if is_same { before.schedule.put_by.clone() } else { put_by };
    (stand.ended_at, stand.fault, stand.overdue_at) = (None, None, None);
    let schedule = Arc::new(Schedule { name, shape, owner, put_by, stand });
    Ok(Found { schedule, next, next_at: None, ..before })
}
