//! `PUT /v1/queues/{name}`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ostler_driver::QueueVerb;
use ostler_job::durable::{QueueShape, Retry, SLOTS_RULE, Slots, TreeFault};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{InPath, attach::selectors, order, view::QueueView};
use crate::{
    Api,
    auth::{Needs, Operate},
    body,
    parse::{
        self, Notes, build, checks,
        query::NoQuery,
        shape::fielded,
        submit,
        text::{LengthOfTime, RateText},
        words::QueueDisciplineName,
    },
    problem::Problem,
};

const COUNT_MAX: u32 = QueueShape::COUNT_MAX;

/// A queue's whole shape: what is left out is as if it had never been set.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QueueRequest, example = json!({"concurrency": 4, "rate": "100/1m", "timeout": "10m"}))]
pub(crate) struct QueueRequest {
    /// Its share beside other queues; 1 unless given.
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<u32>,
    /// The order among its waiting jobs; `promise` unless given.
    discipline: Option<QueueDisciplineName>,
    /// The queue that it is below; at the top unless given.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    parent: Option<String>,
    /// Slots that it has before others borrow them, to the thousandth, where its parent's discipline is `htb`; none unless given.
    #[schema(minimum = 0.001, maximum = 100000)]
    guarantee: Option<f64>,
    /// Slots that it may have there; as many as there are unless given.
    #[schema(minimum = 0.001, maximum = 100000)]
    ceiling: Option<f64>,
    /// Jobs of it, and of the queues below it, that may run at once; as many as there are slots unless given.
    #[schema(minimum = 1, maximum = 10000000)]
    concurrency: Option<u32>,
    /// How many of those may start in which time.
    rate: Option<RateText>,
    #[schema(schema_with = crate::schema::selectors)]
    attach: Option<Vec<String>>,
    /// One of those runners alone has jobs of it at any time.
    exclusive: Option<bool>,
    #[schema(schema_with = crate::schema::tenant_weights)]
    tenant_weights: Option<BTreeMap<String, u32>>,
    /// Jobs of it that each tenant may run at once; as many as all together unless given.
    #[schema(minimum = 1, maximum = 10000000)]
    tenant_concurrency: Option<u32>,
    #[schema(schema_with = crate::schema::tenant_caps)]
    tenant_caps: Option<BTreeMap<String, u32>>,
    /// Jobs that may wait in it; the next one is refused.
    #[schema(minimum = 1, maximum = 10000000)]
    waiting_max: Option<u32>,
    /// How long an attempt may run, for its commands that have no timeout.
    timeout: Option<LengthOfTime>,
    /// The user of its commands that name none, where the runner permits it.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$")]
    user: Option<String>,
    /// How long its jobs that succeeded are kept; as long as others unless given.
    keep_succeeded: Option<LengthOfTime>,
    /// How long its jobs that ended otherwise are kept.
    keep_failed: Option<LengthOfTime>,
    /// For its jobs that name no retry; what is left out of it is as with `default`, 4 attempts from `10s` to `1h`.
    retry: Option<submit::Retry>,
}

fielded!(QueueRequest);

/// Make a queue, or change it
///
/// The whole shape is replaced; its jobs stay, and so does that it is paused or drained. One that the configuration file has is changed
/// there alone. What a queue may be below, and what is guaranteed there, is refused as a whole when the tree of queues cannot have it so.
#[utoipa::path(
    put,
    path = "/v1/queues/{name}",
    tag = "queues",
    operation_id = "putQueue",
    params(("name" = String, Path, description = "The queue: 1 to 64 letters, digits, `.`, `-`, `_`, beginning with a letter or digit.")),
    request_body = QueueRequest,
    responses(
        (status = 200, description = "It was there, and is so now.", body = QueueView, content_type = "application/json"),
        (status = 201, description = "It is new.", body = QueueView, content_type = "application/json"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    InPath(name): InPath,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs_all_tenants()?;
    let (asked, notes) = parse::object::<QueueRequest>(&headers, body).await?;
    let shape = shape(asked, notes)?;
    let found = order(&api, &caller, name, QueueVerb::Put(Box::new(shape))).await?;
    let status = if found.is_new { StatusCode::CREATED } else { StatusCode::OK };
    body::json(status, &QueueView::new(&found, &caller))
}

fn shape(asked: QueueRequest, mut notes: Notes) -> Result<QueueShape, Problem> {
    let notes = &mut notes;
    let (usual, policy) = (QueueShape::default(), Retry::usual());
    let weight = within(asked.weight, QueueShape::WEIGHT_MAX, "/weight", notes);
    let shape = QueueShape {
        weight: weight.unwrap_or(usual.weight),
        discipline: asked.discipline.map_or(usual.discipline, |it| it.0),
        parent: checks::queue(asked.parent.as_deref(), "/parent", notes),
        guarantee: slots(asked.guarantee, "/guarantee", notes),
        ceiling: slots(asked.ceiling, "/ceiling", notes),
        concurrency: within(asked.concurrency, COUNT_MAX, "/concurrency", notes),
        rate: build::parsed(asked.rate.map(|it| it.0), "/rate", notes),
        attach: selectors(asked.attach, "/attach", notes),
        exclusive: asked.exclusive.unwrap_or(usual.exclusive),
        tenant_weights: tenants(
            asked.tenant_weights,
            ("/tenant_weights", QueueShape::WEIGHT_MAX),
            notes,
        ),
        tenant_concurrency: within(
            asked.tenant_concurrency,
            COUNT_MAX,
            "/tenant_concurrency",
            notes,
        ),
        tenant_caps: tenants(asked.tenant_caps, ("/tenant_caps", COUNT_MAX), notes),
        waiting_max: within(asked.waiting_max, COUNT_MAX, "/waiting_max", notes),
        timeout: build::positive(asked.timeout, "/timeout", notes),
        user: asked.user.inspect(|user| checks::user_name(user, notes)),
        retry: asked.retry.map(|retry| build::retry(retry, &policy, notes)),
        keep_succeeded: build::positive(asked.keep_succeeded, "/keep_succeeded", notes),
        keep_failed: build::positive(asked.keep_failed, "/keep_failed", notes),
    };
    if let (Some(guarantee), Some(ceiling)) = (shape.guarantee, shape.ceiling)
        && guarantee > ceiling
    {
        notes.add("/guarantee", TreeFault::AboveCeiling(guarantee, ceiling).to_string());
    }
    std::mem::take(notes).done()?;
    Ok(shape)
}

fn slots(asked: Option<f64>, at: &str, notes: &mut Notes) -> Option<Slots> {
    let slots = asked.and_then(Slots::new);
    if let (Some(number), None) = (asked, slots) {
        notes.add(at, format!("{number} is not allowed; {SLOTS_RULE}"));
    }
    slots
}

/// Numbers by tenant.
fn tenants(
    asked: Option<BTreeMap<String, u32>>,
    (field, max): (&str, u32),
    notes: &mut Notes,
) -> BTreeMap<String, u32> {
    const MOST: usize = QueueShape::TENANTS_MAX;
    let asked = asked.unwrap_or_default();
    if asked.len() > MOST {
        let text = format!("{} tenants are too many; {MOST} are the most", asked.len());
        notes.add(field, text);
    }
    for (tenant, number) in asked.iter().take(MOST) {
        let at = parse::step(field, tenant);
        checks::label(tenant, &at, checks::LABEL_MAX, notes);
        within(Some(*number), max, &at, notes);
    }
    asked
}

fn within(value: Option<u32>, max: u32, at: &str, notes: &mut Notes) -> Option<u32> {
    let bad = value.filter(|value| !(1..=max).contains(value));
    if let Some(value) = bad {
        notes.add(at, format!("{value} is not allowed; expected a whole number from 1 to {max}"));
    }
    value
}
