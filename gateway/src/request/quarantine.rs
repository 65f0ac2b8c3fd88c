//! Where a request meets the quarantine: when it comes, when its child dies, and when it ends.

use http::StatusCode;
use ostler_job::{Span, Termination};
use ostler_machine::{clock, peer::Peer};
use ostler_pool::{
    Pool,
    quarantine::{PROBE_FIRST, RequestKind, Subject},
};

use super::{record::RequestRecord, respond::Refusal, route::Route};

/// What a request asks for, as its job keeps it.
pub(crate) fn subject(record: &RequestRecord, route: &Route) -> Subject {
    Subject {
        enforcer: record.server.quarantine.clone(),
        route: route.counts.name().clone(),
        method: record.method.clone(),
        uri: record.uri.clone(),
        client: Peer::of(record.client),
    }
}

/// Refuses a request whose kind is held back, before its body is read.
pub(crate) fn admit(record: &RequestRecord, route: &Route, pool: &Pool) -> Result<(), Refusal> {
    let quarantine = &record.server.quarantine;
    let Some(kinds) = quarantine.kinds(asked(record, route)) else { return Ok(()) };
    let now = clock::now();
    quarantine.check(&kinds, pool.spare(now), now).map_err(refusal)
}

/// A request has ended; one that a child has finished or failed by itself speaks for its kind.
pub(crate) fn note(record: &RequestRecord) {
    let (Some(passing), Some(route)) = (&record.passing, &record.route) else { return };
    let has_ended = match record.termination {
        Termination::Ok
        | Termination::AppError
        | Termination::AppAborted
        | Termination::GoneReading => true,
        Termination::Answered
        | Termination::BadRequest
        | Termination::NoRoute
        | Termination::BodyTooLarge
        | Termination::BodyTimeout
        | Termination::BodyAborted
        | Termination::GoneWaiting
        | Termination::GoneRunning
        | Termination::QueueFull
        | Termination::TenantFull
        | Termination::QueueTimeout
        | Termination::Deadline
        | Termination::AppFailed
        | Termination::Quarantined
        | Termination::NoRunner
        | Termination::ChildDied
        | Termination::Protocol
        | Termination::Overload => false,
    };
    if has_ended
        && passing.deaths() == 0
        && let Some(kinds) = record.server.quarantine.kinds(asked(record, route))
    {
        record.server.quarantine.survived(&kinds, clock::now());
    }
}

/// What the client of a request that is held back is told.
pub(crate) fn refusal(wait: Span) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Termination::Quarantined)
        .because(
            "requests like this one ended the app's process several times; they are held back",
        );
    refusal.retry_after_s = Some(wait.as_secs_f64().ceil().max(1.0) as u64);
    refusal
}

/// The same for one that waited when its kind began to be held back.
pub(crate) fn refusal_of_waiting() -> Refusal {
    refusal(PROBE_FIRST)
}

fn asked<'a>(record: &'a RequestRecord, route: &'a Route) -> RequestKind<'a> {
    let client = Peer::of(record.client);
    RequestKind { route: route.counts.name(), method: &record.method, uri: &record.uri, client }
}
