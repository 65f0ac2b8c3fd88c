//! `POST /v1/jobs/actions`: the same done to many jobs, named or found by a filter.

use std::collections::BTreeSet;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ostler_driver::{Answer, Verb};
use ostler_job::{
    JobId,
    durable::{Filter, Query},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    actions::{check_host, object},
    list::bind,
    take,
};
use crate::{
    Api,
    auth::{Caller, Needs, Operate},
    body,
    parse::{
        Notes, checks,
        query::{self, NoQuery},
        shape::{Fields, Shape},
        step,
    },
    problem::{Problem, TYPES},
    view,
};

/// Ids in one request, at most.
const IDS_MAX: usize = 10_000;
/// Jobs that are steered at once.
const GROUP: usize = 500;
/// Jobs that one request gets through; there may be more.
const WORK_MAX: usize = 100_000;
/// Refusals that one answer tells.
const REFUSED_MAX: usize = 1000;

/// What is done to which jobs: `ids`, or those of a `filter`.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `read` reads")]
#[schema(example = json!({"action": "retry", "filter": {"state": "dead", "tag": "images"}}))]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionRequest {
    action: ActionName,
    /// For `move`: the runner; null: any.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    host: Option<String>,
    #[schema(schema_with = crate::openapi::ids)]
    ids: Option<Vec<u64>>,
    filter: Option<FilterRequest>,
}

/// What is done.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `read` reads")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionName {
    Cancel,
    Kill,
    Pause,
    Resume,
    Retry,
    Move,
    Delete,
}

/// The conditions of `GET /v1/jobs` by the same names; an empty object means all jobs.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what `read` reads")]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterRequest {
    #[schema(schema_with = crate::openapi::states)]
    state: Option<Vec<String>>,
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    tenant: Option<String>,
    #[schema(schema_with = crate::openapi::some_tags)]
    tag: Option<Vec<String>>,
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    identity: Option<String>,
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    runner: Option<String>,
    #[schema(schema_with = crate::openapi::exit_status)]
    exit_status: Option<String>,
    #[schema(schema_with = crate::openapi::when)]
    since: Option<String>,
    #[schema(schema_with = crate::openapi::when)]
    until: Option<String>,
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    text: Option<String>,
    #[schema(schema_with = crate::openapi::some_ids)]
    id: Option<Vec<u64>>,
}

/// What became of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ActionAnswer {
    /// Jobs that it was done to.
    done: u64,
    /// Those that it was not done to; at most 1000 are told.
    refused: Vec<Refused>,
    /// There are more jobs of the filter; ask again.
    more: bool,
}

/// A job that it was not done to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refused {
    id: u64,
    /// A problem's type.
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

const FIELDS: Fields = &[
    (
        "action",
        Shape::Must(&Shape::Words(&[
            "cancel", "kill", "pause", "resume", "retry", "move", "delete",
        ])),
    ),
    ("host", Shape::Text),
    ("ids", Shape::Wholes(0, (1 << 53) - 1)),
    ("filter", Shape::Table(FILTER)),
];

const FILTER: Fields = &[
    ("state", Shape::OneOrMore),
    ("tenant", Shape::Text),
    ("tag", Shape::OneOrMore),
    ("identity", Shape::Text),
    ("runner", Shape::Text),
    ("exit_status", Shape::OneOrMore),
    ("since", Shape::Text),
    ("until", Shape::Text),
    ("text", Shape::Text),
    ("id", Shape::OneOrMore),
];

enum Which {
    Ids(Vec<JobId>),
    Filter(Box<Filter>),
}

/// Do the same to many jobs
#[utoipa::path(
    post,
    path = "/v1/jobs/actions",
    tag = "jobs",
    operation_id = "actOnJobs",
    request_body = ActionRequest,
    responses((status = 200, description = "What became of it.", body = ActionAnswer, content_type = "application/json")),
)]
pub(crate) async fn act(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Operate>,
    _: NoQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (object, notes) = object(&headers, body, FIELDS).await?;
    let (verb, which) = read(&object, notes)?;
    if let Verb::Move(host) = &verb {
        check_host(&api, host.as_deref())?;
    }
    let mut work = Work { api: &api, caller: &caller, verb, answer: ActionAnswer::default() };
    match which {
        Which::Ids(ids) => work.ids(&ids).await?,
        Which::Filter(filter) => work.filter(*filter).await?,
    }
    body::json(StatusCode::OK, &work.answer)
}

fn read(object: &Map<String, Value>, mut notes: Notes) -> Result<(Verb, Which), Problem> {
    let host = object.get("host").and_then(Value::as_str).map(str::to_owned);
    host.iter().for_each(|host| checks::runner(host, "/host", &mut notes));
    let action = object.get("action").and_then(Value::as_str).unwrap_or_default();
    if host.is_some() && action != "move" {
        notes.add("/host", "is for the action move");
    }
    if action == "move" && !object.contains_key("host") && !notes.any(&["/host"]) {
        notes.add("/host", "is missing; give the name of a runner, or null for any");
    }
    let given = |name: &str| object.get(name).filter(|value| !value.is_null());
    let which = match (
        given("ids").and_then(Value::as_array),
        given("filter").and_then(Value::as_object),
    ) {
        (Some(ids), None) => Which::Ids(each_once(ids.iter().filter_map(Value::as_u64))),
        (None, Some(filter)) => Which::Filter(Box::new(read_filter(filter, &mut notes))),
        _ => {
            if !notes.0.iter().any(|it| {
                it.pointer
                    .as_deref()
                    .is_some_and(|it| it.starts_with("/ids") || it.starts_with("/filter"))
            }) {
                notes.add("/ids", "give exactly one of ids and filter");
            }
            Which::Ids(Vec::new())
        }
    };
    if matches!(&which, Which::Ids(ids) if ids.len() > IDS_MAX) {
        notes.add("/ids", format!("more than {IDS_MAX} ids; ask in several requests"));
    }
    let verb = match action {
        "cancel" => Verb::Cancel,
        "kill" => Verb::Kill,
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "retry" => Verb::Retry,
        "move" => Verb::Move(host),
        _ => Verb::Delete,
    };
    if notes.0.is_empty() { Ok((verb, which)) } else { Err(Problem::fields(notes.0)) }
}

/// What is there twice is done once.
fn each_once(ids: impl Iterator<Item = u64>) -> Vec<JobId> {
    let mut seen = BTreeSet::new();
    ids.map(JobId).filter(|id| seen.insert(*id)).collect()
}

/// The same conditions as in a query, and read by the same function.
fn read_filter(filter: &Map<String, Value>, notes: &mut Notes) -> Filter {
    let mut pairs = Vec::new();
    for (name, value) in filter {
        match value {
            // A list that somebody computed, and that came out empty, means no job and not every one.
            Value::Array(items) if items.is_empty() => {
                let detail = "is empty; name one at least, or leave it out if all are meant";
                notes.add(step("/filter", name), detail);
            }
            Value::Array(items) => {
                pairs.extend(items.iter().map(|item| (name.as_str(), plain(item))))
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                pairs.push((name.as_str(), plain(value)));
            }
        }
    }
    let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
    query::filter(pairs, view::now()).unwrap_or_else(|errors| {
        for error in errors {
            notes.add(step("/filter", &error.parameter.unwrap_or_default()), error.detail);
        }
        Filter::default()
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct Work<'a> {
    api: &'a Api,
    caller: &'a Caller,
    verb: Verb,
    answer: ActionAnswer,
}

impl Work<'_> {
    async fn ids(&mut self, ids: &[JobId]) -> Result<(), Problem> {
        for group in ids.chunks(GROUP) {
            let mut seen = group.to_vec();
            if self.caller.tenant().is_some() {
                let found = self.api.backend().get(seen).await?;
                seen = found.iter().filter(|job| self.caller.sees(job)).map(|job| job.id).collect();
                for id in group.iter().filter(|id| !seen.contains(id)) {
                    self.refuse(*id, &Problem::no_job(id));
                }
            }
            self.steer(seen).await?;
        }
        Ok(())
    }

    /// Page by page, from the newest down, so that what is done does not change what is found.
    async fn filter(&mut self, mut filter: Filter) -> Result<(), Problem> {
        if !bind(&mut filter, self.caller) {
            return Ok(());
        }
        let (mut below, mut seen) = (None, 0);
        loop {
            let query = Query { filter: filter.clone(), below, limit: GROUP };
            let page = self.api.backend().query(self.caller.name(), query).await?;
            seen += page.jobs.len();
            self.steer(page.jobs.iter().map(|job| job.id).collect()).await?;
            below = page.next;
            if below.is_none() {
                return Ok(());
            }
            if seen >= WORK_MAX {
                self.answer.more = true;
                return Ok(());
            }
        }
    }

    async fn steer(&mut self, ids: Vec<JobId>) -> Result<(), Problem> {
        self.caller.is_still_good(self.api.backend())?;
        if ids.is_empty() {
            return Ok(());
        }
        let answers =
            self.api.backend().steer(self.caller.name(), self.verb.clone(), ids.clone()).await?;
        for (id, answer) in ids.into_iter().zip(&answers) {
            match answer {
                Answer::Done { .. } | Answer::Late { .. } => self.answer.done += 1,
                Answer::Unknown => self.refuse(id, &Problem::no_job(id)),
                Answer::Coalesced { .. }
                | Answer::Duplicate { .. }
                | Answer::QueueFull { .. }
                | Answer::Keyed { .. }
                | Answer::WithOthers
                | Answer::Repeated { .. }
                | Answer::NotNow { .. } => self.refuse(id, &take::refusal(answer)),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, id: JobId, problem: &Problem) {
        if self.answer.refused.len() < REFUSED_MAX {
            let kind = format!("{TYPES}{}", problem.kind().name());
            let detail = problem.body().detail.clone();
            self.answer.refused.push(Refused { id: id.0, kind, detail });
        }
    }
}
