//! Why a job waits: each thing that may hold one up is a function here, and the order in which they are asked is that of
//! [`WaitReason`](ostler_job::durable::WaitReason).
//!
//! An answer costs some looks into tables and a step for each queue above the job, however much waits.

use std::sync::Arc;

use ostler_job::{
    HostId, JobId, Mono, Now, QueueId, TenantId, Wall,
    durable::{JobState, Queue, QueueDiscipline, QueueName},
};
use ostler_scheduler as scheduler;

use super::{
    Driver,
    event::RunnerName,
    jobs::Job,
    why::{Absence, Blocker, Explained, Level, Wanted, Why},
};

/// A job that is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    id: JobId,
    job: &'a Job,
    now: Now,
}

/// What may hold a job up.
enum Holder {
    /// It alone, or what it needs.
    Job(fn(&Driver, Look<'_>) -> Option<Why>),
    /// Its queue and each of those above it, every one for itself.
    Queue(fn(&Driver, Look<'_>, &Arc<Queue>, &scheduler::Level) -> Option<Why>),
}

/// Everything that may hold a job up. The first that does is its reason.
const ORDER: &[Holder] = &[
    Holder::Job(Driver::ends),
    Holder::Job(Driver::starts),
    Holder::Job(Driver::is_paused),
    Holder::Job(Driver::has_its_time),
    Holder::Job(Driver::has_its_retry),
    Holder::Queue(Driver::has_paused_queue),
    Holder::Job(Driver::awaits_another),
    Holder::Job(Driver::lacks_runner),
    Holder::Job(Driver::lacks_resource),
    Holder::Job(Driver::is_capped),
    Holder::Queue(Driver::fills_queue),
    Holder::Queue(Driver::fills_ceiling),
    Holder::Queue(Driver::exceeds_rate),
    Holder::Job(Driver::stands_behind),
    Holder::Job(Driver::fills_runner),
    Holder::Job(Driver::fills_slots),
];

impl Driver {
    /// Why a job has not started; `None`: it is not known here, or it runs.
    pub fn why(&self, id: JobId, now: Now) -> Option<Why> {
        let look = self.look_at(id, now)?;
        ORDER.iter().find_map(|holder| match holder {
            Holder::Job(holds) => holds(self, look),
            Holder::Queue(holds) => self.on_the_way(look, *holds).next(),
        })
    }

    /// Everything that holds it up, from its queue up where several do.
    fn all_whys(&self, look: Look<'_>) -> Vec<Why> {
        let all = ORDER.iter().flat_map(|holder| match holder {
            Holder::Job(holds) => holds(self, look).into_iter().collect(),
            Holder::Queue(holds) => self.on_the_way(look, *holds).collect::<Vec<_>>(),
        });
        all.collect()
    }

    /// All that is to be said of a job that has not started.
    pub fn explain(&self, id: JobId, now: Now) -> Option<Explained> {
        let look = self.look_at(id, now)?;
        let (queue, waits) = (look.job.queue, look.job.state == JobState::Pending);
        let levels = self.scheduler.levels(QueueId(queue), now.mono);
        let own = self.scheduler.own_of_levels(QueueId(queue), TenantId(look.job.tenant));
        let place = self.scheduler.place(id);
        let takes = self.estimates.known(look.job.identity);
        let mut whys = self.all_whys(look);
        if whys.len() > 1 && !self.finds_all_taken(look) {
            whys.retain(|why| !matches!(why, Why::RunnerFull { .. } | Why::SlotsBusy { .. }));
        }
        let is_held = !matches!(
            whys.first(),
            None | Some(Why::Behind { .. } | Why::RunnerFull { .. } | Why::SlotsBusy { .. })
        );
        let is_limited = self.scheduler.reach(QueueId(queue)).is_some();
        let start =
            if is_held || is_limited { None } else { self.scheduler.ahead_of(id, now.mono) };
        Some(Explained {
            levels: levels.zip(own).map(|(level, own)| self.level(level, own, look)).collect(),
            place,
            standing: if waits { self.scheduler.standing(id) } else { None },
            own: self.places_of(queue, self.tenants.name(look.job.tenant)),
            start,
            takes: takes.map(|it| (it.p50, it.p90)),
            slots: self.slots(),
            whys,
        })
    }

    fn look_at(&self, id: JobId, now: Now) -> Option<Look<'_>> {
        let job = self.jobs.get(id).filter(|job| !job.state.is_finished())?;
        Some(Look { id, job, now })
    }

    fn level(&self, it: scheduler::Level, own: (u32, u32), look: Look<'_>) -> Level {
        let queue = it.queue.map(|QueueId(number)| self.queues.get(number));
        let is_own = it.queue == Some(QueueId(look.job.queue));
        let cap = queue
            .filter(|_| is_own)
            .map(|queue| queue.shape.cap(self.tenants.name(look.job.tenant)));
        Level {
            queue: queue.map(|queue| queue.name.clone()),
            discipline: queue.map_or(QueueDiscipline::Promise, |queue| queue.shape.discipline),
            waiting: it.waiting,
            running: it.running,
            own,
            tenant_max: cap.flatten(),
            paused: queue.and_then(|queue| queue.paused.clone()),
            concurrency: it.concurrency,
            rate: queue.and_then(|queue| queue.shape.rate),
            closed_until: it.closed_until.map(|at| wall(at, look.now)),
            share: it.share,
            guarantee: it.guarantee,
            ceiling: it.ceiling,
            is_open: it.is_open(),
        }
    }

    fn queue_name(&self, queue: u32) -> QueueName {
        self.queues.get(queue).name.clone()
    }

    /// What is said of the queues on the way up.
    fn on_the_way<'a>(
        &'a self,
        look: Look<'a>,
        said: impl Fn(&'a Self, Look<'a>, &Arc<Queue>, &scheduler::Level) -> Option<Why> + 'a,
    ) -> impl Iterator<Item = Why> + 'a {
        let levels = self.scheduler.levels(QueueId(look.job.queue), look.now.mono);
        levels.filter_map(move |level| {
            let QueueId(number) = level.queue?;
            said(self, look, self.queues.get(number), &level)
        })
    }

    fn ends(&self, look: Look<'_>) -> Option<Why> {
        (self.resting && !look.job.state.is_out()).then_some(Why::Ending)
    }

    fn starts(&self, look: Look<'_>) -> Option<Why> {
        let runner = self.hosts.name(look.job.at()?).clone();
        let since = look.job.run.as_ref().map_or(look.now.wall, |run| run.leased_at);
        Some(Why::Starting { runner, since })
    }

    fn is_paused(&self, look: Look<'_>) -> Option<Why> {
        let held = || self.pauses.get(&look.id).cloned();
        (look.job.state == JobState::Paused).then(|| Why::Paused { held: held() })
    }

    fn has_its_time(&self, look: Look<'_>) -> Option<Why> {
        (look.job.state == JobState::Scheduled).then_some(Why::NotBefore { until: look.job.due })
    }

    fn has_its_retry(&self, look: Look<'_>) -> Option<Why> {
        let run = look.job.run.as_ref().filter(|_| look.job.state == JobState::Retrying)?;
        Some(Why::Retry {
            until: wall(run.retry_at, look.now),
            attempt: look.job.attempts + 1,
            came_back: run.returns > 0,
        })
    }

    fn has_paused_queue(
        &self,
        _: Look<'_>,
        queue: &Arc<Queue>,
        level: &scheduler::Level,
    ) -> Option<Why> {
        let held = || queue.paused.clone();
        level.paused.then(|| Why::QueuePaused { queue: queue.name.clone(), held: held() })
    }

    fn lacks_runner(&self, look: Look<'_>) -> Option<Why> {
        if self.resting || look.job.state.is_out() {
            return None;
        }
        let queue = QueueId(look.job.queue);
        let (wanted, absence) = match (look.job.host(), self.scheduler.reach(queue)) {
            (Some(host), reach) => {
                let is_meant = reach.is_none_or(|reach| reach.contains(&HostId(host)));
                let absence = self.absence([host].into_iter());
                let elsewhere = (!is_meant).then_some(Absence::Elsewhere);
                (Wanted::Host(self.hosts.name(host).clone()), absence.or(elsewhere)?)
            }
            (None, Some(reach)) => {
                let absence = self.absence(reach.iter().map(|&HostId(host)| host))?;
                let absence = if reach.is_empty() { self.nobody(look) } else { absence };
                (self.attached_to(look)?, absence)
            }
            (None, None) if self.scheduler.slots() > 0 => return None,
            (None, None) => {
                (Wanted::Any, self.absence(self.runners.iter().map(|(number, _)| number))?)
            }
        };
        Some(Why::NoRunner { wanted, absence })
    }

    /// The queues on the way up that say which runners may run the job, and which they are.
    fn attached_to(&self, look: Look<'_>) -> Option<Wanted> {
        let levels = self.scheduler.levels(QueueId(look.job.queue), look.now.mono);
        let queues = levels.filter_map(|level| Some(self.queues.get(level.queue?.0)));
        let limited = queues.filter(|it| it.shape.exclusive || !it.shape.attach.is_empty());
        let all: Vec<_> = limited
            .map(|it| (it.name.clone(), it.shape.attach.iter().cloned().collect()))
            .collect();
        let reach = self.scheduler.reach(QueueId(look.job.queue))?;
        let holds = |it: &RunnerName| reach.iter().any(|&HostId(host)| self.hosts.name(host) == it);
        let held = all.iter().find_map(|(queue, _)| {
            let runner = self.attachment(queue)?.holder.filter(holds)?;
            Some(Wanted::Holder { queue: queue.clone(), runner })
        });
        if held.is_some() {
            return held;
        }
        let mut all = all.into_iter();
        let (queue, selectors) = all.next()?;
        Some(Wanted::Attached { queue, selectors, above: all.collect() })
    }

    /// What is with the runners that would be meant, where none is: one that takes nothing does not work an exclusive queue.
    fn nobody(&self, look: Look<'_>) -> Absence {
        let Some(Wanted::Attached { selectors, above, .. }) = self.attached_to(look) else {
            return Absence::Unknown;
        };
        let all = self.runners.iter().filter(|(number, runner)| {
            let labels = runner.incarnation.as_ref().map(|_| &*runner.labels);
            let name = self.hosts.name(*number);
            let mut limits = std::iter::once(&selectors).chain(above.iter().map(|it| &it.1));
            limits.all(|it| it.is_empty() || it.iter().any(|it| it.meets(name, labels)))
        });
        self.absence(all.map(|(number, _)| number)).unwrap_or(Absence::Unknown)
    }

    /// The queue is worked by one runner, and jobs of it have not ended on another.
    fn awaits_another(&self, look: Look<'_>) -> Option<Why> {
        let reach = self.scheduler.reach(QueueId(look.job.queue))?;
        if look.job.state.is_out() || !reach.is_empty() {
            return None;
        }
        let mut levels = self.scheduler.levels(QueueId(look.job.queue), look.now.mono);
        levels.find_map(|level| {
            let queue = self.queues.get(level.queue?.0).name.clone();
            let it = self.attachment(&queue).filter(|it| !it.awaited.is_empty())?;
            Some(Why::Exclusive { queue, holder: it.holder, awaited: it.awaited })
        })
    }

    /// Why none of these runners takes anything; `None`: one does.
    fn absence(&self, runners: impl Iterator<Item = u32>) -> Option<Absence> {
        let mut all = Absence::Unknown;
        for number in runners {
            if self.runners.offered(number) > 0 {
                return None;
            }
            let Some(runner) = self.runners.get(number) else { continue };
            all = all.max(match runner.connected && !runner.is_lost() {
                false => Absence::Away,
                true if self.runners.suspicions.more(number).is_some() => Absence::Broken,
                true => Absence::Drained,
            });
        }
        Some(all)
    }

    fn lacks_resource(&self, look: Look<'_>) -> Option<Why> {
        let (resource, blocker) = self.scheduler.blocker(look.id)?;
        let (name, is_serial) = self.resources.told(resource);
        let blocker = self.jobs.get(blocker).map(|it| Blocker {
            job: blocker,
            tenant: self.tenants.name(it.tenant).clone(),
            state: it.state,
            has_it: self.scheduler.has_resources(blocker),
        });
        Some(Why::Resource { name, is_serial, blocker })
    }

    fn is_capped(&self, look: Look<'_>) -> Option<Why> {
        let standing = self.scheduler.standing(look.id)?;
        let running = self.places_of(look.job.queue, self.tenants.name(look.job.tenant)).running;
        let queue = self.queue_name(look.job.queue);
        standing.is_capped.then_some(Why::TenantCap { queue, running })
    }

    fn fills_queue(
        &self,
        _: Look<'_>,
        queue: &Arc<Queue>,
        level: &scheduler::Level,
    ) -> Option<Why> {
        let max = level.concurrency.filter(|_| level.is_full())?;
        Some(Why::Concurrency { queue: queue.name.clone(), running: level.running, max })
    }

    fn fills_ceiling(
        &self,
        _: Look<'_>,
        queue: &Arc<Queue>,
        level: &scheduler::Level,
    ) -> Option<Why> {
        let millislots = level.ceiling.filter(|_| level.has_used_ceiling)?;
        Some(Why::Ceiling { queue: queue.name.clone(), millislots })
    }

    fn exceeds_rate(
        &self,
        look: Look<'_>,
        queue: &Arc<Queue>,
        level: &scheduler::Level,
    ) -> Option<Why> {
        let until = wall(level.closed_until?, look.now);
        Some(Why::Rate { queue: queue.name.clone(), rate: queue.shape.rate?, until })
    }

    fn stands_behind(&self, look: Look<'_>) -> Option<Why> {
        let place = self.scheduler.place(look.id).filter(|place| place.before > 0)?;
        Some(Why::Behind { queue: self.queue_name(look.job.queue), place })
    }

    fn fills_runner(&self, look: Look<'_>) -> Option<Why> {
        if look.job.state != JobState::Pending {
            return None;
        }
        let Some(host) = look.job.host() else {
            self.scheduler.reach(QueueId(look.job.queue))?;
            let wanted = self.attached_to(look)?;
            return Some(Why::RunnerFull { wanted, slots: None });
        };
        let slots = Some(self.runners.get(host)?.slots);
        Some(Why::RunnerFull { wanted: Wanted::Host(self.hosts.name(host).clone()), slots })
    }

    /// Whether those that may run the job are there and have no slot free.
    fn finds_all_taken(&self, look: Look<'_>) -> bool {
        let full = |hosts: &[u32]| {
            let mut there = hosts.iter().filter(|&&it| self.runners.offered(it) > 0).peekable();
            there.peek().is_some() && there.all(|&it| self.scheduler.free_at(HostId(it)) == 0)
        };
        match (look.job.host(), self.scheduler.reach(QueueId(look.job.queue))) {
            (Some(host), _) => full(&[host]),
            (None, Some(reach)) => full(&reach.iter().map(|host| host.0).collect::<Vec<_>>()),
            (None, None) => self.scheduler.slots() > 0 && self.scheduler.free() == 0,
        }
    }

    /// Whatever waits in its queue for no other reason waits for this.
    fn fills_slots(&self, look: Look<'_>) -> Option<Why> {
        let is_bound =
            look.job.host().is_some() || self.scheduler.reach(QueueId(look.job.queue)).is_some();
        let waits = look.job.state == JobState::Pending && !is_bound;
        waits.then(|| Why::SlotsBusy { slots: self.scheduler.slots() })
    }
}

/// The date of a moment of the clock that nobody sets, as far as that can be told now.
fn wall(at: Mono, now: Now) -> Wall {
    now.wall.after(at - now.mono)
}
