//! Who submits, and what.

use std::sync::Arc;

use ostler_driver::NewJob;
use ostler_job::{
    Now, Span,
    durable::{
        Dedupe, DedupeScope, Delivery, OnRetry, ResourceMode, Resources, Retry, Spec, Then, Work,
    },
};

use ostler_tests::Rng;

/// A request that somebody makes, until it is answered.
#[derive(Clone)]
pub(crate) struct Client {
    /// With an idempotency key it is made again when the answer does not come.
    pub(crate) key: Option<String>,
    pub(crate) jobs: Vec<NewJob>,
    pub(crate) answered: bool,
}

impl Client {
    pub(crate) fn new(number: usize, rng: &mut Rng, now: Now) -> Self {
        let count = if rng.one_in(6) { rng.between(2, 12) } else { 1 };
        let jobs = (0..count).map(|_| job(rng, now)).collect();
        let key = rng.one_in(2).then(|| format!("key-{number}"));
        Self { key, jobs, answered: false }
    }
}

/// A serial key or resources, of a few that there are, by what kind of job it is.
fn needs(identity: u64) -> Resources {
    let resources: &[(&str, ResourceMode)] = match identity {
        1 => &[("one", ResourceMode::Shared)],
        2 => &[("one", ResourceMode::Exclusive), ("two", ResourceMode::Shared)],
        _ => &[],
    };
    Resources {
        serial: (identity == 0).then(|| "key".to_owned()),
        resources: resources.iter().map(|&(name, mode)| (name.to_owned(), mode)).collect(),
        on_retry: if identity == 2 { OnRetry::Pass } else { OnRetry::Hold },
    }
}

fn job(rng: &mut Rng, now: Now) -> NewJob {
    let (tenant, kind) = (rng.below(3), rng.below(6));
    let spec = Spec {
        work: Work::Noop,
        name: None,
        tenant: format!("tenant-{tenant}"),
        identity: format!("identity-{kind}"),
        content: None,
        tags: Vec::new(),
        host: rng.one_in(5).then(|| format!("runner-{}", rng.below(3))),
        queue: None,
        not_before: rng
            .one_in(5)
            .then(|| now.wall.after(Span::from_millis(rng.between(0, 60_000)))),
        // One that would expire before it may start is refused.
        expires: rng
            .one_in(8)
            .then(|| now.wall.after(Span::from_millis(rng.between(60_001, 120_000)))),
        within: rng.one_in(3).then(|| Span::from_millis(rng.between(100, 60_000))),
        delivery: if rng.one_in(4) { Delivery::AtMostOnce } else { Delivery::AtLeastOnce },
        retry: retry(rng),
        dedupe: rng.one_in(8).then(|| Dedupe {
            scope: if rng.one_in(2) { DedupeScope::Queued } else { DedupeScope::Done },
            window: Some(Span::from_secs(30)),
            then: if rng.one_in(2) { Then::Reject } else { Then::Coalesce },
        }),
        needs: needs(kind),
        firing: None,
        edited: None,
    };
    NewJob {
        spec: Arc::new(spec),
        paused: rng.one_in(20),
        delayed: rng.one_in(2),
        done_before: None,
    }
}

fn retry(rng: &mut Rng) -> Retry {
    let attempts = rng.between(1, 4) as u32;
    Retry {
        attempts,
        delay: Span::from_millis(rng.between(10, 3_000)),
        delay_max: Span::from_secs(20),
        constant: rng.one_in(3),
        exit_codes: if rng.one_in(4) { vec![75] } else { Vec::new() },
        only_started: attempts.is_multiple_of(2),
    }
}
