//! Enters the queue with a request, and waits for its answer.

use std::{future::poll_fn, sync::Arc};

use http::StatusCode;
use ostler_job::{Span, Termination};
use ostler_machine::clock;
use ostler_pool::{
    Entry, Pool,
    carrier::Passing,
    passing::{Answer, Failure, Outgoing, Step, Terms},
};
use ostler_wire::Reset;

use super::{
    failure,
    pump::{self, Rest, Sending},
};
use crate::request::{
    Refusal, RequestRecord, Route, quarantine,
    spool::{self, Body},
};

/// A job in the hands of its request. Dropping it gives back its place, or tells the child that nobody wants the answer.
#[derive(Debug)]
pub(super) struct ForwardedJob {
    pub(super) passing: Arc<Passing>,
    sending: Sending,
}

impl ForwardedJob {
    /// Takes the rest of the answer for nobody.
    pub(super) async fn let_end(self) {
        while let Some(Ok(piece)) = poll_fn(|cx| self.passing.poll_piece(cx)).await {
            if let Some(assignment) = self.passing.assignment() {
                assignment.carrier.consumed(
                    assignment.stream,
                    piece.len(),
                    self.passing.pieces_bytes(),
                );
            }
        }
    }
}

impl Drop for ForwardedJob {
    fn drop(&mut self) {
        if !self.passing.is_ended() {
            self.passing.fail(Failure::from(Termination::GoneRunning));
            self.passing.pool.leave(&self.passing, Reset::ClientGone);
        }
    }
}

/// Refuses at once what could only wait in vain, before the body is read.
pub(super) fn admit(record: &RequestRecord, pool: &Pool) -> Result<(), Refusal> {
    match pool.is_failed() {
        true => Err(app_failed(record, pool)),
        false => Ok(()),
    }
}

/// Waits in the queue and for the answer's head.
pub(super) async fn send(
    record: &mut RequestRecord,
    route: &Route,
    pool: &Arc<Pool>,
    outgoing: Outgoing,
    body: Body,
) -> Result<(ForwardedJob, Answer), Refusal> {
    let limits = &route.timeouts;
    let now = clock::now();
    if record.is_past_deadline() {
        return Err(late());
    }
    let terms = Terms {
        first_byte: clock::span(limits.first_byte),
        progress: clock::span(limits.progress),
        deadline: record.deadline,
        idempotent: route.idempotent,
    };
    let mut rest = Rest::new(body, outgoing.more, limits.body, route.body_max);
    let passing =
        Arc::new(Passing::new(Pool::next_job(), pool.clone(), record.began, terms, outgoing));
    if let Some(route) = &record.route {
        passing.is_about(quarantine::subject(record, route));
    }
    record.passing = Some(passing.clone());
    let mut job = ForwardedJob { passing, sending: Sending::NONE };
    let entry = Entry {
        tenant: &record.tenant,
        weight: route.weight(&record.tenant),
        within: route.within,
        expires: now + clock::span(limits.queue),
    };
    pool.enter(&job.passing, &entry);
    loop {
        let step = poll_fn(|cx| job.passing.poll_step(cx)).await;
        record.started = job.passing.started_at();
        match step {
            Ok(Step::Send(assignment)) => job.sending = rest.start(&job.passing, assignment),
            Ok(Step::Answer(answer)) => {
                if let Some(assignment) = job.passing.assignment() {
                    assignment.carrier.consumed(assignment.stream, answer.first.len(), 0);
                }
                return Ok((job, answer));
            }
            Err(failure) => {
                record.ended = Some(clock::now());
                return Err(refusal(record, pool, failure));
            }
        }
    }
}

/// What a failure means for the client.
fn refusal(record: &RequestRecord, pool: &Pool, failure: Failure) -> Refusal {
    let Failure { termination, detail } = failure;
    let retry = |reason| {
        let wait = pool.next_start().max(Span::from_secs(1)).as_secs_f64().ceil() as u64;
        unavailable(termination, wait.min(300), reason)
    };
    let mut refusal = match termination {
        Termination::QueueFull => retry("too many requests are waiting"),
        Termination::TenantFull => retry("too many of your requests are waiting"),
        Termination::QueueTimeout if !pool.is_ready() => {
            unavailable(Termination::NoRunner, 5, "no child of the app is ready")
        }
        Termination::QueueTimeout => retry("no child became free in time"),
        Termination::AppFailed => app_failed(record, pool),
        Termination::Quarantined => quarantine::refusal_of_waiting(),
        Termination::Deadline => late(),
        Termination::AppError => failure::app_error(record, &detail),
        Termination::BodyTimeout | Termination::BodyAborted | Termination::BodyTooLarge => {
            Refusal::new(pump::status(termination), termination).closing()
        }
        Termination::BadRequest => {
            Refusal::malformed(StatusCode::BAD_REQUEST, spool::MALFORMED).closing()
        }
        Termination::ChildDied => Refusal::new(StatusCode::BAD_GATEWAY, termination)
            .because("the app's process died while it worked on the request"),
        Termination::Overload => unavailable(termination, 5, "the server lacks a resource"),
        Termination::Protocol
        | Termination::AppAborted
        | Termination::Ok
        | Termination::Answered
        | Termination::NoRoute
        | Termination::GoneWaiting
        | Termination::GoneRunning
        | Termination::GoneReading
        | Termination::NoRunner => Refusal::new(StatusCode::BAD_GATEWAY, termination)
            .because("the app gave no proper answer"),
    };
    refusal.detail = detail;
    refusal
}

fn late() -> Refusal {
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, Termination::Deadline)
        .because("the app took too long")
}

fn unavailable(termination: Termination, wait_s: u64, reason: &'static str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, termination).because(reason);
    refusal.retry_after_s = Some(wait_s);
    refusal
}

/// The app does not boot: its developer sees why, everybody else when to come back.
fn app_failed(record: &RequestRecord, pool: &Pool) -> Refusal {
    let mut refusal = unavailable(Termination::AppFailed, 5, "the app is not available");
    if let Some((_, state)) = pool.states().into_iter().find(|(_, s)| s.failure.is_some()) {
        failure::boot_failure(record, pool, &state, &mut refusal);
    }
    refusal
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        collections::BTreeMap,
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use bytes::{Bytes, BytesMut};
    use ostler_job::Mono;

    use super::*;
    use crate::{
        config::{self, Config},
        measure::{BenchGateway, Rig, config},
    };

    /// A config with an app to which every route leads.
    pub(in super::super) fn with_app(mut config: Config) -> Config {
        let app = config::App {
            queue_max: 10,
            tenant_queue_max: 10,
            tenant_slots_max: None,
            discipline: config::Discipline::Promise,
            prefetch_max: 0,
        };
        config.apps.insert("app".into(), app);
        let minute = Duration::from_secs(60);
        config.routes.push(config::Route {
            host: None,
            path: "/".into(),
            to: config::TargetConfig::App("app".into()),
            within: Duration::from_secs(1),
            tenant: config::TenantKey::None,
            tenant_names: BTreeMap::new(),
            tenant_listed: false,
            weights: BTreeMap::new(),
            stream_request: false,
            stream_response: false,
            idempotent: false,
            timeouts: config::Timeouts {
                body: minute,
                queue: minute,
                first_byte: minute,
                progress: minute,
                total: Duration::ZERO,
            },
            body_max: 1 << 20,
        });
        config
    }

    fn outgoing() -> Outgoing {
        Outgoing { frame: BytesMut::new(), queue_us_at: 0, more: false, replayable: true }
    }

    /// A job that is in no queue.
    pub(in super::super) fn job(pool: &Arc<Pool>) -> ForwardedJob {
        let minute = Span::from_secs(60);
        let terms =
            Terms { first_byte: minute, progress: minute, deadline: None, idempotent: false };
        let passing = Passing::new(Pool::next_job(), pool.clone(), Mono(0), terms, outgoing());
        ForwardedJob { passing: Arc::new(passing), sending: Sending::NONE }
    }

    #[tokio::test]
    async fn what_is_over_when_its_body_is_there_enters_no_queue() {
        let state = tempfile::tempdir().unwrap();
        let standing = BenchGateway::new(&with_app(config(state.path()))).unwrap();
        let rig = Rig::new(standing.server());
        let (mut record, route, pool) = rig.routed(standing.pools());
        for (deadline, is_over) in [(Some(Mono(1)), true), (None, false)] {
            record.deadline = deadline;
            let body = Body::Memory(Bytes::new());
            let mut sent = pin!(send(&mut record, &route, &pool, outgoing(), body));
            match sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Err(refusal)) => assert_eq!(refusal.termination, Termination::Deadline),
                Poll::Ready(Ok(_)) => panic!("nobody answers"),
                Poll::Pending => assert!(!is_over),
            }
            assert_eq!(pool.load().0, usize::from(!is_over), "{deadline:?}");
        }
    }
}
