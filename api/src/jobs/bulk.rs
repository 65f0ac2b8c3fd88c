//! `POST /v1/jobs/actions`: the same done to many jobs, named or found by a filter.

use std::collections::{BTreeMap, BTreeSet};

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ostler_driver::{Answer, Verb};
use ostler_job::{
    JobId,
    durable::{Edit, Filter, Query},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    actions::{check_queue, check_relocation},
    edit,
    list::bind,
};
use crate::{
    Api,
    auth::{Caller, Needs, Operate},
    body,
    parse::{
        self, Notes, checks,
        conditions::Conditions,
        edit::EditRequest,
        query::{self, NoQuery},
        shape::{self, fielded},
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
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"action": "retry", "filter": {"state": "dead", "tag": "images"}}))]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionRequest {
    #[schema(value_type = ActionName)]
    action: Option<ActionName>,
    /// For `move`: the runner that they are pinned to; null: any.
    #[serde(default, deserialize_with = "shape::given")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    host: Option<Option<String>>,
    /// For `move`: the queue that they wait in from now on.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    queue: Option<String>,
    /// For `move` to a queue: those that run are ended in order, which is no failure, and wait there then.
    relocate: Option<bool>,
    /// For `edit`: what is changed about them.
    set: Option<EditRequest>,
    #[schema(schema_with = crate::schema::ids)]
    ids: Option<Vec<u64>>,
    filter: Option<Conditions>,
}

fielded!(ActionRequest);

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionName {
    Cancel,
    Kill,
    Pause,
    Resume,
    Retry,
    Move,
    Edit,
    Delete,
}

/// What became of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ActionAnswer {
    /// Jobs that it was done to.
    done: u64,
    /// Those that it was not done to; at most 1000 are told.
    refused: Vec<Refused>,
    /// How many it was not done to, those too that are not told.
    left: u64,
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

/// Where to, of a move that says nothing.
pub(crate) const NOWHERE: &str =
    "is missing; give the name of a runner, or null for any, or the name of a queue";

impl ActionAnswer {
    pub(crate) const fn done(&self) -> u64 {
        self.done
    }

    /// How many jobs it was not done to, and why not to the first of them.
    pub(crate) fn left(&self) -> Option<(u64, &str)> {
        self.refused.first().map(|first| (self.left, &*first.detail))
    }

    /// There are more jobs of the filter.
    pub(crate) const fn has_more(&self) -> bool {
        self.more
    }
}

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
    let (asked, notes) = parse::object::<ActionRequest>(&headers, body).await?;
    let (verb, which) = read(asked, notes)?;
    // A runner that there is not is waited for, as by a new job; a queue is to be there.
    let queue = match &verb {
        Verb::Move { queue, .. } => queue.as_ref(),
        Verb::Edit(edit) => edit.queue.as_ref(),
        Verb::Cancel
        | Verb::Kill
        | Verb::Pause
        | Verb::Resume
        | Verb::Retry
        | Verb::Purge(_)
        | Verb::Delete => None,
    };
    check_queue(&api, &caller, queue)?;
    let mut work = Work::new(&api, &caller, verb);
    match which {
        Which::Ids(ids) => work.ids(&ids).await?,
        Which::Filter(filter) => work.filter(*filter).await?,
    }
    body::json(StatusCode::OK, &work.answer)
}

fn read(asked: ActionRequest, mut notes: Notes) -> Result<(Verb, Which), Problem> {
    let ActionRequest { action, host, queue, relocate, set, ids, filter } = asked;
    let relocate = relocate.unwrap_or(false);
    let moves = action == Some(ActionName::Move);
    if moves && host.is_none() && queue.is_none() && !notes.any(&["/host", "/queue"]) {
        notes.add("/host", NOWHERE);
    }
    host.iter().flatten().for_each(|host| checks::runner(host, "/host", &mut notes));
    if moves {
        check_relocation(relocate, (host.is_some(), queue.is_some()), &mut notes);
    }
    let is_given = [
        ("/host", matches!(host, Some(Some(_)))),
        ("/queue", queue.is_some()),
        ("/relocate", relocate),
    ];
    for (at, _) in is_given.into_iter().filter(|(_, is_given)| *is_given && !moves) {
        notes.add(at, "is for the action move");
    }
    let queue = checks::queue(queue.as_deref(), "/queue", &mut notes);
    let edit = read_edit(action == Some(ActionName::Edit), set, &mut notes);
    let which = match (ids, filter) {
        (Some(ids), None) => Which::Ids(each_once(ids)),
        (None, Some(filter)) => Which::Filter(Box::new(read_filter(&filter, &mut notes))),
        _ => {
            if !notes.of("/ids") && !notes.of("/filter") {
                notes.add("/ids", "give exactly one of ids and filter");
            }
            Which::Ids(Vec::new())
        }
    };
    if matches!(&which, Which::Ids(ids) if ids.len() > IDS_MAX) {
        notes.add("/ids", format!("more than {IDS_MAX} ids; ask in several requests"));
    }
    if !notes.0.is_empty() {
        return Err(Problem::fields(notes.0));
    }
    let verb = match action {
        Some(ActionName::Cancel) => Verb::Cancel,
        Some(ActionName::Kill) => Verb::Kill,
        Some(ActionName::Pause) => Verb::Pause,
        Some(ActionName::Resume) => Verb::Resume,
        Some(ActionName::Retry) => Verb::Retry,
        Some(ActionName::Move) => Verb::Move { host, queue, relocate },
        Some(ActionName::Edit) => Verb::Edit(Box::new(edit)),
        Some(ActionName::Delete) => Verb::Delete,
        None => return Err(Problem::internal("a body without an action was taken")),
    };
    Ok((verb, which))
}

/// What is to be changed about jobs that are edited.
fn read_edit(is_edit: bool, set: Option<EditRequest>, notes: &mut Notes) -> Edit {
    match set {
        Some(set) => {
            if !is_edit {
                notes.add("/set", "is for the action edit");
            }
            parse::edit::read(set, "/set", notes)
        }
        None => {
            if is_edit && !notes.of("/set") {
                notes.add("/set", "is missing; give what is to be changed, {\"within\": \"2h\"}");
            }
            Edit::default()
        }
    }
}

/// What is there twice is done once.
fn each_once(ids: Vec<u64>) -> Vec<JobId> {
    let mut seen = BTreeSet::new();
    ids.into_iter().map(JobId).filter(|id| seen.insert(*id)).collect()
}

/// The same conditions as in a query, and read by the same function.
fn read_filter(filter: &Conditions, notes: &mut Notes) -> Filter {
    let (pairs, empty) = filter.pairs();
    for name in empty {
        let detail = "is empty; name one at least, or leave it out if all are meant";
        notes.add(step("/filter", &name), detail);
    }
    let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
    query::filter(pairs, view::now()).unwrap_or_else(|errors| {
        for error in errors {
            notes.add(step("/filter", &error.parameter.unwrap_or_default()), error.detail);
        }
        Filter::default()
    })
}

/// The same done to jobs, in groups.
pub(crate) struct Work<'a> {
    api: &'a Api,
    caller: &'a Caller,
    verb: Verb,
    pub(crate) answer: ActionAnswer,
}

impl<'a> Work<'a> {
    pub(crate) fn new(api: &'a Api, caller: &'a Caller, verb: Verb) -> Self {
        Self { api, caller, verb, answer: ActionAnswer::default() }
    }

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
    pub(crate) async fn filter(&mut self, mut filter: Filter) -> Result<(), Problem> {
        if !bind(&mut filter, self.caller) {
            return Ok(());
        }
        let (mut after, mut seen) = (None, 0);
        loop {
            let filter = filter.clone();
            let query = Query { filter, after, limit: GROUP, ..Query::default() };
            let page = self.api.backend().query(self.caller.name(), query).await?;
            seen += page.jobs.len();
            self.steer(page.jobs.iter().map(|job| job.id).collect()).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
            if seen >= WORK_MAX {
                self.answer.more = true;
                return Ok(());
            }
        }
    }

    /// Those that may be changed so, by what never changes about them.
    async fn fit(&mut self, ids: Vec<JobId>, edit: &Edit) -> Result<Vec<JobId>, Problem> {
        let found = self.api.backend().get(ids.clone()).await?;
        let unfit = found.iter().filter_map(|job| Some((job.id, edit::unfit(job, edit)?)));
        let unfit: BTreeMap<JobId, Problem> = unfit.collect();
        unfit.iter().for_each(|(id, problem)| self.refuse(*id, problem));
        Ok(ids.into_iter().filter(|id| !unfit.contains_key(id)).collect())
    }

    async fn steer(&mut self, mut ids: Vec<JobId>) -> Result<(), Problem> {
        self.caller.is_still_good(self.api.backend())?;
        if let Verb::Edit(edit) = self.verb.clone() {
            ids = self.fit(ids, &edit).await?;
        }
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
                | Answer::Queue(_)
                | Answer::QueueRefused { .. }
                | Answer::Schedule(_)
                | Answer::ScheduleRefused { .. }
                | Answer::EditRefused { .. }
                | Answer::NotNow { .. } => self.refuse(id, &edit::refusal(&self.verb, answer)),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, id: JobId, problem: &Problem) {
        self.answer.left += 1;
        if self.answer.refused.len() < REFUSED_MAX {
            let kind = format!("{TYPES}{}", problem.kind().name());
            let detail = problem.body().detail.clone();
            self.answer.refused.push(Refused { id: id.0, kind, detail });
        }
    }
}
