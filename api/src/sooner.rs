//! What would let a job that waits start sooner, for whoever asks: a sentence with the command, as far as it is in somebody's hands.

use ostler_driver::{Absence, Wanted, Why};
use ostler_job::durable::{Job, JobState};

use super::auth::Caller;

/// What would take this out of the job's way; `None`: nothing but time, or others.
pub(crate) fn cure(why: &Why, job: &Job, caller: &Caller) -> Option<String> {
    let id = job.id;
    Some(match why {
        Why::Store { .. } => {
            "make the store usable again; `ostler status` tells what is with it".to_owned()
        }
        Why::Ending => "start the gateway again".to_owned(),
        Why::Starting { .. } => return None,
        Why::Paused { .. } => format!("resume it: ostler resume {id}"),
        Why::NotBefore { .. } | Why::Retry { .. } => format!("make it due now: ostler retry {id}"),
        Why::QueuePaused { queue, .. } => format!("resume the queue: ostler queue resume {queue}"),
        Why::Exclusive { .. } => "nothing but the end of those jobs".to_owned(),
        Why::NoRunner { wanted, absence } => runner(wanted, *absence, job),
        Why::Resource { blocker, .. } => {
            let it = blocker.as_ref()?;
            let is_seen = caller.tenant().is_none_or(|own| own == &*it.tenant);
            let job = if is_seen { format!("job {}", it.job) } else { "that job".to_owned() };
            let keeps = |states: &[JobState]| is_seen && it.has_it && states.contains(&it.state);
            if keeps(&[JobState::Stopped, JobState::Paused]) {
                format!("let that job go on: ostler resume {}", it.job)
            } else if keeps(&[JobState::Retrying]) {
                format!("let that job be tried again now: ostler retry {}", it.job)
            } else {
                format!("nothing but the end of {job}, or of its retries")
            }
        }
        Why::TenantCap { queue, .. } => format!(
            "let its tenant run more of it at once: ostler queue put {queue} --tenant-concurrency N, or --tenant-cap {}=N",
            job.spec.tenant
        ),
        Why::Concurrency { queue, max, .. } => {
            format!(
                "let the queue run more at once: ostler queue put {queue} --concurrency {}",
                max.saturating_add(1)
            )
        }
        Why::Ceiling { queue, .. } => format!("give the queue {queue} a higher ceiling"),
        Why::Rate { queue, .. } => {
            format!("let the queue start more: ostler queue put {queue} --rate RATE")
        }
        Why::Behind { .. } => {
            format!(
                "a shorter promise puts it before its tenant's other jobs, where the order goes by promises: ostler edit {id} --within TIME"
            )
        }
        Why::RunnerFull { wanted: Wanted::Attached { queue, .. }, .. } => {
            format!(
                "more slots there, or attach the queue to more runners: ostler queue attach {queue} SELECTOR"
            )
        }
        Why::RunnerFull { wanted: Wanted::Holder { queue, runner }, .. } => {
            format!(
                "more slots there: ostler runner set {runner} --slots N; or let several runners work the queue at once: ostler queue put {queue} --exclusive false"
            )
        }
        Why::RunnerFull { .. } => format!("let any runner run it: ostler move {id} --any"),
        Why::SlotsBusy { .. } => {
            "more slots: another runner, or a larger number of slots of one".to_owned()
        }
    })
}

fn runner(wanted: &Wanted, absence: Absence, job: &Job) -> String {
    let id = job.id;
    match (wanted, absence) {
        (Wanted::Any, Absence::Unknown | Absence::Away) => {
            "start a runner, or connect one again".to_owned()
        }
        (Wanted::Any, Absence::Broken) => {
            "mend what is missing on the runners; `ostler status` tells what the last job said"
                .to_owned()
        }
        (Wanted::Any, Absence::Drained) => {
            "let a runner take jobs again: ostler drain RUNNER --undo".to_owned()
        }
        (Wanted::Any, Absence::Elsewhere) => {
            format!("let any runner run it: ostler move {id} --any")
        }
        (Wanted::Holder { queue, .. }, _) => format!(
            "nothing, since another runner takes over by itself; or let several runners work the queue at once: ostler queue put {queue} --exclusive false"
        ),
        (Wanted::Attached { queue, .. }, Absence::Drained) => format!(
            "let one of those runners take jobs again: ostler drain RUNNER --undo; or attach the queue to others: ostler queue attach {queue} SELECTOR"
        ),
        (Wanted::Attached { queue, .. }, Absence::Broken) => format!(
            "mend what is missing on those runners; `ostler status` tells what the last job said; or attach the queue to others: ostler queue attach {queue} SELECTOR"
        ),
        (Wanted::Attached { queue, .. }, _) => format!(
            "start or connect such a runner, or attach the queue to others: ostler queue attach {queue} SELECTOR"
        ),
        (Wanted::Host(_), Absence::Elsewhere) => {
            format!("let any runner of its queue run it: ostler move {id} --any")
        }
        (Wanted::Host(name), Absence::Unknown | Absence::Away) => {
            format!("start the runner {name}, or let any runner run it: ostler move {id} --any")
        }
        (Wanted::Host(name), Absence::Broken) => {
            format!(
                "mend what is missing on the runner {name}, or let any runner run it: ostler move {id} --any"
            )
        }
        (Wanted::Host(name), Absence::Drained) => {
            format!(
                "let the runner take jobs again: ostler drain {name} --undo; or let any runner run it: ostler move {id} --any"
            )
        }
    }
}
