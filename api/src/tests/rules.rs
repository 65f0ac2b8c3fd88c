//! What the model answers: the driver's rules in a few lines.

use ostler_driver::{Answer, NewJob, Verb};
use ostler_job::{
    JobId,
    durable::{Edited, Job, JobState, Query, Status, Then},
};

use super::fake::State;
use crate::view;

pub(super) fn take(state: &mut State, new: &NewJob) -> Answer {
    if state.full {
        return Answer::QueueFull { queue: None, retry_after: ostler_job::Span::from_secs(3) };
    }
    if let Some(dedupe) = &new.spec.dedupe {
        let same =
            |job: &&Job| job.spec.identity == new.spec.identity && !job.status.state.is_finished();
        let other = state.jobs.values().find(same).map(|job| job.id).or(new.done_before);
        match (other, dedupe.then) {
            (Some(job), Then::Reject) => return Answer::Duplicate { job },
            (Some(job), Then::Coalesce) => return Answer::Coalesced { job },
            (None, _) => {}
        }
    }
    let id = JobId(state.next);
    state.next += 1;
    let at = if new.paused {
        JobState::Paused
    } else if new.spec.not_before.is_some() {
        JobState::Scheduled
    } else {
        JobState::Pending
    };
    let mut status = Status::new(at, new.spec.not_before, new.spec.host.clone());
    status.queue.clone_from(&new.spec.queue);
    let spec = (*new.spec).clone();
    state.jobs.insert(id, Job { id, spec, status, submitted_at: view::now() });
    Answer::Done { job: id, state: at }
}

pub(super) fn steer(state: &mut State, verb: &Verb, id: JobId) -> Answer {
    if let Some(full) = full_for(state, verb, id) {
        return full;
    }
    let Some(job) = state.jobs.get_mut(&id) else { return Answer::Unknown };
    let (at, finished) = (job.status.state, job.status.state.is_finished());
    let not_now = Answer::NotNow { job: id, state: at };
    match verb {
        Verb::Delete if finished => {
            state.jobs.remove(&id);
            return Answer::Done { job: id, state: at };
        }
        Verb::Delete => return not_now,
        Verb::Retry if !finished => return not_now,
        Verb::Retry => job.status.state = JobState::Pending,
        _ if finished => return not_now,
        Verb::Cancel | Verb::Kill => job.status.state = JobState::Cancelled,
        Verb::Pause => job.status.state = JobState::Paused,
        Verb::Resume => job.status.state = JobState::Pending,
        Verb::Move { relocate: false, .. } if at.is_out() => return not_now,
        Verb::Move { host, queue, .. } => {
            if let Some(host) = host {
                job.status.host.clone_from(host);
            }
            if let Some(queue) = queue {
                job.status.queue = Some(queue.clone()).filter(|queue| !queue.is_default());
            }
        }
        Verb::Edit(_) if at.is_out() => return not_now,
        Verb::Edit(edit) => {
            edit.apply(&mut job.spec);
            let fields = edit.fields().into_iter().map(str::to_owned).collect();
            let edited = Edited { at: view::now(), by: "first".to_owned(), fields };
            job.spec.edited = Some(Box::new(edited));
            if let Some(host) = &edit.host {
                job.status.host.clone_from(host);
            }
            if let Some(queue) = &edit.queue {
                job.status.queue = Some(queue.clone()).filter(|queue| !queue.is_default());
            }
        }
        Verb::Purge(queue) if job.status.is_in(queue) && !at.is_out() => {
            job.status.state = JobState::Cancelled;
        }
        Verb::Purge(_) => return not_now,
    }
    Answer::Done { job: id, state: job.status.state }
}

/// A move into a queue that has as many waiting jobs as it may.
fn full_for(state: &State, verb: &Verb, id: JobId) -> Option<Answer> {
    let Verb::Move { queue: Some(queue), .. } = verb else { return None };
    let max = state.queues.get(queue)?.shape.waiting_max?;
    let waits = |it: &&Job| it.status.is_in(queue) && !it.status.state.is_finished();
    let is_there = state.jobs.get(&id).is_none_or(|it| it.status.is_in(queue));
    let is_full = state.jobs.values().filter(waits).count() >= max as usize;
    let retry_after = ostler_job::Span::from_secs(3);
    (is_full && !is_there).then(|| Answer::QueueFull { queue: Some(queue.clone()), retry_after })
}

pub(super) fn fits(job: &Job, query: &Query) -> bool {
    let cursor = query.sort.cursor(job);
    query.filter.matches(job)
        && cursor.is_some_and(|it| query.after.is_none_or(|end| query.sort.is_after(it, end)))
}
