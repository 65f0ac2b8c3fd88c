//! `GET /v1/jobs/counts`: how many jobs have what in common.
#![allow(unused_qualifications, reason = "what utoipa's macro writes")]

use std::cmp::Reverse;

use axum::{extract::State, response::Response};
use http::StatusCode;
use ostler_job::durable::{CountQuery, Counts, GroupKey};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::list::bind;
use crate::{
    Api,
    auth::{Caller, Needs, Read},
    body,
    parse::{
        conditions::Conditions,
        query::{self, Pairs},
        text::quoted,
    },
    problem::Problem,
    schema::nullable,
    view,
};

/// Groups of one answer.
const GROUPS_MAX: usize = 1000;

/// How many jobs there are of each group.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobCounts {
    /// What they are counted by.
    by: Vec<&'static str>,
    /// The largest first.
    groups: Vec<JobGroup>,
    /// Of all groups together.
    jobs: u64,
}

/// Jobs that have the same fields, which are those of `by` as a job has them, and how many they are.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct JobGroup(Map<String, Value>);

/// The member that is the number.
const JOBS: &str = "jobs";

impl JobGroup {
    fn new(by: &[GroupKey], values: Vec<Option<String>>, jobs: u64) -> Self {
        let field = |(key, value): (&GroupKey, Option<String>)| {
            let number = value.as_ref().filter(|_| *key == GroupKey::ExitStatus);
            let number = number.and_then(|text| text.parse::<i64>().ok());
            (key.code().to_owned(), number.map_or_else(|| Value::from(value), Value::from))
        };
        let fields = by.iter().zip(values).map(field);
        Self(fields.chain([(JOBS.to_owned(), jobs.into())]).collect())
    }
}

impl PartialSchema for JobGroup {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let mut object = ObjectBuilder::new()
            .description(Some("Jobs that have the same fields, and how many they are."))
            .property(JOBS, number.description(Some("How many they are.")))
            .required(JOBS);
        for key in GroupKey::ALL {
            let kind = if *key == GroupKey::ExitStatus { Type::Integer } else { Type::String };
            let field = ObjectBuilder::new().schema_type(nullable(kind));
            let about = "As the jobs have it, if they were counted by it.";
            object = object.property(key.code(), field.description(Some(about)));
        }
        object.into()
    }
}

impl ToSchema for JobGroup {}

/// Count jobs
///
/// A gateway counts for as long as it takes, in looks of 50 ms that take turns with those of others. A job that changes meanwhile is
/// counted once, as it was or as it is.
#[utoipa::path(
    get,
    path = "/v1/jobs/counts",
    tag = "jobs",
    operation_id = "countJobs",
    params(
        Conditions,
        ("by" = Option<String>, Query, description = "What they are counted by, with commas; all of them together unless given. At most 1000 groups.", pattern = "^(state|reason|tenant|queue|name|identity|runner|host|user|exit_status)(,(state|reason|tenant|queue|name|identity|runner|host|user|exit_status))*$", example = "state,tenant"),
    ),
    responses((status = 200, description = "How many there are.", body = JobCounts, content_type = "application/json")),
)]
pub(crate) async fn counts(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[Conditions::names(), &["by"]])?;
    let mut filter = query::filter(pairs.iter(), view::now()).map_err(Problem::parameters)?;
    let by = pairs.parsed("by", keys)?.unwrap_or_default();
    let counts = match bind(&mut filter, &caller) {
        true => count(&api, &caller, CountQuery { filter, by: by.clone(), below: None }).await?,
        false => Counts::default(),
    };
    let mut groups: Vec<_> = counts.groups.into_iter().collect();
    groups.sort_by_key(|(_, jobs)| Reverse(*jobs));
    let jobs = groups.iter().map(|(_, jobs)| jobs).sum();
    let groups =
        groups.into_iter().map(|(values, jobs)| JobGroup::new(&by, values, jobs)).collect();
    let by = by.into_iter().map(GroupKey::code).collect();
    body::json(StatusCode::OK, &JobCounts { by, groups, jobs })
}

/// Look by look, so that nobody else waits for long.
async fn count(api: &Api, caller: &Caller, mut query: CountQuery) -> Result<Counts, Problem> {
    let mut counts = Counts::default();
    loop {
        let part = api.backend().count(caller.name(), query.clone()).await?;
        part.groups.into_iter().for_each(|(group, jobs)| counts.add(group, jobs));
        if counts.groups.len() > GROUPS_MAX {
            let detail = format!(
                "gives more than {GROUPS_MAX} groups; count fewer jobs, or by what more of them have in common"
            );
            return Err(Problem::parameter("by", detail));
        }
        query.below = part.next;
        if query.below.is_none() {
            return Ok(counts);
        }
        caller.is_still_good(api.backend())?;
    }
}

fn keys(text: &str) -> Result<Vec<GroupKey>, String> {
    let mut keys = Vec::new();
    for word in text.split(',') {
        let key = GroupKey::from_code(word).ok_or_else(|| {
            let words: Vec<_> = GroupKey::ALL.iter().map(|key| key.code()).collect();
            let words = words.join(", ");
            format!("{} is nothing that jobs are counted by; there are {words}", quoted(word))
        })?;
        if keys.contains(&key) {
            return Err(format!("{word} is there twice; once is enough"));
        }
        keys.push(key);
    }
    Ok(keys)
}
