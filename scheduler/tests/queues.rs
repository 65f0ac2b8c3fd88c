//! Several queues: what their gates hold up, what their weights share, and that nothing is lost while they change.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Claim, Config, DisciplineKind, Estimate, QueueConfig, Rate, ResourceId, Scheduler,
    Submit, Supply,
};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

fn at(millis: u64) -> Mono {
    Mono(0) + Span::from_millis(millis)
}

fn job(id: u64, queue: QueueId, tenant: u32) -> Submit {
    let span = Span::from_millis(10);
    Submit {
        job: JobId(id),
        queue,
        tenant: TenantId(tenant),
        weight: 1,
        promise: Promise::Within(Span::from_secs(10)),
        expires: None,
        host: None,
        estimate: Estimate { p50: span, p90: span },
    }
}

fn with_slots(slots: u32) -> Scheduler {
    let mut s = Scheduler::new(Config::default());
    let supply = Supply { host: HostId(1), slots, prefetch: 0 };
    s.handle_supply(SupplierId(1), supply, at(0));
    s
}

fn granted(s: &mut Scheduler) -> Vec<u64> {
    let mut granted = Vec::new();
    while let Some(action) = s.poll_action() {
        match action {
            Action::Grant { job, .. } => granted.push(job.0),
            Action::Refuse { .. } | Action::Expire { .. } => panic!("{action:?}"),
        }
    }
    granted
}

#[test]
fn queues_share_slot_time_by_their_weights_whoever_submits_there() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig { weight: 3, ..QueueConfig::default() }, at(0));
    s.handle_queue(B, &QueueConfig::default(), at(0));
    // Three tenants in the light queue, one in the heavy one.
    for id in 0..4_000 {
        let (queue, tenant) = if id % 2 == 0 { (A, 9) } else { (B, (id / 2 % 3) as u32) };
        s.handle_submit(job(id + 1, queue, tenant), at(1));
    }
    let mut of_a = 0;
    let mut now = 1;
    for _ in 0..2_000 {
        let id = granted(&mut s)[0];
        of_a += u32::from(id % 2 == 1);
        now += 10;
        s.handle_finish(JobId(id), at(now));
    }
    assert!((1_480..=1_520).contains(&of_a), "{of_a} of 2000 for three of four parts");
}

#[test]
fn a_paused_queue_gives_nothing_and_holds_nobody_up_until_it_goes_on() {
    let mut s = with_slots(2);
    let paused = QueueConfig { paused: true, ..QueueConfig::default() };
    s.handle_queue(A, &paused, at(0));
    s.handle_submit(job(1, A, 1), at(1));
    s.handle_submit(job(2, QueueId::DEFAULT, 1), at(1));
    assert_eq!(granted(&mut s), [2]);
    assert_eq!(s.queue(A), Some((1, 0)));
    s.handle_queue(A, &QueueConfig::default(), at(2));
    assert_eq!(granted(&mut s), [1]);
    // Paused again, what runs goes on and what comes back waits.
    s.handle_queue(A, &paused, at(3));
    s.handle_return(JobId(1), at(4));
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.queue(A), Some((1, 0)));
    s.handle_queue(A, &QueueConfig::default(), at(5));
    assert_eq!(granted(&mut s), [1]);
}

#[test]
fn the_default_queue_can_be_paused_while_its_jobs_run() {
    let mut s = with_slots(2);
    for id in 1..=3 {
        s.handle_submit(job(id, QueueId::DEFAULT, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2]);
    let paused = QueueConfig { paused: true, ..QueueConfig::default() };
    s.handle_queue(QueueId::DEFAULT, &paused, at(1));
    s.handle_finish(JobId(1), at(2));
    s.handle_submit(job(4, QueueId::DEFAULT, 2), at(3));
    assert_eq!(granted(&mut s), []);
    assert_eq!(s.queue(QueueId::DEFAULT), Some((2, 1)));
    s.handle_queue(QueueId::DEFAULT, &QueueConfig::default(), at(4));
    assert_eq!(granted(&mut s).len(), 1);
}

#[test]
fn a_rate_lets_a_burst_go_and_then_one_job_each_interval() {
    let mut s = with_slots(100);
    let rate = Rate { jobs: 10, per: Span::from_secs(1), burst: 3 };
    s.handle_queue(A, &QueueConfig { rate: Some(rate), ..QueueConfig::default() }, at(0));
    for id in 1..=8 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2, 3]);
    let mut starts = Vec::new();
    while s.waiting() > 0 {
        let (moment, _) = s.poll_timeout().unwrap();
        s.handle_timeout(moment);
        starts.extend(granted(&mut s).iter().map(|_| moment));
    }
    assert_eq!(starts, [100, 200, 300, 400, 500].map(at));
    // After a quiet time, a burst again.
    for id in 11..=18 {
        s.handle_submit(job(id, A, 1), at(10_000));
    }
    assert_eq!(granted(&mut s), [11, 12, 13]);
}

#[test]
fn another_order_loses_no_waiting_job() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    let mut urgent = job(3, A, 2);
    urgent.promise = Promise::Within(Span::from_millis(20));
    s.handle_submit(job(1, A, 1), at(0));
    s.handle_submit(job(2, A, 1), at(0));
    s.handle_submit(urgent, at(0));
    assert_eq!(granted(&mut s), [1]);
    let fifo = QueueConfig { discipline: DisciplineKind::Fifo, ..QueueConfig::default() };
    s.handle_queue(A, &fifo, at(1));
    s.handle_finish(JobId(1), at(2));
    assert_eq!(granted(&mut s), [2], "by age now, not by promise");
    s.handle_submit(job(4, A, 1), at(2));
    s.handle_queue(A, &QueueConfig::default(), at(3));
    s.handle_finish(JobId(2), at(4));
    assert_eq!(granted(&mut s), [3]);
    s.handle_finish(JobId(3), at(5));
    assert_eq!(granted(&mut s), [4]);
}

#[test]
#[should_panic(expected = "only a queue without jobs is deleted")]
fn a_queue_with_jobs_is_not_deleted() {
    let mut s = with_slots(1);
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_submit(job(1, A, 1), at(0));
    s.handle_queue_gone(A, at(1));
}

/// What a model knows of queues that come, change and go at random.
struct World {
    s: Scheduler,
    random: u64,
    now: u64,
    next: u64,
    queues: BTreeMap<u32, QueueConfig>,
    /// Jobs with their queues.
    waiting: BTreeMap<u64, u32>,
    running: BTreeMap<u64, u32>,
    /// When jobs of a queue with the rate it has were granted.
    starts: BTreeMap<u32, Vec<u64>>,
    ever: BTreeSet<u64>,
    /// What jobs want, the resources and whether for themselves.
    claims: BTreeMap<u64, Vec<Claim>>,
    /// Jobs that keep what they have until they are tried again.
    kept: BTreeMap<u64, u32>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut s = Scheduler::new(Config { tenant_slots_max: Some(5), ..Config::default() });
        for host in 0..3 {
            let supply = Supply { host: HostId(host), slots: 3, prefetch: host % 2 };
            s.handle_supply(SupplierId(host), supply, at(0));
        }
        Self {
            s,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: 0,
            next: 0,
            queues: BTreeMap::from([(0, QueueConfig::default())]),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            starts: BTreeMap::new(),
            ever: BTreeSet::new(),
            claims: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    fn config(&mut self) -> QueueConfig {
        let some = |it: &mut Self, max| (it.below(3) == 0).then(|| it.below(max) as u32);
        let rate = (self.below(3) == 0).then(|| Rate {
            jobs: self.below(20) as u32,
            per: Span::from_millis(100 + self.below(1_000)),
            burst: self.below(4) as u32,
        });
        QueueConfig {
            discipline: if self.below(2) == 0 {
                DisciplineKind::Promise
            } else {
                DisciplineKind::Fifo
            },
            weight: self.below(4) as u32,
            paused: self.below(4) == 0,
            concurrency: some(self, 4),
            rate,
        }
    }

    fn put(&mut self) {
        let id = self.below(6) as u32;
        let config = self.config();
        if self.queues.get(&id).is_none_or(|known| known.rate != config.rate) {
            self.starts.remove(&id);
        }
        self.queues.insert(id, config);
        self.s.handle_queue(QueueId(id), &config, at(self.now));
    }

    fn delete(&mut self) {
        let id = self.below(6) as u32;
        let has = |jobs: &BTreeMap<u64, u32>| jobs.values().any(|&queue| queue == id);
        if id == 0 || has(&self.waiting) || has(&self.running) || !self.queues.contains_key(&id) {
            return;
        }
        self.queues.remove(&id);
        self.starts.remove(&id);
        self.s.handle_queue_gone(QueueId(id), at(self.now));
    }

    fn submit(&mut self) {
        let id = self.below(6) as u32;
        if !self.queues.contains_key(&id) {
            return;
        }
        self.next += 1;
        let mut submit = job(self.next, QueueId(id), self.below(4) as u32);
        submit.host = (self.below(4) == 0).then(|| HostId(self.below(4) as u32));
        submit.promise = Promise::Within(Span::from_millis(self.below(500)));
        self.waiting.insert(self.next, id);
        let mut claims = Vec::new();
        for resource in 0..3 {
            if self.below(4) == 0 {
                let exclusive = self.below(2) == 0;
                claims.push(Claim { resource: ResourceId(resource), exclusive });
            }
        }
        self.s.handle_submit_claiming(submit, &claims, at(self.now));
        self.claims.insert(self.next, claims);
    }

    /// A running job fails and keeps its resources.
    fn keep(&mut self) {
        let Some(job) = self.one_of(true) else { return };
        let queue = self.running.remove(&job.0).unwrap();
        self.s.handle_keep(job);
        self.s.handle_finish(job, at(self.now));
        self.kept.insert(job.0, queue);
        self.ever.remove(&job.0);
    }

    /// It is tried again, or given up.
    fn come_back(&mut self) {
        let Some((id, queue)) = self.kept.pop_first() else { return };
        if self.below(3) == 0 || !self.queues.contains_key(&queue) {
            self.s.handle_release(JobId(id), at(self.now));
            return;
        }
        self.waiting.insert(id, queue);
        let claims = self.claims[&id].clone();
        self.s.handle_submit_claiming(job(id, QueueId(queue), 1), &claims, at(self.now));
    }

    fn check_claims(&self, job: u64) {
        let others = self.running.keys().chain(self.kept.keys()).filter(|&&other| other != job);
        for other in others {
            for (a, b) in self.claims[other]
                .iter()
                .flat_map(|a| self.claims[&job].iter().map(move |b| (a, b)))
            {
                let conflict = a.resource == b.resource && (a.exclusive || b.exclusive);
                assert!(!conflict, "jobs {job} and {other} have {a:?} and {b:?} at once");
            }
        }
    }

    fn one_of(&mut self, running: bool) -> Option<JobId> {
        let jobs = if running { &self.running } else { &self.waiting };
        let ids: Vec<u64> = jobs.keys().copied().collect();
        if ids.is_empty() { None } else { Some(JobId(ids[self.below(ids.len() as u64) as usize])) }
    }

    fn step(&mut self) {
        self.now += self.below(30);
        match self.below(20) {
            0 => self.put(),
            1 => self.delete(),
            2..9 => self.submit(),
            9 => self.keep(),
            10 => self.come_back(),
            11..15 => {
                if let Some(job) = self.one_of(true) {
                    self.running.remove(&job.0);
                    self.s.handle_finish(job, at(self.now));
                }
            }
            15 => {
                if let Some(job) = self.one_of(true) {
                    let queue = self.running.remove(&job.0).unwrap();
                    self.waiting.insert(job.0, queue);
                    self.ever.remove(&job.0);
                    self.starts.remove(&queue);
                    self.s.handle_return(job, at(self.now));
                }
            }
            16 => {
                if let Some(job) = self.one_of(false) {
                    self.waiting.remove(&job.0);
                    self.s.handle_cancel(job, at(self.now));
                }
            }
            _ => self.s.handle_timeout(at(self.now)),
        }
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(action) = self.s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            let queue = self.waiting.remove(&job.0).expect("only a job that waits is granted");
            assert!(self.ever.insert(job.0), "no job is granted twice");
            self.running.insert(job.0, queue);
            self.check_claims(job.0);
            let config = self.queues[&queue];
            assert!(!config.paused, "a paused queue gives nothing");
            let running = self.running.values().filter(|&&it| it == queue).count();
            assert!(config.concurrency.is_none_or(|max| running <= max as usize));
            if let Some(rate) = config.rate {
                let starts = self.starts.entry(queue).or_default();
                starts.push(self.now);
                check_rate(rate, starts);
            }
        }
        self.s.check_invariants();
        for &id in self.queues.keys() {
            let count =
                |jobs: &BTreeMap<u64, u32>| jobs.values().filter(|&&q| q == id).count() as u32;
            let counts = self.s.queue(QueueId(id)).unwrap();
            // Whoever waits for a resource is in no queue yet.
            assert!(counts.0 <= count(&self.waiting));
            assert_eq!(counts.1, count(&self.running));
        }
    }
}

/// In no span of time more than the burst and what the rate brings.
fn check_rate(rate: Rate, starts: &[u64]) {
    let step = rate.per.0 / u64::from(rate.jobs.max(1));
    let last = *starts.last().unwrap();
    for (before, &start) in starts.iter().rev().enumerate() {
        let span = Span::from_millis(last - start).0;
        let most = u64::from(rate.burst.max(1)) + span / step.max(1);
        assert!((before as u64) < most, "{rate:?}: {} in {span} ns", before + 1);
    }
}

#[test]
fn queues_that_come_change_and_go_lose_no_job_and_keep_their_limits() {
    for seed in 1..=40 {
        let mut world = World::new(seed);
        for _ in 0..1_500 {
            world.step();
        }
        // Everything opened, all that waits is done.
        for id in 0..6 {
            if let Some(config) = world.queues.get_mut(&id) {
                *config = QueueConfig::default();
                world.s.handle_queue(QueueId(id), &QueueConfig::default(), at(world.now));
            }
        }
        let supply = Supply { host: HostId(3), slots: 3, prefetch: 0 };
        world.s.handle_supply(SupplierId(3), supply, at(world.now));
        while !world.kept.is_empty() {
            world.come_back();
        }
        world.hear();
        while let Some(job) = world.one_of(true) {
            world.now += 1;
            world.running.remove(&job.0);
            world.s.handle_finish(job, at(world.now));
            world.hear();
        }
        assert!(world.waiting.is_empty(), "seed {seed}: {:?} wait for ever", world.waiting);
    }
}
