//! Jobs that arrive, run for their true time and end, around one scheduler.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, Estimate, Scheduler, Submit, Supply};

/// What a tenant submits.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) tenant: u32,
    pub(crate) weight: u32,
    pub(crate) promise: Promise,
    /// True time in a slot.
    pub(crate) takes: Span,
    /// Estimated time in a slot.
    pub(crate) estimate: Span,
}

/// What became of a job.
#[derive(Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) work: Work,
    pub(crate) arrived: Mono,
    pub(crate) started: Option<Mono>,
    pub(crate) finished: Option<Mono>,
}

impl Fate {
    pub(crate) fn waited(&self) -> Option<Span> {
        self.started.map(|started| started - self.arrived)
    }

    pub(crate) fn on_time(&self) -> bool {
        self.finished.is_some_and(|at| at <= self.arrived + self.work.promise.window())
    }
}

/// One scheduler, one supplier, a clock and everything that happened.
pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) now: Mono,
    /// Every job by its id.
    pub(crate) fates: Vec<Fate>,
    /// What was started, in order.
    pub(crate) started: Vec<Work>,
    ends: BinaryHeap<Reverse<(Mono, JobId)>>,
    arrivals: BTreeMap<(Mono, u64), Work>,
    planned: u64,
}

impl World {
    pub(crate) fn new(config: Config, slots: u32) -> Self {
        let mut scheduler = Scheduler::new(config);
        let supply = Supply { host: HostId(1), slots, prefetch: 0 };
        scheduler.handle_supply(SupplierId(1), supply, Mono(0));
        Self {
            scheduler,
            now: Mono(0),
            fates: Vec::new(),
            started: Vec::new(),
            ends: BinaryHeap::new(),
            arrivals: BTreeMap::new(),
            planned: 0,
        }
    }

    /// Has a job arrive at `at`.
    pub(crate) fn plan(&mut self, at: Mono, work: Work) {
        self.planned += 1;
        self.arrivals.insert((at, self.planned), work);
    }

    /// A job arrives now.
    pub(crate) fn submit(&mut self, work: Work) {
        let job = JobId(self.fates.len() as u64);
        self.fates.push(Fate { work, arrived: self.now, started: None, finished: None });
        let submit = Submit {
            job,
            queue: QueueId::DEFAULT,
            tenant: TenantId(work.tenant),
            weight: work.weight,
            promise: work.promise,
            expires: None,
            host: None,
            estimate: Estimate { p50: work.estimate, p90: work.estimate },
        };
        self.scheduler.handle_submit(submit, self.now);
        self.act();
    }

    /// Lets the next thing happen, unless it is after `until`; answers whether it did, and the job that ended.
    pub(crate) fn step(&mut self, until: Mono) -> Option<Option<Fate>> {
        let end = self.ends.peek().map(|&Reverse((at, _))| at);
        let arrival = self.arrivals.first_key_value().map(|(&(at, _), _)| at);
        let next = [end, arrival].into_iter().flatten().min().filter(|&at| at <= until)?;
        self.now = next;
        if end == Some(next)
            && let Some(Reverse((_, job))) = self.ends.pop()
        {
            self.fates[job.0 as usize].finished = Some(next);
            self.scheduler.handle_finish(job, next);
            self.act();
            return Some(Some(self.fates[job.0 as usize]));
        }
        let work = self.arrivals.pop_first().map(|(_, work)| work)?;
        self.submit(work);
        Some(None)
    }

    fn act(&mut self) {
        while let Some(action) = self.scheduler.poll_action() {
            let Action::Grant { job, prefetched, waited, .. } = action else {
                panic!("nothing is refused or expires in this world: {action:?}");
            };
            let fate = &mut self.fates[job.0 as usize];
            assert!(!prefetched && fate.started.is_none(), "a job is granted once");
            assert_eq!(waited, self.now - fate.arrived, "the grant knows how long its job waited");
            fate.started = Some(self.now);
            self.started.push(fate.work);
            self.ends.push(Reverse((self.now + fate.work.takes, job)));
        }
        let idle = self.scheduler.free() > 0 && self.scheduler.waiting() > 0;
        assert!(!idle, "no slot is free while a job waits");
    }
}
