//! Which runners the jobs of a queue may go to: those that it is attached to, as they come, go and change what they say of themselves.
//!
//! An exclusive queue has one of them, its holder, which it keeps as long as that one is fit. Another one becomes it when it is not, and
//! gets nothing before whatever the queue has elsewhere is over or lost: two runners never work it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ostler_job::durable::{EventKind, Queue, QueueName, QueueShape};
use ostler_job::{HostId, JobId, Labels, Now, QueueId, Selector};
use serde_json::json;

use super::{
    Driver, RunnerName,
    queue_event::{Attachment, Met},
    runners::Runner,
};

/// A queue that is not every runner's to work.
#[derive(Debug, Default, PartialEq, Eq)]
struct Attached {
    exclusive: bool,
    /// The runners that are meant, whether they are there or not.
    meant: BTreeSet<u32>,
    /// The runner that an exclusive one has.
    holder: Option<u32>,
    /// Runners that have jobs of an exclusive one and are not its holder.
    awaited: BTreeSet<u32>,
    /// The runners that the scheduler gives its jobs to.
    open: BTreeSet<u32>,
}

/// All of those, and the runners as they were when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    queues: BTreeMap<u32, Attached>,
    /// How many queues each runner holds.
    held: BTreeMap<u32, usize>,
    /// The queues that others were below when they were looked at last.
    parents: BTreeMap<u32, u32>,
    seen: BTreeMap<u32, Seen>,
}

/// What of a runner decides which queues it works.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    labels: Option<Arc<Labels>>,
    fitness: Fitness,
}

/// Whether a runner may hold a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fitness {
    /// It takes jobs.
    Fit,
    /// It is away, but what it has may go on there: it may hold what it has jobs of.
    Away,
    /// It is there and cannot start what it is given: it holds what nobody else takes, since it is tried now and then.
    Tried,
    /// It takes nothing.
    Unfit,
}

impl Attachments {
    /// The runners that may have jobs of the queue now, as far as that is the queue's to say; `None`: all.
    pub(super) fn open(&self, queue: u32) -> Option<&BTreeSet<u32>> {
        self.queues.get(&queue).map(|it| &it.open)
    }

    /// The queue is gone, or all runners' to work.
    pub(super) fn forget(&mut self, queue: u32) -> bool {
        self.parents.remove(&queue);
        self.set_holder(queue, None);
        self.queues.remove(&queue).is_some()
    }

    fn set_holder(&mut self, queue: u32, holder: Option<u32>) {
        let Some(it) = self.queues.get_mut(&queue) else { return };
        let was = std::mem::replace(&mut it.holder, holder);
        if let Some(holder) = holder {
            *self.held.entry(holder).or_default() += 1;
        }
        if let Some(was) = was {
            let held = self.held.entry(was).or_default();
            *held -= 1;
            if *held == 0 {
                self.held.remove(&was);
            }
        }
    }
}

impl Runner {
    /// What it says of its host; `None`: it was not heard in this life.
    fn told_labels(&self) -> Option<&Arc<Labels>> {
        self.incarnation.as_ref().map(|_| &self.labels)
    }
}

impl Driver {
    /// What a queue is attached to, and which runners that is now; `None`: there is no such queue.
    pub fn attachment(&self, queue: &QueueName) -> Option<Attachment> {
        self.queues.find(Some(queue)).map(|number| self.attachment_of(number))
    }

    pub(super) fn attachment_of(&self, number: u32) -> Attachment {
        let name = |&number: &u32| self.hosts.name(number).clone();
        let met = |selector: &Selector| {
            let there = self.runners.iter().filter(|(_, runner)| runner.connected);
            let meant = there.filter(|(number, it)| self.is_meant(*number, it, selector));
            let runners = meant.map(|(number, _)| name(&number)).collect();
            Met { selector: selector.clone(), runners }
        };
        let (shape, known) = (&self.queues.get(number).shape, self.attached.queues.get(&number));
        Attachment {
            selectors: shape.attach.iter().map(met).collect(),
            exclusive: shape.exclusive,
            holder: known.and_then(|it| it.holder.as_ref()).map(name),
            awaited: known.into_iter().flat_map(|it| &it.awaited).map(name).collect(),
        }
    }

    fn is_meant(&self, number: u32, runner: &Runner, selector: &Selector) -> bool {
        selector.meets(self.hosts.name(number), runner.told_labels().map(|it| &**it))
    }

    /// The queue is new or attached otherwise than it was.
    pub(super) fn attach(&mut self, number: u32, now: Now) {
        let moved = self.moved(number);
        self.attach_alone(number, now);
        // Whoever held what it was below, or is below now, may wait for others.
        self.resolve(&moved, false, now);
    }

    /// The attached queues above one that was put below another since, before and now.
    fn moved(&mut self, number: u32) -> BTreeSet<u32> {
        let parent = self.queues.parent(number);
        let was = match parent {
            Some(parent) => self.attached.parents.insert(number, parent),
            None => self.attached.parents.remove(&number),
        };
        if was == parent {
            return BTreeSet::new();
        }
        let above = [was, parent].into_iter().flatten();
        let all = above.flat_map(|it| std::iter::once(it).chain(self.queues.above(it)));
        all.chain([number]).filter(|it| self.attached.queues.contains_key(it)).collect()
    }

    fn attach_alone(&mut self, number: u32, now: Now) {
        let shape = &self.queues.get(number).shape;
        if !shape.exclusive && shape.attach.is_empty() {
            let parent = self.attached.parents.get(&number).copied();
            if self.attached.forget(number) {
                self.scheduler.handle_limits([(QueueId(number), None)], now.mono);
                // Those below may have another holder.
                self.resolve(&self.exclusive_below(&BTreeSet::from([number])), false, now);
            }
            self.attached.parents.extend(parent.map(|parent| (number, parent)));
            return;
        }
        let (exclusive, meant) = (shape.exclusive, self.meant(shape));
        let is_new = !self.attached.queues.contains_key(&number);
        let it = self.attached.queues.entry(number).or_default();
        (it.exclusive, it.meant) = (exclusive, meant);
        if !exclusive {
            it.awaited.clear();
            self.attached.set_holder(number, None);
        }
        self.resolve(&BTreeSet::from([number]), is_new, now);
    }

    /// What a runner offers, or says of itself, may be another thing than it was: queues are its to work from now on, or not any
    /// more. To be told before the scheduler hears of its slots.
    pub(super) fn look_at_runner(&mut self, number: u32, now: Now) {
        // A gateway that ends leaves everything as it is.
        let Some(runner) = self.runners.get(number).filter(|_| !self.resting) else { return };
        let sound = self.runners.suspicions.more(number).is_none();
        let fitness = match (runner.connected, runner.is_lost()) {
            (true, false) if runner.slots > 0 && sound => Fitness::Fit,
            (true, false) if runner.slots > 0 => Fitness::Tried,
            (false, false) => Fitness::Away,
            (true | false, _) => Fitness::Unfit,
        };
        let seen = Seen { labels: runner.told_labels().cloned(), fitness };
        let was = self.attached.seen.insert(number, seen.clone());
        if was.as_ref() == Some(&seen) {
            return;
        }
        let says_other = was.is_none_or(|was| was.labels != seen.labels);
        let all = self.attached.queues.iter();
        let touched = all.filter(|(_, it)| it.exclusive || says_other).map(|(&queue, _)| queue);
        let touched: BTreeSet<u32> = touched.collect();
        if says_other {
            self.mean(&touched, number);
        }
        self.resolve(&touched, false, now);
    }

    /// Finds anew which of these queues mean the runner.
    fn mean(&mut self, queues: &BTreeSet<u32>, number: u32) {
        for &queue in queues {
            let Some(runner) = self.runners.get(number) else { return };
            let is_meant = self.means(&self.queues.get(queue).shape, number, runner);
            let Some(it) = self.attached.queues.get_mut(&queue) else { continue };
            if is_meant {
                it.meant.insert(number);
            } else {
                it.meant.remove(&number);
            }
        }
    }

    /// The runner has the job of this queue no more, or has it although it was given to nobody: if that is exclusive, others may wait for it.
    pub(super) fn look_at_holder(&mut self, id: JobId, (own, runner): (u32, u32), now: Now) {
        if self.attached.queues.is_empty() {
            return;
        }
        let has = self.runners.get(runner).is_some_and(|it| it.leased.contains(&id));
        let waits = |it: &Attached| it.exclusive && (has || it.awaited.contains(&runner));
        let all = std::iter::once(own).chain(self.queues.above(own));
        let all = all.filter(|it| self.attached.queues.get(it).is_some_and(waits)).collect();
        self.resolve(&all, false, now);
    }

    /// Whether a runner may have jobs of the queue, as far as that and the queues above it say: who holds an exclusive one may, even
    /// while it waits for others. Who holds it since it has jobs of it may not when it is not meant.
    pub(super) fn is_for(&self, queue: u32, runner: u32) -> bool {
        let mut way = std::iter::once(queue).chain(self.queues.above(queue));
        way.all(|it| {
            let known = self.attached.queues.get(&it);
            let holds = |it: &Attached| it.holder == Some(runner) && it.meant.contains(&runner);
            known.is_none_or(|it| it.open.contains(&runner) || holds(it))
        })
    }

    /// Finds anew for whom these queues are, and tells the scheduler what is different.
    fn resolve(&mut self, queues: &BTreeSet<u32>, is_new: bool, now: Now) {
        if queues.is_empty() {
            return;
        }
        let mut queues = queues.clone();
        queues.extend(self.exclusive_below(&queues));
        let working = self.working(&queues);
        let mut limits = Vec::new();
        // Those above before those below, which go by them.
        let mut order: Vec<u32> = queues.into_iter().collect();
        order.sort_by_key(|&it| (self.queues.above(it).count(), it));
        for number in order {
            let open = match self.attached.queues.get(&number) {
                Some(it) if it.exclusive => self.hold(number, working.get(&number), now),
                Some(it) => it.meant.clone(),
                None => continue,
            };
            let Some(it) = self.attached.queues.get_mut(&number) else { continue };
            if is_new || it.open != open {
                limits.push((QueueId(number), Some(open.iter().copied().map(HostId).collect())));
                it.open = open;
            }
        }
        if !limits.is_empty() {
            self.scheduler.handle_limits(limits, now.mono);
            self.place(now);
        }
    }

    /// The exclusive queues below these: who may hold one depends on what is above it. Most queues have none below them at all.
    fn exclusive_below(&self, queues: &BTreeSet<u32>) -> BTreeSet<u32> {
        if !queues.iter().any(|&it| self.queues.has_below(it)) {
            return BTreeSet::new();
        }
        let exclusive = self.attached.queues.iter().filter(|(_, it)| it.exclusive);
        let is_below = |it: &u32| self.queues.above(*it).any(|above| queues.contains(&above));
        exclusive.map(|(&number, _)| number).filter(is_below).collect()
    }

    /// The runners that a queue and those above it are attached to, as they are now.
    fn may_work(&self, number: u32) -> BTreeSet<u32> {
        let Some(it) = self.attached.queues.get(&number) else { return BTreeSet::new() };
        let mut meant = it.meant.clone();
        for above in self.queues.above(number).filter_map(|it| self.attached.open(it)) {
            meant.retain(|it| above.contains(it));
        }
        meant
    }

    /// The runners that a queue is attached to.
    fn meant(&self, shape: &QueueShape) -> BTreeSet<u32> {
        let meant = self.runners.iter().filter(|&(number, it)| self.means(shape, number, it));
        meant.map(|(number, _)| number).collect()
    }

    fn means(&self, shape: &QueueShape, number: u32, runner: &Runner) -> bool {
        let mut all = shape.attach.iter();
        shape.attach.is_empty() || all.any(|it| self.is_meant(number, runner, it))
    }

    /// The runners that have jobs of these queues, as far as they are exclusive.
    fn working(&self, queues: &BTreeSet<u32>) -> BTreeMap<u32, BTreeSet<u32>> {
        let mut working: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let is_exclusive = |it: &u32| self.queues.get(*it).shape.exclusive;
        let exclusive: BTreeSet<u32> = queues.iter().copied().filter(is_exclusive).collect();
        if exclusive.is_empty() {
            return working;
        }
        for (number, runner) in self.runners.iter() {
            // Jobs of the queues below are its as well.
            let own: BTreeSet<u32> = runner.leased.iter().map(|&id| self.jobs[id].queue).collect();
            let all =
                own.into_iter().flat_map(|it| std::iter::once(it).chain(self.queues.above(it)));
            for queue in all.filter(|queue| exclusive.contains(queue)) {
                working.entry(queue).or_default().insert(number);
            }
        }
        working
    }

    /// Whether the queue, or one above it, is for one runner alone, and another one than this has jobs of it.
    pub(super) fn is_worked_by_another(&self, queue: u32, runner: u32) -> bool {
        if self.attached.queues.is_empty() {
            return false;
        }
        let way: BTreeSet<u32> = std::iter::once(queue).chain(self.queues.above(queue)).collect();
        let mut working = self.working(&way).into_values();
        working.any(|runners| runners.into_iter().any(|it| it != runner))
    }

    /// Decides who holds an exclusive queue; answers for whom it is open.
    fn hold(&mut self, number: u32, working: Option<&BTreeSet<u32>>, now: Now) -> BTreeSet<u32> {
        let meant = self.may_work(number);
        let was = self.attached.queues.get(&number).and_then(|it| it.holder);
        let has_jobs = |it: &u32| working.is_some_and(|working| working.contains(it));
        let fitness = |it: &u32| self.attached.seen.get(it).map_or(Fitness::Away, |it| it.fitness);
        let may_hold = |it: &u32| {
            let unheard = self.runners.get(*it).is_some_and(|it| it.told_labels().is_none());
            let is_meant = meant.contains(it) || (unheard && has_jobs(it));
            match fitness(it) {
                Fitness::Fit => is_meant,
                Fitness::Away => is_meant && has_jobs(it),
                Fitness::Tried | Fitness::Unfit => false,
            }
        };
        // Whoever works it already, and of others the one that holds the fewest.
        let held = |it: &u32| self.attached.held.get(it).copied().unwrap_or(0);
        let rank = |it: &u32| (!has_jobs(it), held(it), *it);
        let all = || meant.iter().chain(working.into_iter().flatten()).copied();
        let holder = was.filter(may_hold).or_else(|| all().filter(may_hold).min_by_key(rank));
        // Where nobody takes its place, one that is away has it when it is back, and one that cannot start what it is given has it
        // when that does not come back.
        let is_meant = |it: &u32| meant.contains(it);
        let is_away = |it: &u32| is_meant(it) && fitness(it) == Fitness::Away;
        let is_tried = |it: &u32| is_meant(it) && fitness(it) == Fitness::Tried;
        let tried = || was.filter(is_tried).or_else(|| all().filter(is_tried).min_by_key(rank));
        let holder = holder.or_else(|| was.filter(is_away)).or_else(tried);
        let holder = holder.or_else(|| was.filter(is_meant));
        let others = working.into_iter().flatten().copied();
        let awaited: BTreeSet<u32> = others.filter(|&it| Some(it) != holder).collect();
        let open = holder.filter(|it| awaited.is_empty() && meant.contains(it));
        if let Some(it) = self.attached.queues.get_mut(&number) {
            it.awaited = awaited;
        }
        self.attached.set_holder(number, holder);
        if let Some(holder) = holder.filter(|_| holder != was) {
            self.tell_holder(number, holder, was, now);
        }
        open.into_iter().collect()
    }

    fn tell_holder(&mut self, queue: u32, holder: u32, before: Option<u32>, now: Now) {
        let name = |number: u32| -> RunnerName { self.hosts.name(number).clone() };
        let queue: &Queue = self.queues.get(queue);
        let mut detail =
            json!({ "runner": *name(holder), "what": "holds queue", "queue": queue.name });
        if let Some(before) = before {
            detail["instead_of"] = json!(*name(before));
        }
        self.outbox.event((now.wall, EventKind::Runner), None, None, &detail);
    }

    /// Asserts what holds of attachments between two events.
    pub(super) fn check_attached(&self) {
        let working = self.working(&self.attached.queues.keys().copied().collect());
        for (&number, it) in &self.attached.queues {
            let shape = &self.queues.get(number).shape;
            let is_limited = shape.exclusive || !shape.attach.is_empty();
            assert!(is_limited && it.exclusive == shape.exclusive, "queue {number} is attached");
            assert_eq!(it.meant, self.meant(shape), "whom queue {number} means is known");
            if !it.exclusive {
                continue;
            }
            let others = working.get(&number).into_iter().flatten();
            let others: BTreeSet<u32> =
                others.copied().filter(|&other| Some(other) != it.holder).collect();
            assert_eq!(it.awaited, others, "who has jobs of queue {number} is known");
            let is_closed = it.open.is_empty();
            assert!(is_closed || others.is_empty(), "queue {number} is worked by one runner alone");
            assert!(is_closed || it.open.iter().eq(&it.holder), "and that is its holder");
        }
    }
}
