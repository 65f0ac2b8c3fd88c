//! What its queue has to say of a job: whether there is one, whether it takes the job, and what it fills in.

use ostler_driver::{Answer, Places, QueueRefusal};
use ostler_job::durable::{Held, QueueName, Spec};
use ostler_machine::clock;

use crate::{
    Api,
    auth::Caller,
    parse::{build::Built, identity},
    problem::{Kind, Problem},
};

/// Names of queues that one answer tells.
const NAMES_MAX: usize = 20;

/// A job's queue gives it what it does not say itself. Why that cannot be, if there is no such queue.
pub(crate) fn fill(api: &Api, caller: &Caller, built: &mut Built) -> Option<Problem> {
    let spec = &mut built.spec;
    let name = spec.queue.clone().unwrap_or_default();
    let Some(queue) = api.backend().queue(&name) else {
        return Some(unknown(api, caller, &name).at("/queue"));
    };
    let says = |spec: &Spec| spec.work.command().map(|it| (it.timeout, it.user.clone()));
    let said = says(spec);
    queue.shape.fill(spec, built.takes_queues_retry);
    if said != says(spec) && spec.content.is_some() {
        // What is run is another work by what was filled in.
        spec.content = Some(identity::content(&spec.work, spec.host.as_deref()));
    }
    None
}

/// There is no such queue.
pub(crate) fn unknown(api: &Api, caller: &Caller, name: &QueueName) -> Problem {
    let there = if caller.may_read() {
        format!("there are {}", listed(&api.backend().queue_names()))
    } else {
        "a token with the scope read is told which there are".to_owned()
    };
    let detail = format!("there is no queue {:?}; {there}", name.as_str());
    Problem::new(Kind::ConflictState, detail)
}

fn listed(names: &[QueueName]) -> String {
    let told: Vec<_> = names.iter().take(NAMES_MAX).map(QueueName::as_str).collect();
    let more = names.len() - told.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", told.join(", "))
}

/// The problem of an answer that is about a queue that is not there.
pub(crate) fn unknown_of(api: &Api, caller: &Caller, answer: &Answer) -> Option<Problem> {
    let Answer::QueueRefused { queue, why: QueueRefusal::Unknown } = answer else { return None };
    Some(unknown(api, caller, queue))
}

/// Why a queue was not changed, or takes no job.
pub(crate) fn refusal(queue: &QueueName, why: &QueueRefusal) -> Problem {
    let detail = match why {
        QueueRefusal::Drained(held) => return drained(queue, held),
        QueueRefusal::HasJobs(places) => return has_jobs(queue, *places),
        QueueRefusal::HasQueues(below) => return has_queues(queue, below),
        QueueRefusal::Misplaced(fault) => {
            let detail = format!("the queue {queue} cannot be so: {fault}");
            let at = format!("/{}", fault.field());
            return Problem::new(Kind::ConflictState, detail).at(&at);
        }
        QueueRefusal::Unknown => {
            format!("there is no queue {:?}; GET /v1/queues lists them", queue.as_str())
        }
        QueueRefusal::OfFile => format!(
            "the queue {queue} is in the configuration file, [queue.{queue}]; change it there and start the gateway again, or take \
             it out there and it can be changed here"
        ),
        QueueRefusal::Default => format!(
            "the queue {queue} is always there, for jobs that name none; purge it if its jobs are not wanted"
        ),
        QueueRefusal::NotAttached { selector, attach } => {
            let there: Vec<String> = attach.iter().map(ToString::to_string).collect();
            let there = match there.len() {
                0 => "it is attached to none, so that every runner works it".to_owned(),
                _ => format!("it is attached to {}", there.join(" and to ")),
            };
            format!("the queue {queue} is not attached to {selector}; {there}")
        }
        QueueRefusal::LastSelector => format!(
            "without that the queue {queue} would be attached to none, so that every runner would work it; if that is meant, detach it \
             from all, and if nothing of it is to start, pause it"
        ),
        QueueRefusal::TooManySelectors(max) => format!(
            "the queue {queue} would be attached by more than {max} selectors, as many as may be; give the runners a label that they share"
        ),
        QueueRefusal::TooMany(max) => {
            format!("there are {max} queues, as many as may be; delete one that is not needed")
        }
    };
    Problem::new(Kind::ConflictState, detail)
}

/// It takes nothing new.
pub(crate) fn drained(queue: &QueueName, held: &Held) -> Problem {
    let detail = format!(
        "the queue {queue} is drained since {} and takes nothing new; name another queue, or resume it",
        clock::show(held.since)
    );
    Problem::new(Kind::ConflictState, detail)
}

/// It is not deleted with queues below it.
fn has_queues(queue: &QueueName, below: &[QueueName]) -> Problem {
    let detail = format!(
        "the queue {queue} has queues below it: {}; delete those first, or give them another parent",
        listed(below)
    );
    Problem::new(Kind::ConflictState, detail)
}

/// It is not deleted with jobs in it.
pub(crate) fn has_jobs(queue: &QueueName, places: Places) -> Problem {
    let Places { waiting, running } = places;
    let cure = if running > 0 {
        "wait until those that run have ended, or kill them"
    } else {
        "move them by move_to=OTHER, or purge it first"
    };
    let detail =
        format!("the queue {queue} has jobs, {waiting} waiting and {running} running; {cure}");
    Problem::new(Kind::ConflictState, detail)
}

/// Some of what waits in it could not be moved to another one, and why the first of them could not.
pub(crate) fn not_emptied(queue: &QueueName, (left, why): (u64, &str)) -> Problem {
    let detail = format!(
        "{left} jobs in the queue {queue} were not moved, so that it stays, paused and drained: {why}"
    );
    Problem::new(Kind::ConflictState, detail)
}
