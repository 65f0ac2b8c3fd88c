//! What happened: `GET /v1/events` as server-sent events, `GET /v1/audit` as pages.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, response::Response};
use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use ostler_job::durable::{Event, EventKind};
use ostler_job::{Wall, units};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Caller, Needs, Read},
    body::{self, Pipe},
    parse::query::{self, Pairs, flag, number},
    problem::Problem,
    sse,
    view::Stamp,
};

/// Events that are read from the store at once.
const GROUP: usize = 500;
/// Events that one page of the audit trail looks through, at most.
const LOOK_MAX: usize = 50_000;

/// Follow what happens
///
/// Server-sent events named `submitted`, `started`, `retrying`, `finished`, `operator`, `runner`, `edited`, `schedule`, each with its sequence number as
/// id and data `{"seq":…,"at":…,"kind":…,"job":…,"who":…,…}`. Without `after` and `Last-Event-ID`: from now on. A token that is bound to a tenant
/// sees the events of its jobs.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    operation_id = "followEvents",
    params(
        ("after" = Option<u64>, Query, description = "Begin after this sequence number; 0: with the oldest that is kept.", maximum = 9007199254740991_i64),
        ("follow" = Option<bool>, Query, description = "Keep on as more happens, which is the default; else end with the last event there is."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came; wins over `after`.", pattern = "^[0-9]{1,15}$"),
    ),
    responses((status = 200, description = "Events.", content((String = "text/event-stream")))),
)]
pub(crate) async fn events(
    State(api): State<Api>,
    Needs(caller, ..): Needs<Read>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["after", "follow"]])?;
    let follow = pairs.parsed("follow", flag)?.unwrap_or(true);
    let after = pairs.parsed("after", |text| number(text, 0, query::ID_MAX))?;
    let after = match headers.get(sse::LAST_EVENT_ID) {
        None => after,
        Some(value) => Some(
            number(value.to_str().unwrap_or_default(), 0, query::ID_MAX)
                .map_err(|detail| Problem::parameter("Last-Event-ID", detail))?,
        ),
    };
    let live = api.backend().events();
    let (pipe, answer) = body::pipe();
    tokio::spawn(async move {
        let mut reader = Reader { api, caller, pipe, last: after, follow };
        // The client connects again with the last id it has.
        let _ = reader.run(live).await;
    });
    Ok(sse::response(answer))
}

/// The client is gone, the gateway ends, or the store cannot be read.
struct Over;

struct Reader {
    api: Api,
    caller: Caller,
    pipe: Pipe,
    /// The last event that was told; `None`: whichever comes first.
    last: Option<u64>,
    /// More is waited for.
    follow: bool,
}

impl Reader {
    async fn run(&mut self, mut live: broadcast::Receiver<Arc<Event>>) -> Result<(), Over> {
        self.pipe.send(Ok(sse::begin())).await.map_err(|_| Over)?;
        self.catch_up().await?;
        if !self.follow {
            return Ok(());
        }
        loop {
            let heard = tokio::select! {
                heard = live.recv() => heard,
                () = tokio::time::sleep(sse::HEARTBEAT) => {
                    self.pipe.send(Ok(sse::COMMENT.into())).await.map_err(|_| Over)?;
                    continue;
                }
                () = self.api.draining() => return Ok(()),
                () = self.pipe.closed() => return Err(Over),
            };
            match heard {
                Ok(event) => {
                    let mut events = vec![event];
                    while events.len() < GROUP
                        && let Ok(event) = live.try_recv()
                    {
                        events.push(event);
                    }
                    let events: Vec<_> = events.iter().map(|event| &**event).collect();
                    self.tell(&events).await?;
                }
                Err(RecvError::Lagged(_)) => self.catch_up().await?,
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Reads from the store what was committed after the last event told.
    async fn catch_up(&mut self) -> Result<(), Over> {
        while let Some(last) = self.last {
            let events = self.api.backend().tail(last, GROUP).await.map_err(|_| Over)?;
            if events.is_empty() {
                break;
            }
            self.tell(&events.iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, events: &[&Event]) -> Result<(), Over> {
        let seen = self.seen(events).await?;
        let mut out = BytesMut::new();
        for event in events {
            if self.last.is_some_and(|last| event.seq <= last) {
                continue;
            }
            self.last = Some(event.seq);
            if seen.as_ref().is_none_or(|seen| event.job.is_some_and(|job| seen.contains(&job))) {
                let data = view(event);
                let name = data["kind"].as_str().unwrap_or_default();
                out.extend_from_slice(&sse::event(Some(&event.seq.to_string()), name, &data));
            }
        }
        match out.is_empty() {
            true => Ok(()),
            false => self.pipe.send(Ok(out.freeze())).await.map_err(|_| Over),
        }
    }

    /// For a token that is bound to a tenant: which jobs of these events are its own.
    async fn seen(&self, events: &[&Event]) -> Result<Option<BTreeSet<ostler_job::JobId>>, Over> {
        if self.caller.tenant().is_none() {
            return Ok(None);
        }
        let jobs: BTreeSet<_> = events.iter().filter_map(|event| event.job).collect();
        let found = self.api.backend().get(jobs.into_iter().collect()).await.map_err(|_| Over)?;
        Ok(Some(found.iter().filter(|job| self.caller.sees(job)).map(|job| job.id).collect()))
    }
}

/// An event with its particulars beside the rest.
fn view(event: &Event) -> Value {
    let mut detail = serde_json::from_str(&event.detail).unwrap_or_default();
    write_times(&mut detail);
    let view = AuditEvent {
        detail,
        seq: event.seq,
        at: Stamp(event.at),
        kind: event.kind,
        job: event.job.map(|job| job.0),
        who: event.who.clone(),
    };
    serde_json::to_value(view).unwrap_or_default()
}

/// Moments and lengths of time of schedules are kept as numbers, and told as everywhere else.
fn write_times(detail: &mut Map<String, Value>) {
    if !detail.contains_key("schedule") {
        return;
    }
    for key in ["since", "to", "cursor"] {
        if let Some(value) = detail.get_mut(key)
            && let Some(millis) = value.as_u64()
        {
            *value = serde_json::to_value(Stamp(Wall(millis))).unwrap_or_default();
        }
    }
    if let Some(value) = detail.get_mut("expect_within")
        && let Some(nanos) = value.as_u64()
    {
        *value = units::show(nanos / 1_000_000, &units::DURATION).into();
    }
}

/// A page of the audit trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// What operators did, oldest first; each has further members that say what.
    #[schema(value_type = Vec<AuditEvent>)]
    events: Vec<Value>,
    /// `after` of the next page; null: this is the last.
    next: Option<u64>,
}

/// What somebody did.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEvent {
    /// First, so that the others hold where a name is there twice.
    #[serde(flatten)]
    #[schema(ignore)]
    detail: Map<String, Value>,
    seq: u64,
    at: Stamp,
    #[schema(value_type = String, pattern = "^(operator|edited)$")]
    kind: EventKind,
    job: Option<u64>,
    /// The token's name.
    who: Option<String>,
}

/// Who did what
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "events",
    operation_id = "listAudit",
    params(
        ("after" = Option<u64>, Query, description = "Events after this sequence number.", maximum = 9007199254740991_i64),
        ("limit" = Option<u16>, Query, description = "Events on the page; 100 unless given.", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page.", body = AuditPage, content_type = "application/json")),
)]
pub(crate) async fn audit(
    State(api): State<Api>,
    _: Needs<Admin>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let pairs = pairs.only(&[&["after", "limit"]])?;
    let mut after = pairs.parsed("after", |text| number(text, 0, query::ID_MAX))?.unwrap_or(0);
    let limit = pairs.parsed("limit", |text| number(text, 1, 1000))?.unwrap_or(100);
    let limit = usize::try_from(limit).unwrap_or(100);
    let (mut events, mut looked, mut more) = (Vec::new(), 0, true);
    while more && events.len() < limit && looked < LOOK_MAX {
        let found = api.backend().tail(after, GROUP).await?;
        more = found.len() == GROUP;
        for event in found {
            if events.len() == limit {
                more = true;
                break;
            }
            (after, looked) = (event.seq, looked + 1);
            if matches!(event.kind, EventKind::Operator | EventKind::Edited) {
                events.push(view(&event));
            }
        }
    }
    body::json(StatusCode::OK, &AuditPage { events, next: more.then_some(after) })
}
