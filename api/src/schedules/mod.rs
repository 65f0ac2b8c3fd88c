//! `/v1/schedules`: the schedules that there are, and one of them.

pub(crate) mod change;
pub(crate) mod firings;
pub(crate) mod steer;
pub(crate) mod view;
mod written;

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::{StatusCode, request::Parts};
use ostler_driver::{Answer, ScheduleRefusal, ScheduleVerb, ScheduleView as Found};
use ostler_job::durable::ScheduleName;

use self::view::{SchedulePage, ScheduleState, ScheduleView};
use super::{
    Api,
    auth::{Caller, Needs, Read, insufficient_scope},
    body,
    jobs::take,
    parse::{
        Notes, checks,
        query::{self, Named, NoQuery, Pairs},
        schedule,
    },
    problem::{Kind, Problem},
};

const LIMIT: usize = 100;
const LIMIT_MAX: u64 = 1000;
/// Schedules that one look tells of, and that one answer looks at.
const PIECE: usize = 1000;
const LOOKED_MAX: usize = 100_000;
/// Jobs that there may be of moments that are to be decided anew.
const FIRED_MAX: usize = 100_000;
/// Firings that a schedule is shown with, by itself and in lists.
const FIRINGS: usize = 5;
const FIRINGS_LISTED: usize = 1;

/// The schedule that a path names.
#[derive(Debug)]
pub(crate) struct InPath(pub(crate) ScheduleName);

impl FromRequestParts<Api> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Named(name) = Named::from_request_parts(parts, api).await?;
        let bad = |detail| Problem::new(Kind::NotFound, detail);
        checks::schedule_name(&name).map(Self).map_err(bad)
    }
}

/// List schedules
///
/// In the order of their names. A token that is bound to a tenant sees those of that tenant.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "schedules",
    operation_id = "listSchedules",
    params(
        ("state" = Option<ScheduleState>, Query, description = "That are so."),
        ("tenant" = Option<String>, Query, description = "Whose jobs are of this tenant.", pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$"),
        ("overdue" = Option<bool>, Query, description = "That are overdue, or not."),
        ("after" = Option<String>, Query, description = "After this name: the member `next` of the page before.", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
        ("limit" = Option<u16>, Query, description = "Schedules on the page; 100 unless given.", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page.", body = SchedulePage, content_type = "application/json")),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["state", "tenant", "overdue", "after", "limit"]])?;
    let state = pairs.parsed("state", ScheduleState::read)?;
    let overdue = pairs.parsed("overdue", query::flag)?;
    let label = |text: &str| checks::label_problem(text, 128).map(|()| text.to_owned());
    let tenant = pairs.parsed("tenant", label)?;
    let after = pairs.parsed("after", checks::schedule_name)?;
    let limit = pairs.parsed("limit", |text| query::number(text, 1, LIMIT_MAX))?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT);
    let own = caller.tenant().map(str::to_owned);
    if let (Some(own), Some(tenant)) = (&own, &tenant)
        && own != tenant
    {
        return body::json(StatusCode::OK, &SchedulePage { schedules: Vec::new(), next: None });
    }
    let fits = |found: &Found| {
        let stand = &found.schedule.stand;
        state.is_none_or(|state| state == ScheduleState::of(stand))
            && overdue.is_none_or(|overdue| overdue == stand.overdue_at.is_some())
    };
    let (found, next) = page(&api, own.or(tenant), (after, limit), fits).await?;
    let schedules = view::all(&api, &caller, found, FIRINGS_LISTED).await?;
    body::json(StatusCode::OK, &SchedulePage { schedules, next })
}

/// Those that fit, and the name after which there may be more.
async fn page(
    api: &Api,
    tenant: Option<String>,
    (mut after, limit): (Option<ScheduleName>, usize),
    fits: impl Fn(&Found) -> bool,
) -> Result<(Vec<Found>, Option<String>), Problem> {
    let (mut fitting, mut looked) = (Vec::new(), 0);
    loop {
        let answers = api.backend().look_schedules(None, tenant.clone(), after, PIECE).await?;
        let found = answers.into_iter().filter_map(|answer| {
            let Answer::Schedule(found) = answer else { return None };
            Some(*found)
        });
        let (mut last, mut count) = (None, 0);
        for found in found {
            count += 1;
            last = Some(found.schedule.name.clone());
            if !fits(&found) {
                continue;
            }
            if fitting.len() == limit {
                let shown = fitting.last().map(|it: &Found| it.schedule.name.to_string());
                return Ok((fitting, shown));
            }
            fitting.push(found);
        }
        looked += count;
        if count < PIECE {
            return Ok((fitting, None));
        }
        if looked >= LOOKED_MAX {
            return Ok((fitting, last.map(|name| name.to_string())));
        }
        after = last;
    }
}

/// Show a schedule
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    operation_id = "getSchedule",
    params(("name" = String, Path, description = "The schedule.")),
    responses((status = 200, description = "The schedule.", body = ScheduleView, content_type = "application/json")),
)]
pub(crate) async fn show(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    InPath(name): InPath,
    _: NoQuery,
) -> Result<Response, Problem> {
    let found = look(&api, &caller, &name).await?;
    told(&api, &caller, StatusCode::OK, found).await
}

/// One schedule, as far as there is one for this caller.
async fn look(api: &Api, caller: &Caller, name: &ScheduleName) -> Result<Found, Problem> {
    let tenant = caller.tenant().map(str::to_owned);
    let answers = api.backend().look_schedules(Some(name.clone()), tenant, None, 1).await?;
    match answers.into_iter().next() {
        Some(answer) => found(answer),
        None => Err(refusal(name, &ScheduleRefusal::Unknown)),
    }
}

/// Has something done to a schedule, and tells it as it is then.
async fn order(
    api: &Api,
    caller: &Caller,
    name: ScheduleName,
    verb: ScheduleVerb,
) -> Result<Found, Problem> {
    let tenant = caller.tenant().map(str::to_owned);
    found(api.backend().order_schedule(caller.name(), tenant, name, verb).await?)
}

fn found(answer: Answer) -> Result<Found, Problem> {
    if let Answer::ScheduleRefused { schedule, why } = &answer {
        return Err(refusal(schedule, why));
    }
    let Answer::Schedule(found) = answer else { return Err(take::refusal(&answer)) };
    Ok(*found)
}

/// An answer that is one schedule.
async fn told(
    api: &Api,
    caller: &Caller,
    status: StatusCode,
    found: Found,
) -> Result<Response, Problem> {
    match view::all(api, caller, vec![found], FIRINGS).await?.pop() {
        Some(view) => body::json(status, &view),
        None => Err(Problem::internal("a schedule was lost on its way")),
    }
}

/// Why nothing was done to a schedule.
fn refusal(name: &ScheduleName, why: &ScheduleRefusal) -> Problem {
    let detail = match why {
        ScheduleRefusal::Unknown => {
            let detail =
                format!("there is no schedule {:?}; GET /v1/schedules lists them", name.as_str());
            return Problem::new(Kind::NotFound, detail);
        }
        ScheduleRefusal::Unusable(why) => return unusable(why),
        ScheduleRefusal::Taken => format!(
            "there is a schedule {name} already; choose another name, or leave If-None-Match out to change it, if it is yours"
        ),
        ScheduleRefusal::OfFile => format!(
            "the schedule {name} is in the configuration file, [schedule.{name}]; change it there, or take it out there, and start the \
             gateway again"
        ),
        ScheduleRefusal::Others => {
            return insufficient_scope(format!(
                "the schedule {name} was not put by this token; to change what others put takes the scope \"operate\""
            ));
        }
        ScheduleRefusal::Ended => format!(
            "the schedule {name} ended with the configuration file that it was in; put it here anew, or write [schedule.{name}] there again \
             and start the gateway again"
        ),
        ScheduleRefusal::Changed => format!(
            "the schedule {name} fired each time that its cursor was to be moved; pause it, move the cursor, and resume it"
        ),
        ScheduleRefusal::NotTaken(why) => format!("the schedule {name} was not run: {why}"),
        ScheduleRefusal::TooManyOfTenant(max) => format!(
            "this tenant has {max} schedules or more, those that others made for it among them, and its tokens make no more (schedules.tenant_max); \
             delete what is not needed, or have the limit raised"
        ),
        ScheduleRefusal::TooMany(max) => {
            format!("there are {max} schedules, as many as may be; delete one that is not needed")
        }
    };
    Problem::new(Kind::ConflictState, detail)
}

/// It is no schedule: what its fields come to together.
fn unusable(why: &str) -> Problem {
    Problem::fields(Notes::one(schedule::field_of(why), why).0)
}
