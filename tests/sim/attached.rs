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
    /// Those that a runner brought back that it was given up with.
    back: BTreeSet<JobId>,
    /// Those that runners had before it.
    before: BTreeSet<JobId>,
}

impl Out {
    /// The job was written so.
    pub(crate) fn status(&mut self, job: JobId, status: &Status, is_new: bool) {
        let was_out = self.all.remove(&job).is_some();
        if !status.state.is_out() {
            return;
        }
        let queue = status.queue.clone().unwrap_or_default();
        self.all.insert(job, (queue, status.runner.clone().unwrap_or_default()));
        if is_new && status.state == JobState::Leased {
            self.given.insert(job);
        } else if !was_out {
            self.back.insert(job);
        }
    }

    /// The queue that a job is in which a runner has.
    pub(crate) fn queue(&self, job: JobId) -> QueueName {
        self.all.get(&job).map(|it| it.0.clone()).unwrap_or_default()
    }

    /// How many jobs the commit that is written brought back.
    pub(crate) fn back(&self) -> usize {
        self.back.len()
    }

    /// A commit is whole. Whether a queue was changed before its jobs were given away or after that, it does not say: what is
    /// wrong by the queues before it and by those after it is.
    pub(crate) fn committed(&mut self, before: &Queues, after: &Queues) -> Option<String> {
        let given = std::mem::take(&mut self.given);
        let now = self.all.keys().copied().collect();
        let earlier = std::mem::replace(&mut self.before, now);
        let mut given = given.into_iter().filter_map(|job| {
            let (queue, runner) = self.all.get(&job)?;
            self.misplaced(before, queue, runner)?;
            let wrong = self.misplaced(after, queue, runner)?;
            Some(format!("job {job} is given to {runner}, and {wrong}"))
        });
        // Whoever brings one back may find others there, and is not to go on beside those that were there before.
        let mut back = self.back.iter().filter_map(|job| {
            let (queue, runner) = self.all.get(job)?;
            let was = |it: &JobId| earlier.contains(it);
            self.beside(before, queue, runner, was)?;
            let wrong = self.beside(after, queue, runner, was)?;
            Some(format!("job {job} goes on at {runner}, and {wrong}"))
        });
        let wrong = given.next().or_else(|| back.next());
        drop((given, back));
        self.back.clear();
        wrong
    }

    fn misplaced(&self, queues: &Queues, queue: &QueueName, runner: &str) -> Option<String> {
        let meets = |it: &Selector| matches!(it, Selector::Runner(name) if name == runner);
        for name in above(queues, queue) {
            let Some(Queue { shape, .. }) = queues.get(&name) else { continue };
            if !shape.attach.is_empty() && !shape.attach.iter().any(meets) {
                return Some(format!("{name} is attached to {:?}", shape.attach));
            }
        }
        self.beside(queues, queue, runner, |_| true)
    }

    /// Another runner that has one of these jobs, of a queue that is one runner's alone.
    fn beside(
        &self,
        queues: &Queues,
        queue: &QueueName,
        runner: &str,
        counts: impl Fn(&JobId) -> bool,
    ) -> Option<String> {
        for name in above(queues, queue) {
            if !queues.get(&name).is_some_and(|it| it.shape.exclusive) {
                continue;
            }
            let mut others = self.all.iter().filter(|(job, (_, at))| at != runner && counts(job));
            if let Some((_, (_, at))) =
                others.find(|(_, (of, _))| above(queues, of).contains(&name))
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
