//! What shares and guarantees are worth where jobs do not take as long as was thought.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Config, DisciplineKind, Estimate, QueueConfig, Scheduler, Submit, Supply,
};

const SECONDS: u64 = 60;

/// How long jobs take, and how long they are thought to take, as a part of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thought {
    Right,
    Thrice,
    FiveTimes,
    AFifth,
    /// Right on the average: one of ten takes far longer, and nine far less.
    OnTheAverage,
}

const THOUGHTS: [Thought; 5] =
    [Thought::Right, Thought::Thrice, Thought::FiveTimes, Thought::AFifth, Thought::OnTheAverage];

impl Thought {
    /// How long a job takes, and how long it is thought to take, in milliseconds; `random` says which one.
    fn job(self, random: u64) -> (u64, u64) {
        let takes = 50 + random % 100;
        match self {
            Self::Right => (takes, takes),
            Self::Thrice => (takes, 3 * takes),
            Self::FiveTimes => (takes, 5 * takes),
            Self::AFifth => (takes, takes / 5),
            Self::OnTheAverage if random.is_multiple_of(10) => (460, 55),
            Self::OnTheAverage => (10, 55),
        }
    }
}

/// Somebody who has jobs waiting all the time.
#[derive(Clone, Copy)]
struct Tenant {
    queue: QueueId,
    weight: u32,
    thought: Thought,
}

struct World {
    s: Scheduler,
    random: u64,
    now: u64,
    /// Whose each job is, and how long it takes.
    jobs: BTreeMap<u64, (usize, u64)>,
    ends: BTreeSet<(u64, u64)>,
    waiting: Vec<u32>,
    /// Slot time that each tenant's jobs took.
    used: Vec<u64>,
}

impl World {
    fn submit(&mut self, at: usize, tenant: Tenant) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let (takes, thought) = tenant.thought.job(self.random >> 8);
        let (id, span) = (self.jobs.len() as u64 + 1, Span::from_millis(thought));
        self.jobs.insert(id, (at, Span::from_millis(takes).0));
        self.waiting[at] += 1;
        let submit = Submit {
            job: JobId(id),
            queue: tenant.queue,
            tenant: TenantId(at as u32),
            weight: tenant.weight,
            promise: Promise::Within(Span::from_secs(3600)),
            expires: None,
            host: None,
            estimate: Estimate { p50: span, p90: span },
        };
        self.s.handle_submit(submit, Mono(self.now));
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(action) = self.s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            let (at, takes) = self.jobs[&job.0];
            self.waiting[at] -= 1;
            self.ends.insert((self.now + takes, job.0));
        }
    }

    /// The next end of a job, or what is due.
    fn step(&mut self) {
        let end = self.ends.first().map_or(u64::MAX, |&(at, _)| at);
        let due = self.s.poll_timeout().map_or(u64::MAX, |(due, _)| due.0.max(self.now));
        self.now = end.min(due);
        if end <= due {
            let (_, id) = self.ends.pop_first().unwrap();
            let (at, takes) = self.jobs[&id];
            self.used[at] += takes;
            self.s.handle_finish(JobId(id), Mono(self.now));
        } else {
            self.s.handle_timeout(Mono(self.now));
        }
        self.hear();
    }
}

/// Slots that each of them used on the average.
fn used(slots: u32, queues: &[(QueueId, QueueConfig)], tenants: &[Tenant]) -> Vec<f64> {
    let mut s = Scheduler::new(Config::default());
    for (id, queue) in queues {
        s.handle_queue(*id, queue, Mono(0));
    }
    s.handle_supply(SupplierId(1), Supply { host: HostId(1), slots, prefetch: 0 }, Mono(0));
    let mut world = World {
        s,
        random: 88_172_645_463_325_252,
        now: 0,
        jobs: BTreeMap::new(),
        ends: BTreeSet::new(),
        waiting: vec![0; tenants.len()],
        used: vec![0; tenants.len()],
    };
    while world.now < Span::from_secs(SECONDS).0 {
        for (at, &tenant) in tenants.iter().enumerate() {
            while world.waiting[at] < 2 * slots {
                world.submit(at, tenant);
            }
        }
        world.step();
    }
    world.used.iter().map(|&used| used as f64 / world.now as f64).collect()
}

/// Every pair of thoughts, that of the first one and that of the others.
fn pairs() -> impl Iterator<Item = (Thought, Thought)> {
    THOUGHTS.into_iter().flat_map(|first| THOUGHTS.map(|others| (first, others)))
}

#[test]
fn shares_hold_whatever_jobs_were_thought_to_take() {
    for kind in [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Htb] {
        let queue = (QueueId(1), QueueConfig { discipline: kind, ..QueueConfig::default() });
        for (first, others) in pairs() {
            for (slots, weights) in [(8, [3, 1, 1]), (8, [1, 3, 3]), (2, [8, 1, 1])] {
                let tenant =
                    |at: usize, thought| Tenant { queue: queue.0, weight: weights[at], thought };
                let tenants = [tenant(0, first), tenant(1, others), tenant(2, others)];
                let got = used(slots, &[queue], &tenants);
                let all = f64::from(weights.iter().sum::<u32>());
                for (got, weight) in got.iter().zip(weights) {
                    let fair = f64::from(slots * weight) / all;
                    let off = (got / fair - 1.0).abs();
                    assert!(
                        off < 0.05,
                        "{kind:?}, {first:?} and {others:?}: {got} of {fair} slots"
                    );
                }
            }
        }
    }
}

#[test]
fn guarantees_hold_and_the_rest_is_shared_whatever_jobs_were_thought_to_take() {
    let (top, below) = (QueueId(2), [QueueId(3), QueueId(4), QueueId(5)]);
    for (first, others) in pairs() {
        for (slots, guarantees) in [(8, [2_000, 500, 0]), (4, [0, 1_000, 1_000])] {
            let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
            let child = QueueConfig { parent: Some(top), ..QueueConfig::default() };
            let children = below.iter().zip(guarantees);
            let children =
                children.map(|(&id, guarantee)| (id, QueueConfig { guarantee, ..child }));
            let queues: Vec<_> = std::iter::once((top, htb)).chain(children).collect();
            let tenant = |at: usize, thought| Tenant { queue: below[at], weight: 1, thought };
            let tenants = [tenant(0, first), tenant(1, others), tenant(2, others)];
            let got = used(slots, &queues, &tenants);
            let guaranteed = f64::from(guarantees.iter().sum::<u32>()) / 1e3;
            let rest = (f64::from(slots) - guaranteed) / 3.0;
            for (got, guarantee) in got.iter().zip(guarantees) {
                let fair = f64::from(guarantee) / 1e3 + rest;
                let off = (got / fair - 1.0).abs();
                assert!(off < 0.08, "{first:?} and {others:?}: {got} of {fair} slots");
            }
        }
    }
}
