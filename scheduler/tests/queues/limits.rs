//! Queues that are limited to some hosts, beside a model that knows where each job may run.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{HostId, JobId, QueueId, SupplierId};
use ostler_scheduler::{Action, Config, DisciplineKind, QueueConfig, Scheduler, Submit, Supply};

use crate::{A, B, at, job};

const HOSTS: u32 = 5;

fn hosts(of: &[u32]) -> Option<BTreeSet<HostId>> {
    Some(of.iter().copied().map(HostId).collect())
}

fn supply(host: u32, slots: u32) -> (SupplierId, Supply) {
    (SupplierId(host), Supply { host: HostId(host), slots, prefetch: 0 })
}

/// A scheduler with two queues and hosts that have so many slots.
fn with_hosts(slots: &[u32]) -> Scheduler {
    let mut s = Scheduler::new(Config::default());
    for (host, &slots) in slots.iter().enumerate() {
        let (supplier, supply) = supply(host as u32, slots);
        s.handle_supply(supplier, supply, at(0));
    }
    s.handle_queue(A, &QueueConfig::default(), at(0));
    s.handle_queue(B, &QueueConfig::default(), at(0));
    s
}

fn pinned(id: u64, queue: QueueId, host: u32) -> Submit {
    Submit { host: Some(HostId(host)), ..job(id, queue, 1) }
}

/// Jobs that were granted, and on which host.
fn granted(s: &mut Scheduler) -> Vec<(u64, u32)> {
    let actions = std::iter::from_fn(|| s.poll_action());
    let of = |action| match action {
        Action::Grant { job, supplier, .. } => (job.0, supplier.0),
        Action::Refuse { .. } | Action::Expire { .. } => panic!("{action:?}"),
    };
    let granted = actions.map(of).collect();
    s.check_invariants();
    granted
}

#[test]
fn jobs_of_a_limited_queue_go_to_its_hosts_alone_and_hold_nobody_up() {
    let mut s = with_hosts(&[1, 1]);
    s.handle_limits([(A, hosts(&[1]))], at(0));
    for id in 1..=3 {
        s.handle_submit(job(id, A, 1), at(1));
    }
    s.handle_submit(job(4, B, 1), at(1));
    assert_eq!(granted(&mut s), [(1, 1), (4, 0)]);
    // A slot elsewhere is for the others.
    s.handle_submit(job(5, B, 1), at(2));
    s.handle_finish(JobId(4), at(3));
    assert_eq!(granted(&mut s), [(5, 0)]);
    s.handle_finish(JobId(1), at(4));
    assert_eq!(granted(&mut s), [(2, 1)]);
}

#[test]
fn a_limit_that_changes_while_jobs_wait_holds_at_once_and_loses_none() {
    let mut s = with_hosts(&[1, 1, 1]);
    s.handle_limits([(A, hosts(&[]))], at(0));
    for id in 1..=4 {
        s.handle_submit(job(id, A, 1), at(1));
    }
    assert_eq!(granted(&mut s), [], "no host is allowed");
    s.handle_limits([(A, hosts(&[2]))], at(2));
    assert_eq!(granted(&mut s), [(1, 2)]);
    s.handle_limits([(A, hosts(&[0, 2]))], at(3));
    assert_eq!(granted(&mut s), [(2, 0)], "one more");
    // Not any more: what runs goes on, and nothing follows it.
    s.handle_limits([(A, hosts(&[1]))], at(4));
    assert_eq!(granted(&mut s), [(3, 1)]);
    s.handle_finish(JobId(1), at(5));
    s.handle_finish(JobId(2), at(5));
    assert_eq!(granted(&mut s), []);
    s.handle_limits([(A, None)], at(6));
    assert_eq!(granted(&mut s).len(), 1);
    assert_eq!(s.queue(A), Some((0, 2)));
}

#[test]
fn of_the_hosts_that_it_may_use_a_queue_gets_the_one_that_is_least_busy() {
    let mut s = with_hosts(&[4, 4, 4]);
    s.handle_limits([(A, hosts(&[0, 1]))], at(0));
    s.handle_submit(job(1, A, 1), at(1));
    s.handle_submit(job(2, A, 1), at(1));
    let mut first: Vec<u32> = granted(&mut s).iter().map(|&(_, host)| host).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1]);
}

#[test]
fn a_job_that_is_pinned_where_its_queue_may_not_run_waits_until_it_may() {
    let mut s = with_hosts(&[1, 1]);
    s.handle_limits([(A, hosts(&[0]))], at(0));
    s.handle_submit(pinned(1, A, 1), at(1));
    s.handle_submit(pinned(2, A, 0), at(1));
    s.handle_submit(job(3, A, 1), at(1));
    assert_eq!(granted(&mut s), [(2, 0)], "what cannot run holds up nobody");
    s.handle_finish(JobId(2), at(2));
    assert_eq!(granted(&mut s), [(3, 0)]);
    s.handle_limits([(A, hosts(&[0, 1]))], at(3));
    assert_eq!(granted(&mut s), [(1, 1)]);
    s.handle_finish(JobId(1), at(4));
    // Another pinned one is withdrawn with its host.
    s.handle_submit(pinned(4, A, 1), at(4));
    s.handle_submit(pinned(5, A, 1), at(4));
    assert_eq!(granted(&mut s), [(4, 1)]);
    s.handle_limits([(A, hosts(&[0]))], at(5));
    s.handle_finish(JobId(4), at(6));
    assert_eq!(granted(&mut s), []);
    s.handle_limits([(A, None)], at(7));
    assert_eq!(granted(&mut s), [(5, 1)]);
}

#[test]
fn a_queue_below_another_may_use_what_both_may() {
    let mut s = with_hosts(&[1, 1, 1]);
    let below = QueueConfig { parent: Some(A), ..QueueConfig::default() };
    s.handle_limits([(A, hosts(&[0, 1])), (B, hosts(&[1, 2]))], at(0));
    s.handle_queue(B, &below, at(0));
    for id in 1..=3 {
        s.handle_submit(job(id, B, 1), at(1));
    }
    assert_eq!(granted(&mut s), [(1, 1)]);
    s.handle_limits([(A, None)], at(2));
    assert_eq!(granted(&mut s), [(2, 2)]);
    s.handle_limits([(A, hosts(&[0])), (B, None)], at(3));
    assert_eq!(granted(&mut s), [(3, 0)]);
    s.handle_finish(JobId(1), at(4));
    s.handle_submit(job(4, B, 1), at(4));
    assert_eq!(granted(&mut s), []);
    // At the top again.
    s.handle_queue(B, &QueueConfig::default(), at(5));
    assert_eq!(granted(&mut s), [(4, 1)]);
}

#[test]
fn a_tenant_gains_nothing_by_a_queue_that_may_use_fewer_hosts() {
    // One host, which both queues may use, one of them no other: each has its half.
    let mut s = with_hosts(&[1]);
    s.handle_limits([(A, hosts(&[0]))], at(0));
    // Even numbers are jobs of the one, odd ones of the other.
    for id in 0..3_000 {
        let queue = if id % 2 == 0 { A } else { B };
        s.handle_submit(job(id, queue, queue.0), at(0));
    }
    let mut of_a = 0;
    for n in 1..=1_000 {
        let [(job, _)] = granted(&mut s)[..] else { panic!("one slot") };
        of_a += u32::from(job % 2 == 0);
        s.handle_finish(JobId(job), at(n * 10));
    }
    assert!((480..=520).contains(&of_a), "{of_a} of 1000 for one of two queues");
}

#[test]
fn a_queue_that_is_served_elsewhere_is_not_left_behind_for_ever_where_it_may_do_nothing_else() {
    // A has four hosts for C, which is below it, and is ahead of its share by that. D, which is below it as well, may use the
    // first host alone, as B may.
    let (c, d) = (QueueId(3), QueueId(4));
    let mut s = with_hosts(&[1, 1, 1, 1, 1]);
    let below = QueueConfig { parent: Some(A), ..QueueConfig::default() };
    s.handle_queue(c, &below, at(0));
    s.handle_queue(d, &below, at(0));
    s.handle_limits([(B, hosts(&[0])), (d, hosts(&[0]))], at(0));
    for id in 1..=3_000 {
        s.handle_submit(job(id, c, 1), at(0));
        s.handle_submit(job(10_000 + id, B, 2), at(0));
        if id == 50 {
            s.handle_submit(job(20_000, d, 1), at(0));
        }
    }
    let mut now = 0;
    let mut running = granted(&mut s);
    for round in 0.. {
        assert!(round < 300, "it never started");
        now += 10;
        let done = std::mem::take(&mut running);
        done.iter().for_each(|&(job, _)| s.handle_finish(JobId(job), at(now)));
        running = granted(&mut s);
        if running.contains(&(20_000, 0)) {
            break;
        }
    }
}

/// What the model knows.
struct World {
    s: Scheduler,
    random: u64,
    now: u64,
    next: u64,
    queues: BTreeMap<u32, (QueueConfig, Option<BTreeSet<HostId>>)>,
    /// Jobs by queue and by the host that they are pinned to.
    waiting: BTreeMap<u64, (u32, Option<u32>)>,
    running: BTreeMap<u64, (u32, Option<u32>, u32)>,
    slots: BTreeMap<u32, u32>,
}

impl World {
    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    fn above(&self, queue: u32) -> impl Iterator<Item = u32> + '_ {
        let parent = |&it: &u32| self.queues[&it].0.parent.map(|parent| parent.0);
        std::iter::successors(Some(queue), parent)
    }

    /// Whether the hosts of a queue and of those above it are no hindrance.
    fn may_use(&self, queue: u32, pin: Option<u32>, host: u32) -> bool {
        pin.is_none_or(|pin| pin == host)
            && self.above(queue).all(|it| {
                self.queues[&it].1.as_ref().is_none_or(|hosts| hosts.contains(&HostId(host)))
            })
    }

    fn is_open(&self, queue: u32) -> bool {
        self.above(queue).all(|it| {
            let config = &self.queues[&it].0;
            let inside = self.running.values().filter(|job| self.above(job.0).any(|q| q == it));
            !config.paused && config.concurrency.is_none_or(|max| inside.count() < max as usize)
        })
    }

    fn put(&mut self) {
        let id = self.below(6) as u32;
        let known: Vec<u32> = self.queues.keys().copied().filter(|&it| it > 0 && it < id).collect();
        let mut config = QueueConfig::default();
        let kinds = [
            DisciplineKind::Promise,
            DisciplineKind::Fifo,
            DisciplineKind::Sfq,
            DisciplineKind::Drr,
            DisciplineKind::Htb,
        ];
        config.discipline = kinds[self.below(5) as usize];
        if id > 0 && !known.is_empty() && self.below(2) == 0 {
            config.parent = Some(QueueId(known[self.below(known.len() as u64) as usize]));
        }
        config.paused = self.below(5) == 0;
        config.concurrency = (self.below(4) == 0).then(|| 1 + self.below(3) as u32);
        self.queues.entry(id).or_default().0 = config;
        self.s.handle_queue(QueueId(id), &config, at(self.now));
    }

    fn limit(&mut self) {
        let changes = 1 + self.below(3);
        let mut limits = Vec::new();
        for _ in 0..changes {
            let id = self.below(6) as u32;
            if !self.queues.contains_key(&id) {
                continue;
            }
            let limit = (self.below(4) > 0).then(|| {
                let bits = self.below(1 << HOSTS);
                (0..HOSTS).filter(|host| bits >> host & 1 == 1).map(HostId).collect()
            });
            self.queues.entry(id).or_default().1 = limit.clone();
            limits.push((QueueId(id), limit));
        }
        self.s.handle_limits(limits, at(self.now));
    }

    fn supply(&mut self) {
        let host = self.below(u64::from(HOSTS)) as u32;
        if self.below(4) == 0 {
            self.slots.remove(&host);
            self.s.handle_supply_gone(SupplierId(host), at(self.now));
        } else {
            let slots = self.below(4) as u32;
            self.slots.insert(host, slots);
            let (supplier, supply) = supply(host, slots);
            self.s.handle_supply(supplier, supply, at(self.now));
        }
    }

    fn submit(&mut self) {
        let id = self.below(6) as u32;
        if !self.queues.contains_key(&id) {
            return;
        }
        self.next += 1;
        let pin = (self.below(4) == 0).then(|| self.below(u64::from(HOSTS)) as u32);
        let submit =
            Submit { host: pin.map(HostId), ..job(self.next, QueueId(id), self.below(4) as u32) };
        self.waiting.insert(self.next, (id, pin));
        self.s.handle_submit(submit, at(self.now));
    }

    fn one<T>(&mut self, of: &[T]) -> Option<T>
    where
        T: Copy,
    {
        if of.is_empty() { None } else { Some(of[self.below(of.len() as u64) as usize]) }
    }

    fn step(&mut self) {
        self.now += self.below(30);
        let running: Vec<u64> = self.running.keys().copied().collect();
        let waiting: Vec<u64> = self.waiting.keys().copied().collect();
        match self.below(16) {
            0 => self.put(),
            1 => self.limit(),
            2 => self.supply(),
            3..9 => self.submit(),
            9 => {
                if let Some(id) = self.one(&waiting) {
                    self.waiting.remove(&id);
                    self.s.handle_cancel(JobId(id), at(self.now));
                }
            }
            10 => {
                if let Some(id) = self.one(&running) {
                    let (queue, pin, _) = self.running.remove(&id).unwrap();
                    self.waiting.insert(id, (queue, pin));
                    self.s.handle_return(JobId(id), at(self.now));
                }
            }
            _ => {
                if let Some(id) = self.one(&running) {
                    self.running.remove(&id);
                    self.s.handle_finish(JobId(id), at(self.now));
                }
            }
        }
        self.hear();
    }

    fn free(&self, host: u32) -> bool {
        let slots = self.slots.get(&host).copied().unwrap_or(0);
        self.running.values().filter(|job| job.2 == host).count() < slots as usize
    }

    fn hear(&mut self) {
        for (job, host) in granted(&mut self.s) {
            let (queue, pin) = self.waiting.remove(&job).expect("only what waits is granted");
            assert!(self.may_use(queue, pin, host), "job {job} of queue {queue} on host {host}");
            assert!(self.free(host), "a granted job has a slot");
            self.running.insert(job, (queue, pin, host));
        }
        // Nothing waits for a slot that it could have.
        for (job, &(queue, pin)) in &self.waiting {
            let idle = (0..HOSTS).find(|&host| self.free(host) && self.may_use(queue, pin, host));
            let stuck = idle.filter(|_| self.is_open(queue));
            assert_eq!(stuck, None, "job {job} of queue {queue} could have a slot there");
        }
        for &id in self.queues.keys() {
            let inside = |queue: u32| self.above(queue).any(|it| it == id);
            let waiting = self.waiting.values().filter(|job| inside(job.0)).count() as u32;
            let running = self.running.values().filter(|job| inside(job.0)).count() as u32;
            assert_eq!(self.s.queue(QueueId(id)), Some((waiting, running)), "queue {id}");
        }
    }
}

#[test]
fn limits_that_change_at_random_let_a_job_run_just_where_it_may() {
    for seed in 1..=60_u64 {
        let mut world = World {
            s: Scheduler::new(Config::default()),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: 0,
            next: 0,
            queues: BTreeMap::from([(0, (QueueConfig::default(), None))]),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            slots: BTreeMap::new(),
        };
        for _ in 0..1_200 {
            world.step();
        }
    }
}
