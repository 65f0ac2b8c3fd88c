//! Queues below queues: which may be put where, what the configuration makes of the tree, and in which order the scheduler is
//! told of it.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{
    Now,
    durable::{QUEUE_LEVELS_MAX, Queue, QueueName, QueueShape, ShapeOwner},
};
use serde_json::Value;

use super::{Driver, queue_event::QueueRefusal, queues::Queues};

/// Who changed a queue that the configuration has.
const CONFIG: &str = "config";
/// Levels that a way up is followed. The configuration may move a queue down with what is below it, to twice as many as may be.
const WAY_MAX: usize = 4 * QUEUE_LEVELS_MAX;

impl Queues {
    /// The queue above, if there is one. A store that was damaged may have queues that are below each other: they are at
    /// the top.
    pub(super) fn parent(&self, number: u32) -> Option<u32> {
        let parent = self.named_parent(number)?;
        let mut at = Some(parent);
        for _ in 0..WAY_MAX {
            let Some(above) = at else { return Some(parent) };
            if above == number {
                return None;
            }
            at = self.named_parent(above);
        }
        None
    }

    fn named_parent(&self, number: u32) -> Option<u32> {
        self.find(Some(self.get(number).shape.parent.as_ref()?))
    }

    /// The queues above, from the parent on.
    pub(super) fn above(&self, number: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.parent(number), |&at| self.parent(at))
    }

    /// Their names, from the top down.
    pub(super) fn names_above(&self, number: u32) -> Vec<QueueName> {
        let mut names: Vec<_> = self.above(number).map(|at| self.get(at).name.clone()).collect();
        names.reverse();
        names
    }

    pub(super) fn has_below(&self, number: u32) -> bool {
        self.tree.below(&self.get(number).name).next().is_some()
    }

    /// Each queue after the one above it.
    fn top_down(&self) -> Vec<u32> {
        let mut all: Vec<(usize, u32)> =
            self.iter().map(|(number, _)| (self.above(number).count(), number)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, number)| number).collect()
    }
}

impl Driver {
    /// Whether the queue may be given this shape by the API.
    pub(super) fn may_be_put(
        &mut self,
        name: &QueueName,
        shape: &QueueShape,
    ) -> Result<(), QueueRefusal> {
        let number = self.queues.find(Some(name));
        let owner = number.map(|number| self.queues.get(number).owner);
        if owner == Some(ShapeOwner::File) {
            return Err(QueueRefusal::OfFile);
        }
        let most = self.config.queues_max;
        if owner.is_none() && self.queues.len() >= most {
            return Err(QueueRefusal::TooMany(most));
        }
        let fault = self.queues.tree.new_fault(name, shape);
        fault.map_or(Ok(()), |fault| Err(QueueRefusal::Misplaced(fault)))
    }

    /// The queues of an earlier term, before any of its jobs; the configuration's are as that says. What the API made and
    /// does not fit below them any more stays as it is: the configuration decides, and loses nobody's queue.
    pub(crate) fn restore_queues(&mut self, kept: Vec<Queue>, now: Now) {
        self.hear(now);
        let configured: BTreeMap<_, _> = self.config.queues.iter().cloned().collect();
        let (mut known, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for mut queue in kept {
            if queue.owner == ShapeOwner::File && !configured.contains_key(&queue.name) {
                // It has left the file: what it was holds on, and the API may change it.
                queue.owner = ShapeOwner::Api;
                changed.insert(queue.name.clone());
            }
            known.insert(self.queues.put(queue));
        }
        for (name, shape) in configured {
            let number = self.queues.find(Some(&name));
            let mut queue = match number {
                Some(number) => (**self.queues.get(number)).clone(),
                None => Queue::new(name, QueueShape::default(), ShapeOwner::Api),
            };
            if queue.owner != ShapeOwner::File || queue.shape != shape {
                (queue.owner, queue.shape) = (ShapeOwner::File, shape);
                self.tell_queue("queue_put", CONFIG, &queue.name, Value::Null, now);
                changed.insert(queue.name.clone());
                self.queues.put(queue);
            }
        }
        changed.extend(self.make_lost_parents());
        for number in self.queues.top_down() {
            let queue = self.queues.get(number);
            if changed.contains(&queue.name) {
                self.keep_queue((**queue).clone(), now);
            } else if known.contains(&number) {
                self.tell_scheduler(number, now);
            }
        }
        self.done(now);
    }

    /// A queue that others are below and that a store has lost is made anew. Answers which.
    fn make_lost_parents(&mut self) -> Vec<QueueName> {
        let named = self.queues.iter().filter_map(|(_, it)| it.shape.parent.clone());
        let lost: BTreeSet<_> =
            named.filter(|name| self.queues.find(Some(name)).is_none()).collect();
        for name in &lost {
            self.queues.put(Queue::new(name.clone(), QueueShape::default(), ShapeOwner::Api));
        }
        lost.into_iter().collect()
    }
}
