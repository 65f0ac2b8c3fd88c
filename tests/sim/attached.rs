//! Which runner may be given a job, by what its queue and those above it are attached to.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{
    JobId, Selector,
    durable::{JobState, Queue, QueueName, Status},
};

/// Every queue.
pub(crate) type Queues = BTreeMap<QueueName, Queue>;

/// Jobs that runners have.
#[derive(Clone, Default)]
pub(crate) struct Out {
    /// Of which queue each is, and which runner has it.
    all: BTreeMap<JobId, (QueueName, String)>,
    /// Those that were given to one by the last commit.
    given: BTreeSet<JobId>,
}

impl Out {
    /// The job was written so.
    pub(crate) fn status(&mut self, job: JobId, status: &Status, is_new: bool) {
        self.all.remove(&job);
        if !status.state.is_out() {
            return;
        }
        let queue = status.queue.clone().unwrap_or_default();
        self.all.insert(job, (queue, status.runner.clone().unwrap_or_default()));
        if is_new && status.state == JobState::Leased {
            self.given.insert(job);
        }
    }

    /// A commit is whole. Whether a queue was changed before its jobs were given away or after that, it does not say: what is
    /// wrong by the queues before it and by those after it is.
    pub(crate) fn committed(&mut self, before: &Queues, after: &Queues) -> Option<String> {
        let given = std::mem::take(&mut self.given);
        given.into_iter().find_map(|job| {
            let (queue, runner) = self.all.get(&job)?;
            self.misplaced(before, queue, runner)?;
            let wrong = self.misplaced(after, queue, runner)?;
            Some(format!("job {job} is given to {runner}, and {wrong}"))
        })
    }

    fn misplaced(&self, queues: &Queues, queue: &QueueName, runner: &str) -> Option<String> {
        let meets = |it: &Selector| matches!(it, Selector::Runner(name) if name == runner);
        for name in above(queues, queue) {
            let Some(Queue { shape, .. }) = queues.get(&name) else { continue };
            if !shape.attach.is_empty() && !shape.attach.iter().any(meets) {
                return Some(format!("{name} is attached to {:?}", shape.attach));
            }
            let elsewhere =
                |(of, at): &&(QueueName, String)| at != runner && above(queues, of).contains(&name);
            if shape.exclusive
                && let Some((_, at)) = self.all.values().find(elsewhere)
            {
                return Some(format!("{at} has a job of {name}, which is exclusive"));
            }
        }
        None
    }
}

/// A queue and those above it.
fn above(queues: &Queues, queue: &QueueName) -> BTreeSet<QueueName> {
    let parent = |name: &QueueName| queues.get(name)?.shape.parent.clone();
    std::iter::successors(Some(queue.clone()), parent).collect()
}
