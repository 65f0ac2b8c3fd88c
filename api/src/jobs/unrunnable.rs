//! Jobs that nobody could run as things are: pinned to a runner that there is not, or in a queue that is attached to none of those that
//! there are. They wait with that for their reason, unless whoever submits them would rather know at once.

use std::sync::Arc;

use ostler_job::durable::{Queue, QueueName, Spec};

use super::take;
use crate::{
    Api,
    backend::RunnerView,
    problem::{Kind, Problem},
};

/// Queues above one another that are looked at.
const DEPTH: usize = 64;

/// Why nobody could run it; `None`: somebody could, who may be away.
pub(crate) fn problem(api: &Api, spec: &Spec, runners: &[RunnerView]) -> Option<Problem> {
    let host = spec.host.as_deref();
    if let Some(host) = host
        && runners.iter().all(|it| it.name != host)
    {
        let known = runners.iter().map(|it| it.name.clone()).collect();
        return Some(take::no_runner(host, &known).at("/host"));
    }
    let attached: Vec<Arc<Queue>> = queues(api, spec.queue.clone().unwrap_or_default())
        .filter(|queue| !queue.shape.attach.is_empty())
        .collect();
    let may = |runner: &RunnerView| {
        let meets = |queue: &Arc<Queue>| {
            let mut selectors = queue.shape.attach.iter();
            selectors.any(|it| it.meets(&runner.name, Some(&runner.labels)))
        };
        host.is_none_or(|host| runner.name == host) && attached.iter().all(meets)
    };
    if attached.is_empty() || runners.iter().any(may) {
        return None;
    }
    let told: Vec<String> = attached.iter().map(|queue| told(queue)).collect();
    let told = told.join(", and ");
    let detail = match host {
        None => format!("{told}, and no runner is that; attach it to another, or start one"),
        Some(host) => {
            format!(
                "{told}, which the runner {host:?} is not; leave host out, or name another queue"
            )
        }
    };
    let field = if host.is_some() { "/host" } else { "/queue" };
    Some(Problem::new(Kind::ConflictState, detail).at(field))
}

/// The queue and those above it.
fn queues(api: &Api, name: QueueName) -> impl Iterator<Item = Arc<Queue>> {
    let first = api.backend().queue(&name);
    let above = |queue: &Arc<Queue>| api.backend().queue(queue.shape.parent.as_ref()?);
    std::iter::successors(first, above).take(DEPTH)
}

fn told(queue: &Queue) -> String {
    let selectors: Vec<String> = queue.shape.attach.iter().map(ToString::to_string).collect();
    format!("the queue {} is attached to runners with {}", queue.name, selectors.join(" or "))
}
