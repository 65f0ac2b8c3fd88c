//! What fails, and what people do.

use std::{collections::BTreeSet, sync::Arc};

use ostler_driver::{QueueOrder, QueueVerb, Steer, SteerJob, Ticket, Verb};
use ostler_job::{
    JobId, Selector, Span,
    durable::{Edit, QueueName, QueueShape, Retry},
};
use ostler_store::{Planned, Store};

use crate::{agenda::Event, clients::Client, world::World};

/// Whose orders are answered when nothing begins any more where a queue is not attached.
pub(crate) const SELECTORS: Ticket = Ticket(u64::MAX - 1);

impl World {
    /// One fault or deed; the next one follows.
    pub(crate) fn chaos(&mut self) {
        let pause = Span::from_millis(self.rng.between(5, 400));
        self.agenda.at(self.now.mono + pause, Event::Chaos);
        if self.plan.detaches && self.rng.one_in(3) {
            return self.order_queue();
        }
        if self.plan.fires && self.rng.one_in(6) {
            return self.order_schedule();
        }
        if self.plan.forget && self.rng.one_in(12) {
            self.forget_next = true;
        }
        match self.rng.below(100) {
            0..45 => self.new_client(),
            45..66 => self.operate(),
            66..73 => self.drop_link(),
            73..77 => self.kill_runner(),
            77..81 => self.stop_runner(),
            81..84 => self.crash_gateway(),
            84..86 => self.stop_gateway(),
            86..88 => self.fail_write(),
            88..90 => self.slow_disk(),
            90..91 => self.step_clock(),
            91..93 => self.store.plan([Some(Planned::Full), Some(Planned::Full)]),
            93..95 => self.copy = Some((self.store.copy(), self.checker.expected.clone())),
            95..96 => self.restore(),
            96..97 => self.clone_runner(),
            97..98 => self.fall_behind(),
            98.. => self.order_queue(),
        }
    }

    /// Whatever an operator holds back goes on.
    pub(crate) fn look_after(&mut self) {
        self.agenda.at(self.now.mono + Span::from_secs(20), Event::Chaos);
        self.check_rest();
        self.end_schedules();
        for queue in ["default", "queue-1", "queue-2"] {
            let queue = QueueName::new(queue).expect("it is a name");
            self.tell_queue(queue.clone(), QueueVerb::Resume);
            if self.plan.attaches {
                // Somebody may have pinned a job to a runner that its queue is not attached to.
                self.tell_queue(queue, QueueVerb::Put(Box::default()));
            }
        }
        let jobs: Vec<JobId> = self.checker.jobs().collect();
        self.send_steer(Verb::Resume, jobs, Span::from_millis(1));
    }

    fn new_client(&mut self) {
        let mut client = Client::new(self.clients.len(), &mut self.rng, self.now);
        if self.plan.detaches {
            for job in &mut client.jobs {
                Arc::make_mut(&mut job.spec).queue = self.rng.one_in(2).then(|| self.any_queue());
            }
        }
        self.clients.push(client);
        self.agenda.at(self.now.mono, Event::Submit(self.clients.len() - 1));
    }

    fn operate(&mut self) {
        let known: Vec<JobId> = self.checker.jobs().collect();
        if known.is_empty() {
            return;
        }
        let count = if self.rng.one_in(4) { 5 } else { 1 };
        let ids: Vec<JobId> = (0..count)
            // Mostly lately submitted ones: more of them are unfinished.
            .map(|_| {
                let back = self.rng.below(known.len() as u64).min(self.rng.below(30));
                known[known.len() - 1 - back as usize]
            })
            .collect();
        let verb = match self.rng.below(13) {
            0 | 1 => Verb::Cancel,
            2 => Verb::Kill,
            3..6 => Verb::Pause,
            6..8 => Verb::Resume,
            8 | 9 => Verb::Retry,
            10 => {
                if self.rng.one_in(2) {
                    return self.relocate(ids);
                }
                let to = self.rng.below(4) > 0;
                let host = to.then(|| format!("runner-{}", self.rng.below(3)));
                Verb::Move { host: Some(host), queue: None, relocate: false }
            }
            11 => Verb::Edit(Box::new(self.edit())),
            _ => Verb::Delete,
        };
        let delay = Span::from_millis(self.rng.between(0, 20));
        self.send_steer(verb, ids, delay);
    }

    /// Those that run are ended to wait in another queue.
    fn relocate(&mut self, ids: Vec<JobId>) {
        let queue = Some(self.any_queue());
        let relocate = self.rng.one_in(2);
        self.send_steer(Verb::Move { host: None, queue, relocate }, ids, Span::from_millis(5));
    }

    fn any_queue(&mut self) -> QueueName {
        let name = ["default", "queue-1", "queue-2"][self.rng.below(3) as usize];
        QueueName::new(name).expect("it is a name")
    }

    /// Somebody makes, holds or deletes a queue.
    fn order_queue(&mut self) {
        if self.plan.detaches && self.rng.one_in(2) {
            return self.order_selectors();
        }
        let (number, weight) = (self.rng.below(3), self.rng.between(1, 5) as u32);
        let verb = match self.rng.below(8) {
            0..3 => {
                let concurrency = self.rng.one_in(3).then_some(weight);
                let parent = (number == 2 && self.rng.one_in(2))
                    .then(|| QueueName::new("queue-1").expect("it is a name"));
                let (attach, exclusive) = self.attachment();
                let shape = QueueShape {
                    weight,
                    concurrency,
                    parent,
                    attach,
                    exclusive,
                    ..QueueShape::default()
                };
                QueueVerb::Put(Box::new(shape))
            }
            3 => QueueVerb::Pause,
            4 => QueueVerb::Drain,
            5 | 6 => QueueVerb::Resume,
            _ => QueueVerb::Delete,
        };
        let queue = self.any_queue();
        self.tell_queue(queue, verb);
    }

    /// Somebody attaches a queue to more runners, or to fewer.
    fn order_selectors(&mut self) {
        let runner = format!("runner-{}", self.rng.below(3));
        let selectors = BTreeSet::from([Selector::Runner(runner)]);
        let verb = match self.rng.below(5) {
            0 => QueueVerb::Detach(None),
            1 | 2 => QueueVerb::Detach(Some(selectors)),
            _ => {
                let exclusive = self.rng.one_in(2).then(|| self.rng.one_in(2));
                QueueVerb::Attach { selectors, exclusive }
            }
        };
        let queue = self.any_queue();
        let order = QueueOrder { ticket: SELECTORS, who: "operator".into(), queue, verb };
        self.agenda.at(self.now.mono, Event::Queue(order));
    }

    /// What a queue is attached to, and whether one runner has it for itself.
    fn attachment(&mut self) -> (BTreeSet<Selector>, bool) {
        if !self.plan.attaches || self.rng.one_in(3) {
            return Default::default();
        }
        let count = self.rng.below(3);
        let runners = (0..count).map(|_| format!("runner-{}", self.rng.below(3)));
        (runners.map(Selector::Runner).collect(), self.rng.one_in(2))
    }

    fn tell_queue(&mut self, queue: QueueName, verb: QueueVerb) {
        let order = QueueOrder { ticket: Ticket(u64::MAX), who: "operator".into(), queue, verb };
        self.agenda.at(self.now.mono, Event::Queue(order));
    }

    /// What somebody changes about jobs that wait.
    fn edit(&mut self) -> Edit {
        let mut edit = Edit::default();
        match self.rng.below(4) {
            0 => {
                let attempts = self.rng.between(1, 4) as u32;
                edit.retry = Some(Retry { attempts, ..Retry::default() });
            }
            1 => {
                let within = Span::from_millis(self.rng.between(100, 60_000));
                edit.within = Some(self.rng.one_in(2).then_some(within));
            }
            2 => {
                let at = self.now.wall.after(Span::from_millis(self.rng.between(0, 30_000)));
                edit.not_before = Some(self.rng.one_in(2).then_some(at));
            }
            _ => edit.host = Some(None),
        }
        edit
    }

    /// An operator's request, made from what the store says now, arrives a little later.
    pub(crate) fn send_steer(&mut self, verb: Verb, ids: Vec<JobId>, delay: Span) {
        let look = |id: JobId| {
            let record = self.store.job(id).ok().flatten();
            let finished = record.filter(|job| job.status.state.is_finished()).map(Box::new);
            SteerJob { id, finished }
        };
        let jobs = ids.into_iter().map(look).collect();
        let steer = Steer { ticket: Ticket(u64::MAX), who: "operator".into(), verb, jobs };
        self.agenda.at(self.now.mono + delay, Event::Steer(steer));
    }

    fn any_runner(&mut self) -> usize {
        self.rng.below(3) as usize
    }

    fn drop_link(&mut self) {
        let at = self.any_runner();
        self.unlink(at);
    }

    fn kill_runner(&mut self) {
        let at = self.any_runner();
        if self.runners[at].lives() {
            self.kill(at);
            let away = Span::from_millis(self.rng.between(10, 20_000));
            self.agenda.at(self.now.mono + away, Event::Boot(at));
        }
    }

    fn stop_runner(&mut self) {
        let at = self.any_runner();
        if self.runners[at].lives() && !self.runners[at].stopped {
            self.runners[at].stopped = true;
            let away = Span::from_millis(self.rng.between(100, 25_000));
            self.agenda.at(self.now.mono + away, Event::Resume(at));
        }
    }

    /// A runner's beats wait behind a log, on a slow link.
    fn fall_behind(&mut self) {
        let at = self.any_runner();
        let takes = Span::from_millis(self.rng.between(3_000, 25_000));
        self.runners[at].behind_until = self.now.mono + takes;
    }

    /// A write fails, and may be there.
    fn fail_write(&mut self) {
        let kept = self.rng.one_in(2);
        if self.failing.is_none() {
            self.failing = Some(kept);
            self.store.plan([Some(Planned::Io { kept })]);
        }
    }

    /// The gateway is ended, and a backup put in the place of its store.
    fn restore(&mut self) {
        let Some((copy, expected)) = self.copy.take() else { return };
        self.crash_gateway();
        self.store.restore(&copy);
        self.checker.restored(expected);
        self.checker.tally.restored += 1;
    }

    /// A copy of a runner's folder is started elsewhere, or ended.
    fn clone_runner(&mut self) {
        if self.runners[3].lives() {
            self.kill(3);
        } else {
            self.agenda.at(self.now.mono, Event::Boot(3));
        }
    }

    fn stop_gateway(&mut self) {
        if let Some(gateway) = self.gateway.as_mut().filter(|it| !it.stopped) {
            gateway.stopped = true;
            let away = Span::from_millis(self.rng.between(100, 20_000));
            self.agenda.at(self.now.mono + away, Event::Continue);
        }
    }

    /// Commits take seconds for a while.
    fn slow_disk(&mut self) {
        let slow = Span::from_millis(self.rng.between(500, 10_000));
        self.slow_until = self.now.mono + slow;
    }

    fn step_clock(&mut self) {
        if !self.plan.steps {
            return;
        }
        let hour = 3_600_000;
        self.wall_offset = match self.rng.below(5) {
            0 => 0,
            1 => hour,
            2 => 40 * 24 * hour,
            3 => -40 * 24 * hour,
            _ => -hour,
        };
        self.tell_time(self.now.mono);
    }
}
