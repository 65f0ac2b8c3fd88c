//! The queues that there are, and what operators do to them. What waits in each is counted in the table of jobs.

use std::{collections::BTreeMap, sync::Arc};

use ostler_job::durable::{
    Change, EventKind, Held, Queue, QueueDiscipline, QueueName, QueueShape, QueueTree, Rate,
    ShapeOwner, Slots, Unfinished,
};
use ostler_job::{Now, QueueId, TenantId};
use ostler_scheduler::{DisciplineKind, QueueConfig};
use serde_json::{Value, json};

use super::{
    Driver,
    counts::Whose,
    event::{Answer, Effect, QueueLook, QueueOrder},
    queue_event::{Places, QueueRefusal, QueueVerb, QueueView},
    selectors::{attach, detach},
};

/// The number of the queue of jobs that name none.
pub(super) const DEFAULT: u32 = 0;
/// See the module. Numbers are never given again.
#[derive(Debug)]
pub(super) struct Queues {
    numbers: BTreeMap<QueueName, u32>,
    table: BTreeMap<u32, Arc<Queue>>,
    /// Which is below which.
    pub(super) tree: QueueTree,
    next: u32,
}

impl Default for Queues {
    fn default() -> Self {
        let (numbers, table) = (BTreeMap::new(), BTreeMap::new());
        let mut queues = Self { numbers, table, tree: QueueTree::default(), next: DEFAULT };
        let (name, shape) = (QueueName::default(), QueueShape::default());
        queues.put(Queue::new(name, shape, ShapeOwner::Api));
        queues
    }
}

impl Queues {
    /// The queue takes the place of the one that had its name.
    pub(super) fn put(&mut self, queue: Queue) -> u32 {
        let next = self.next;
        let number = *self.numbers.entry(queue.name.clone()).or_insert(next);
        self.next += u32::from(number == next);
        self.tree.put(&queue.name, &queue.shape);
        self.table.insert(number, Arc::new(queue));
        number
    }

    fn remove(&mut self, name: &QueueName) {
        if let Some(number) = self.numbers.remove(name) {
            self.table.remove(&number);
            self.tree.remove(name);
        }
    }

    /// The number of the queue that a job names.
    pub(super) fn find(&self, name: Option<&QueueName>) -> Option<u32> {
        name.map_or(Some(DEFAULT), |name| self.numbers.get(name).copied())
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.table.contains_key(&number)
    }

    pub(super) fn get(&self, number: u32) -> &Arc<Queue> {
        self.table.get(&number).expect("a queue is there while a job is in it")
    }

    /// A tenant's share in it.
    pub(super) fn weight(&self, number: u32, tenant: &str) -> u32 {
        self.get(number).shape.tenant_weights.get(tenant).copied().unwrap_or(1)
    }

    /// Its name, unless it is the one of jobs that name none.
    pub(super) fn name(&self, number: u32) -> Option<QueueName> {
        (number != DEFAULT).then(|| self.get(number).name.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<Queue>)> {
        self.numbers.values().map(|&number| (number, self.get(number)))
    }
}

impl Driver {
    /// An operator wants something of a queue.
    pub fn handle_queue(&mut self, order: QueueOrder, now: Now) {
        self.hear(now);
        let QueueOrder { ticket, who, queue, verb } = order;
        let may_close = verb.may_close();
        let answer = match self.order_queue(&who, &queue, verb, now) {
            Ok(Answer::Queue(view)) if may_close => {
                let number = self.queues.find(Some(&queue)).unwrap_or(DEFAULT);
                self.answer_closed(ticket, number, view.is_new, now)
            }
            Ok(answer) => Some(answer),
            Err(why) => Some(Answer::QueueRefused { queue, why }),
        };
        if let Some(answer) = answer {
            self.outbox.effect(Effect::Answer { ticket, answers: vec![answer] });
        }
        self.done(now);
    }

    /// The queue that a job of an earlier term is in. One that a store has lost is made anew: no job is lost with it.
    pub(super) fn queue_of(&mut self, job: &Unfinished, now: Now) -> u32 {
        let name = job.status.queue.as_ref();
        if let Some(number) = self.queues.find(name) {
            return number;
        }
        let name = name.cloned().unwrap_or_default();
        self.keep_queue(Queue::new(name, QueueShape::default(), ShapeOwner::Api), now)
    }

    fn order_queue(
        &mut self,
        who: &str,
        name: &QueueName,
        verb: QueueVerb,
        now: Now,
    ) -> Result<Answer, QueueRefusal> {
        let action = verb.code();
        let number = self.queues.find(Some(name));
        if let QueueVerb::Put(shape) = &verb {
            self.may_be_put(name, shape)?;
        }
        if let (QueueVerb::Put(shape), None) = (&verb, number) {
            let queue = Queue::new(name.clone(), (**shape).clone(), ShapeOwner::Api);
            self.tell_queue(action, who, name, Value::Null, now);
            let number = self.keep_queue(queue, now);
            return Ok(self.queue_answer(number, true));
        }
        let number = number.ok_or(QueueRefusal::Unknown)?;
        let was = self.queues.get(number).clone();
        let mut queue = (*was).clone();
        let hold = |held: &mut Option<Held>| {
            held.get_or_insert_with(|| Held { who: who.to_owned(), since: now.wall });
        };
        let mut more = Value::Null;
        match verb {
            QueueVerb::Attach { .. } | QueueVerb::Detach(_) if queue.owner == ShapeOwner::File => {
                return Err(QueueRefusal::OfFile);
            }
            QueueVerb::Put(shape) => queue.shape = *shape,
            QueueVerb::Attach { selectors, exclusive } => {
                more = attach(&mut queue.shape, selectors, exclusive)?;
            }
            QueueVerb::Detach(selectors) => more = detach(&mut queue.shape, selectors)?,
            QueueVerb::Pause => hold(&mut queue.paused),
            QueueVerb::Drain => hold(&mut queue.drained),
            QueueVerb::Resume => (queue.paused, queue.drained) = (None, None),
            QueueVerb::Purged(jobs) => {
                self.tell_queue(action, who, name, json!({ "jobs": jobs }), now);
            }
            QueueVerb::Delete => {
                self.may_go(number)?;
                self.tell_queue(action, who, name, Value::Null, now);
                return Ok(self.remove_queue(number, now));
            }
        }
        // Asked twice, as by somebody who got no answer, it is as good as done.
        if queue != *was {
            self.tell_queue(action, who, name, more, now);
            self.keep_queue(queue, now);
        }
        Ok(self.queue_answer(number, false))
    }

    /// Whether the queue may be deleted.
    fn may_go(&self, number: u32) -> Result<(), QueueRefusal> {
        let Places { waiting, running } = self.jobs.counts.places(number);
        // What is on its way here will wait here.
        let waiting = waiting + self.jobs.counts.coming(number);
        let Queue { owner, name, .. } = &**self.queues.get(number);
        let below = || self.queues.tree.below(name);
        match owner {
            _ if number == DEFAULT => Err(QueueRefusal::Default),
            ShapeOwner::File => Err(QueueRefusal::OfFile),
            ShapeOwner::Api if below().next().is_some() => {
                Err(QueueRefusal::HasQueues(below().cloned().collect()))
            }
            ShapeOwner::Api if waiting + running > 0 => {
                Err(QueueRefusal::HasJobs(Places { waiting, running }))
            }
            ShapeOwner::Api => Ok(()),
        }
    }

    fn remove_queue(&mut self, number: u32, now: Now) -> Answer {
        let answer = self.queue_answer(number, false);
        let name = self.queues.get(number).name.clone();
        self.queues.remove(&name);
        self.attached.forget(number);
        self.forget_caps(number);
        self.scheduler.handle_queue_gone(QueueId(number), now.mono);
        self.place(now);
        self.outbox.change(Change::QueueGone(name));
        answer
    }

    /// The queue is so from here on, and is kept so.
    pub(super) fn keep_queue(&mut self, queue: Queue, now: Now) -> u32 {
        self.outbox.change(Change::Queue(Box::new(queue.clone())));
        let was = self.queues.find(Some(&queue.name)).map(|number| self.queues.get(number).clone());
        let number = self.queues.put(queue);
        self.tell_scheduler(number, now);
        if let Some(was) = was {
            self.tell_weights(number, &was.shape.tenant_weights, now);
        }
        number
    }

    /// Tenants that have another weight than before have it at once.
    fn tell_weights(&mut self, number: u32, was: &BTreeMap<String, u32>, now: Now) {
        let is = &self.queues.get(number).shape.tenant_weights;
        if is == was {
            return;
        }
        let changed = was.keys().chain(is.keys()).filter(|&it| was.get(it) != is.get(it));
        let known = changed.filter_map(|it| Some((TenantId(self.tenants.find(it)?), it)));
        let weights = known.map(|(tenant, it)| (tenant, self.queues.weight(number, it)));
        let weights: Vec<(TenantId, u32)> = weights.collect();
        self.scheduler.handle_weights(QueueId(number), weights, now.mono);
        self.place(now);
    }

    /// The scheduler goes by the queue as it is now; what it lets start starts.
    pub(super) fn tell_scheduler(&mut self, number: u32, now: Now) {
        let is_new = self.scheduler.queue(QueueId(number)).is_none();
        // Nothing starts by what else is new of it on a runner that it is not for any more.
        if !is_new {
            self.attach(number, now);
        }
        let queue = self.queues.get(number);
        let shape = &queue.shape;
        let rate = |Rate { jobs, per, burst }| ostler_scheduler::Rate { jobs, per, burst };
        let config = QueueConfig {
            discipline: match shape.discipline {
                QueueDiscipline::Promise => DisciplineKind::Promise,
                QueueDiscipline::Fifo => DisciplineKind::Fifo,
                QueueDiscipline::Sfq => DisciplineKind::Sfq,
                QueueDiscipline::Drr => DisciplineKind::Drr,
                QueueDiscipline::Htb => DisciplineKind::Htb,
            },
            weight: shape.weight,
            parent: self.queues.parent(number).map(QueueId),
            guarantee: shape.guarantee.map_or(0, Slots::thousandths),
            ceiling: shape.ceiling.map(Slots::thousandths),
            paused: queue.paused.is_some(),
            concurrency: shape.concurrency,
            rate: shape.rate.map(rate),
        };
        self.scheduler.handle_queue(QueueId(number), &config, now.mono);
        if is_new {
            self.attach(number, now);
        }
        self.tell_caps(number, now);
        self.place(now);
    }

    pub(super) fn queue_answer(&self, number: u32, is_new: bool) -> Answer {
        let (queue, places) = (self.queues.get(number).clone(), self.jobs.counts.places(number));
        let (above, attachment) =
            (self.queues.names_above(number), Box::new(self.attachment_of(number)));
        Answer::Queue(QueueView { queue, above, places, attachment, is_new })
    }

    pub(super) fn tell_queue(
        &mut self,
        action: &str,
        who: &str,
        name: &QueueName,
        more: Value,
        now: Now,
    ) {
        let mut detail = json!({ "action": action, "queue": name });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        self.outbox.event((now.wall, EventKind::Operator), None, Some(who), &detail);
    }

    /// Tells of one queue, or of all, with its jobs: all of them, or those of one tenant.
    pub fn handle_look(&mut self, look: QueueLook, now: Now) {
        self.hear(now);
        let QueueLook { ticket, queue, tenant } = look;
        let wanted: Vec<u32> = match &queue {
            None => self.queues.iter().map(|(number, _)| number).collect(),
            Some(name) => self.queues.find(Some(name)).into_iter().collect(),
        };
        let mut answers = Vec::new();
        for number in wanted {
            let places = match &tenant {
                None => self.jobs.counts.places(number),
                Some(tenant) => self.places_of(number, tenant),
            };
            let (queue, above) = (self.queues.get(number).clone(), self.queues.names_above(number));
            let attachment = Box::new(self.attachment_of(number));
            let view = QueueView { queue, above, places, attachment, is_new: false };
            answers.push(Answer::Queue(view));
        }
        if let (Some(queue), true) = (queue, answers.is_empty()) {
            answers.push(Answer::QueueRefused { queue, why: QueueRefusal::Unknown });
        }
        self.outbox.effect(Effect::Answer { ticket, answers });
        self.done(now);
    }

    /// The jobs of one tenant in a queue.
    pub(super) fn places_of(&self, queue: u32, tenant: &str) -> Places {
        let tenant = self.tenants.find(tenant);
        tenant.map_or_else(Places::default, |tenant| {
            self.jobs.counts.places_of(Whose { tenant, queue })
        })
    }

    /// The queue that a new job, or one that is moved, may go to.
    pub(super) fn open_queue(&self, name: Option<&QueueName>) -> Result<u32, Answer> {
        let refused = |why| {
            let queue = name.cloned().unwrap_or_default();
            Answer::QueueRefused { queue, why }
        };
        let number = self.queues.find(name).ok_or_else(|| refused(QueueRefusal::Unknown))?;
        let mut way = std::iter::once(number).chain(self.queues.above(number));
        match way.find_map(|at| self.queues.get(at).drained.clone().map(|held| (at, held))) {
            None => Ok(number),
            Some((at, held)) => {
                let queue = self.queues.get(at).name.clone();
                Err(Answer::QueueRefused { queue, why: QueueRefusal::Drained(held) })
            }
        }
    }

    /// All queues as they are.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.iter().map(|(_, queue)| queue)
    }
}

impl QueueVerb {
    /// Whether it may keep the queue from runners that it was for.
    const fn may_close(&self) -> bool {
        match self {
            Self::Put(_) | Self::Attach { .. } | Self::Detach(_) => true,
            Self::Pause | Self::Resume | Self::Drain | Self::Purged(_) | Self::Delete => false,
        }
    }

    /// As it is written in events.
    const fn code(&self) -> &'static str {
        match self {
            Self::Put(_) => "queue_put",
            Self::Attach { .. } => "queue_attach",
            Self::Detach(_) => "queue_detach",
            Self::Pause => "queue_pause",
            Self::Resume => "queue_resume",
            Self::Drain => "queue_drain",
            Self::Purged(_) => "queue_purge",
            Self::Delete => "queue_delete",
        }
    }
}
