//! Queues as the API shows them.

use std::collections::BTreeMap;

use ostler_driver::{Met, QueueView as Found, RunnerName};
use ostler_job::{
    Span,
    durable::{Held, Slots},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::Caller,
    parse::words::{QueueDisciplineName, ShapeOwnerName},
    view::{HeldView, RetryView},
};

/// All queues.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueList {
    pub(crate) queues: Vec<QueueView>,
}

/// A queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueView {
    name: String,
    /// Who may change its shape: the API, or the configuration file alone.
    owner: ShapeOwnerName,
    /// Nothing of it starts, since then; null: it is not paused.
    paused: Option<HeldView>,
    /// It takes no new jobs, since then; null: it does.
    drained: Option<HeldView>,
    /// Jobs that wait in it, for whatever.
    waiting: u64,
    /// Jobs of it that a runner has.
    running: u64,
    weight: u32,
    discipline: QueueDisciplineName,
    /// The queue that it is below; null: it is at the top.
    parent: Option<String>,
    /// The queues that it is below, from the top down, and itself.
    path: Vec<String>,
    /// Slots that it has before others borrow them; null: none.
    guarantee: Option<f64>,
    /// Slots that it may have; null: as many as there are.
    ceiling: Option<f64>,
    /// Jobs of it, and of the queues below it, that may run at once; null: as many as there are slots.
    concurrency: Option<u32>,
    /// Null: whatever starts.
    rate: Option<String>,
    /// What it is attached by; none: its jobs may go to every runner.
    attach: Vec<String>,
    /// By each of those, the runners that are connected and meant; none: no runner is so now.
    matches: BTreeMap<String, Vec<String>>,
    /// One runner alone has jobs of it at any time.
    exclusive: bool,
    /// That runner; null: there is none, or it is not exclusive.
    holder: Option<String>,
    /// Runners whose jobs of it end before that one starts any.
    awaited: Vec<String>,
    /// Those of the caller's tenant alone, when it is bound to one.
    tenant_weights: BTreeMap<String, u32>,
    /// Jobs of it that each tenant may run at once; null: as many as all together.
    tenant_concurrency: Option<u32>,
    /// The same of tenants that it is another number for, of the caller's alone when it is bound to one.
    tenant_caps: BTreeMap<String, u32>,
    /// Jobs that may wait in it; null: as many as in all queues together.
    waiting_max: Option<u32>,
    /// For its commands that have none.
    timeout_seconds: Option<f64>,
    /// For its commands that name none.
    user: Option<String>,
    /// How long its jobs that succeeded are kept; null: as long as others.
    keep_succeeded_seconds: Option<f64>,
    /// How long its jobs that ended otherwise are kept.
    keep_failed_seconds: Option<f64>,
    /// For its jobs that say nothing of retries.
    retry: Option<RetryView>,
}

impl QueueView {
    pub(crate) fn new(found: &Found, caller: &Caller) -> Self {
        let Found { queue, above, places, attachment, .. } = found;
        let met = |it: &Met| (it.selector.to_string(), names(&it.runners));
        let held = |held: &Held| HeldView::new(held, caller);
        let own = |all: &BTreeMap<String, u32>| {
            let is_own = |tenant: &String| caller.tenant().is_none_or(|own| own == tenant);
            let own = all.iter().filter(|(tenant, _)| is_own(tenant));
            own.map(|(tenant, number)| (tenant.clone(), *number)).collect()
        };
        let shape = &queue.shape;
        Self {
            name: queue.name.to_string(),
            owner: ShapeOwnerName(queue.owner),
            paused: queue.paused.as_ref().map(held),
            drained: queue.drained.as_ref().map(held),
            waiting: places.waiting,
            running: places.running,
            weight: shape.weight,
            discipline: QueueDisciplineName(shape.discipline),
            parent: shape.parent.as_ref().map(ToString::to_string),
            path: above.iter().chain([&queue.name]).map(ToString::to_string).collect(),
            guarantee: shape.guarantee.map(Slots::as_f64),
            ceiling: shape.ceiling.map(Slots::as_f64),
            concurrency: shape.concurrency,
            rate: shape.rate.map(|rate| rate.to_string()),
            attach: shape.attach.iter().map(ToString::to_string).collect(),
            matches: attachment.selectors.iter().map(met).collect(),
            exclusive: shape.exclusive,
            holder: attachment.holder.as_ref().map(ToString::to_string),
            awaited: names(&attachment.awaited),
            tenant_weights: own(&shape.tenant_weights),
            tenant_concurrency: shape.tenant_concurrency,
            tenant_caps: own(&shape.tenant_caps),
            waiting_max: shape.waiting_max,
            timeout_seconds: shape.timeout.map(Span::as_secs_f64),
            user: shape.user.clone(),
            keep_succeeded_seconds: shape.keep_succeeded.map(Span::as_secs_f64),
            keep_failed_seconds: shape.keep_failed.map(Span::as_secs_f64),
            retry: shape.retry.as_ref().map(RetryView::new),
        }
    }
}

fn names(runners: &[RunnerName]) -> Vec<String> {
    runners.iter().map(ToString::to_string).collect()
}
