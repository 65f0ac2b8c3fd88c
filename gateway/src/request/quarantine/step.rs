//! Where a request meets the quarantine: when it comes, when its child dies, and when it ends.

use std::sync::Arc;

use http::{Method, StatusCode, Uri};
use ostler_job::{Span, Termination};

use super::{Asked, Death, PROBE_FIRST};
use crate::{
    clock,
    event::GatewayEvent,
    gate::Gate,
    peer::Peer,
    pool::{Pool, passing::Passing},
    request::{respond::Refusal, route::Route, trip::Trip},
};

/// What a job asks for, kept with it until its end: its child may die when its client has long left.
#[derive(Debug)]
pub(crate) struct Subject {
    gate: Arc<Gate>,
    route: Arc<Route>,
    method: Method,
    uri: Uri,
    client: Peer,
}

impl Subject {
    pub(in crate::request) fn of(trip: &Trip, route: &Arc<Route>) -> Self {
        let (gate, route) = (trip.gate.clone(), route.clone());
        let client = Peer::of(trip.client);
        Self { gate, route, method: trip.method.clone(), uri: trip.uri.clone(), client }
    }

    fn asked(&self) -> Asked<'_> {
        let Self { route, method, uri, client, .. } = self;
        Asked { route: route.counts.name(), method, uri, client: *client }
    }

    /// A child died while it had the job. Those of its kind that wait are not worth another one.
    pub(crate) fn child_died(&self) {
        let Death { is_news, is_doubtful } = self.gate.quarantine.died(self.asked(), clock::now());
        if is_news {
            self.gate.tell(GatewayEvent::Warning(format!(
                "{} {} ended several children within a minute: such requests are held back, but for a probe now and then",
                self.method,
                self.uri.path(),
            )));
        }
        if !is_news && !is_doubtful {
            return;
        }
        // The caller may hold a carrier, which goes after the pool.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let gate = self.gate.clone();
            runtime.spawn(async move { gate.pools.values().for_each(|pool| pool.hold_back()) });
        }
    }

    /// Whether jobs of this kind are held back.
    pub(crate) fn is_held(&self, spare: u32) -> bool {
        let quarantine = &self.gate.quarantine;
        let kinds = quarantine.kinds(self.asked());
        kinds.is_some_and(|kinds| quarantine.is_held(&kinds, spare, clock::now()))
    }
}

/// Refuses a request whose kind is held back, before its body is read.
pub(in crate::request) fn admit(trip: &Trip, route: &Route, pool: &Pool) -> Result<(), Refusal> {
    let quarantine = &trip.gate.quarantine;
    let Some(kinds) = quarantine.kinds(asked(trip, route)) else { return Ok(()) };
    let now = clock::now();
    quarantine.check(&kinds, pool.spare(now), now).map_err(refusal)
}

/// A request has ended; one that a child has finished or failed by itself speaks for its kind.
pub(in crate::request) fn note(trip: &Trip) {
    let (Some(passing), Some(route)) = (&trip.passing, &trip.route) else { return };
    let has_ended = matches!(
        trip.termination,
        Termination::Ok
            | Termination::AppError
            | Termination::AppAborted
            | Termination::GoneReading
    );
    if has_ended
        && passing.deaths() == 0
        && let Some(kinds) = trip.gate.quarantine.kinds(asked(trip, route))
    {
        trip.gate.quarantine.survived(&kinds, clock::now());
    }
}

/// What the client of a request that is held back is told.
pub(in crate::request) fn refusal(wait: Span) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Termination::Quarantined)
        .because(
            "requests like this one ended the app's process several times; they are held back",
        );
    refusal.retry_after_s = Some(wait.as_secs_f64().ceil().max(1.0) as u64);
    refusal
}

/// The same for one that waited when its kind began to be held back.
pub(in crate::request) fn refusal_of_waiting() -> Refusal {
    refusal(PROBE_FIRST)
}

fn asked<'a>(trip: &'a Trip, route: &'a Route) -> Asked<'a> {
    let client = Peer::of(trip.client);
    Asked { route: route.counts.name(), method: &trip.method, uri: &trip.uri, client }
}

impl Passing {
    /// Whether the job is of a kind that is held back.
    pub(crate) fn is_held_back(&self, spare: u32) -> bool {
        self.subject.get().is_some_and(|subject| subject.is_held(spare))
    }
}
