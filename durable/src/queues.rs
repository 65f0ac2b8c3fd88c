//! The queues as they are kept, in memory, so that a submit costs no read; what is done to them is asked of the driver.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use ostler_driver::{ActorInput, Answer, QueueLook, QueueOrder, QueueVerb};
use ostler_job::{
    Span,
    durable::{Queue, QueueName},
};

use super::{Jobs, Unavailable};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queues(RwLock<BTreeMap<QueueName, Arc<Queue>>>);

impl Queues {
    /// These, and no others.
    pub(super) fn set(&self, queues: impl Iterator<Item = Arc<Queue>>) {
        let all = queues.map(|queue| (queue.name.clone(), queue)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// The queue of this name is so from now on; `None`: there is none.
    pub(super) fn put(&self, name: QueueName, queue: Option<Arc<Queue>>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match queue {
            Some(queue) => drop(all.insert(name, queue)),
            None => drop(all.remove(&name)),
        }
    }

    pub(super) fn get(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// How long succeeded, and other finished, jobs of those queues are kept that say so themselves; what they do not say is as usual.
    pub(super) fn keeps(&self, usual: (Span, Span)) -> Vec<(QueueName, (Span, Span))> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let own = all.values().filter_map(|queue| {
            let (succeeded, failed) = (queue.shape.keep_succeeded, queue.shape.keep_failed);
            let says = succeeded.is_some() || failed.is_some();
            let keep = (succeeded.unwrap_or(usual.0), failed.unwrap_or(usual.1));
            says.then(|| (queue.name.clone(), keep))
        });
        own.collect()
    }

    pub(super) fn names(&self) -> Vec<QueueName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Jobs {
    /// One queue, or all of them, with how many jobs they have: of one tenant, or of all.
    pub(crate) async fn look_queues(
        &self,
        queue: Option<QueueName>,
        tenant: Option<String>,
    ) -> Result<Vec<Answer>, Unavailable> {
        self.ask(|ticket| ActorInput::Look(QueueLook { ticket, queue, tenant })).await
    }

    /// Does something to a queue; answers when that is safe.
    pub(crate) async fn order_queue(
        &self,
        who: &str,
        queue: QueueName,
        verb: QueueVerb,
    ) -> Result<Answer, Unavailable> {
        let who = who.to_owned();
        let mut answers =
            self.ask(|ticket| ActorInput::Queue(QueueOrder { ticket, who, queue, verb })).await?;
        Ok(answers.pop().expect("the driver answers an order once"))
    }
}
