//! Which runners the jobs of a queue may go to: those that it is attached to, as things are now.

use ostler_job::Selector;
use ostler_job::durable::{Queue, QueueName};

use super::{
    Driver, RunnerName,
    queue_event::{Attachment, Met},
    runners::Runner,
};

impl Runner {
    /// Whether the selector means it.
    fn is_meant(&self, name: &RunnerName, selector: &Selector) -> bool {
        let heard = self.incarnation.is_some();
        selector.meets(name, heard.then_some(&*self.labels))
    }
}

impl Driver {
    /// What a queue is attached to, and which runners that is now; `None`: there is no such queue.
    pub fn attachment(&self, queue: &QueueName) -> Option<Attachment> {
        let number = self.queues.find(Some(queue))?;
        Some(self.attachment_of(self.queues.get(number)))
    }

    fn attachment_of(&self, queue: &Queue) -> Attachment {
        let met = |selector: &Selector| {
            let there = self.runners.iter().filter(|(_, runner)| runner.connected);
            let names = there.map(|(number, runner)| (self.hosts.name(number), runner));
            let meant = names.filter(|(name, runner)| runner.is_meant(name, selector));
            let runners = meant.map(|(name, _)| name.clone()).collect();
            Met { selector: selector.clone(), runners }
        };
        Attachment {
            selectors: queue.shape.attach.iter().map(met).collect(),
            exclusive: queue.shape.exclusive,
            holder: None,
            awaited: Vec::new(),
        }
    }
}
