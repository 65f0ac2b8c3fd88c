//! What each discipline promises, as formulas, over simulated time.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Config, DisciplineKind, Estimate, QueueConfig, Scheduler, Submit, Supply,
};

const MS: u64 = 1_000_000;
const Q: QueueId = QueueId(1);

/// Slots, jobs that take their time, and what each queue and tenant got.
struct World {
    s: Scheduler,
    now: u64,
    next: u64,
    random: u64,
    /// Ends of running jobs.
    ends: BTreeSet<(u64, u64)>,
    of: BTreeMap<u64, (QueueId, u32, u64)>,
    /// Slot time by queue and tenant, as far as it was used.
    used: BTreeMap<(QueueId, u32), u64>,
    started: BTreeMap<u64, u64>,
    waiting: BTreeMap<(QueueId, u32), u32>,
    /// How many times as long as they take jobs are thought to be.
    overestimate: u64,
}

impl World {
    fn new(slots: u32) -> Self {
        let mut s = Scheduler::new(Config {
            waiting_max: u32::MAX,
            tenant_waiting_max: u32::MAX,
            ..Config::default()
        });
        s.handle_supply(SupplierId(1), Supply { host: HostId(1), slots, prefetch: 0 }, Mono(0));
        Self {
            s,
            now: 0,
            next: 0,
            random: 88_172_645_463_325_252,
            ends: BTreeSet::new(),
            of: BTreeMap::new(),
            used: BTreeMap::new(),
            started: BTreeMap::new(),
            waiting: BTreeMap::new(),
            overestimate: 1,
        }
    }

    fn put(&mut self, id: QueueId, config: QueueConfig) {
        self.s.handle_queue(id, &config, Mono(self.now));
        self.hear();
    }

    fn submit(&mut self, queue: QueueId, tenant: u32, weight: u32, cost: u64) -> u64 {
        self.next += 1;
        let span = Span(cost * self.overestimate);
        self.of.insert(self.next, (queue, tenant, cost));
        *self.waiting.entry((queue, tenant)).or_default() += 1;
        let submit = Submit {
            job: JobId(self.next),
            queue,
            tenant: TenantId(tenant),
            weight,
            promise: Promise::Within(Span::from_secs(3600)),
            expires: None,
            host: None,
            estimate: Estimate { p50: span, p90: span },
        };
        self.s.handle_submit(submit, Mono(self.now));
        self.hear();
        self.next
    }

    fn hear(&mut self) {
        while let Some(action) = self.s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            let (queue, tenant, cost) = self.of[&job.0];
            self.ends.insert((self.now + cost, job.0));
            self.started.insert(job.0, self.now);
            *self.waiting.get_mut(&(queue, tenant)).unwrap() -= 1;
        }
    }

    /// Time goes on to the next end or timeout, at most to `until`; false: it is there.
    fn step(&mut self, until: u64) -> bool {
        let end = self.ends.first().map_or(u64::MAX, |&(at, _)| at);
        let timeout = self.s.poll_timeout().map_or(u64::MAX, |(at, _)| at.0);
        let next = end.min(timeout).max(self.now);
        if next > until {
            self.now = until;
            return false;
        }
        self.now = next;
        if end <= timeout {
            let (_, job) = self.ends.pop_first().unwrap();
            let (queue, tenant, cost) = self.of[&job];
            *self.used.entry((queue, tenant)).or_default() += cost;
            self.s.handle_finish(JobId(job), Mono(self.now));
        } else {
            self.s.handle_timeout(Mono(self.now));
        }
        self.hear();
        true
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    /// For so long these always have jobs waiting; answers the slots that each used on the average.
    fn run(&mut self, nanos: u64, demand: &[(QueueId, u32, u32)], cost: (u64, u64)) -> Vec<f64> {
        let until = self.now + nanos;
        let before = self.used.clone();
        loop {
            for &(queue, tenant, weight) in demand {
                while self.waiting.get(&(queue, tenant)).copied().unwrap_or_default() < 12 {
                    let cost = cost.0 + self.below(cost.1 - cost.0);
                    self.submit(queue, tenant, weight, cost);
                }
            }
            if !self.step(until) {
                break;
            }
        }
        let of = |used: &BTreeMap<_, u64>, key| used.get(&key).copied().unwrap_or_default();
        let keys = demand.iter().map(|&(queue, tenant, _)| (queue, tenant));
        keys.map(|key| (of(&self.used, key) - of(&before, key)) as f64 / nanos as f64).collect()
    }
}

fn of(discipline: DisciplineKind) -> QueueConfig {
    QueueConfig { discipline, ..QueueConfig::default() }
}

#[track_caller]
fn near(got: &[f64], wanted: &[f64]) {
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 0.05 * wanted + 0.1, "{got} slots and not {wanted}");
    }
}

#[test]
fn guarantees_hold_and_what_is_not_used_is_lent_over_three_levels_as_demand_changes() {
    let (all, a, b, a1, a2) = (QueueId(1), QueueId(2), QueueId(3), QueueId(4), QueueId(5));
    let mut world = World::new(8);
    let class = |parent, guarantee: u32, ceiling: Option<u32>| QueueConfig {
        discipline: DisciplineKind::Htb,
        parent,
        guarantee: guarantee * 1_000,
        ceiling: ceiling.map(|slots| slots * 1_000),
        ..QueueConfig::default()
    };
    world.put(all, class(None, 0, None));
    world.put(a, class(Some(all), 4, Some(8)));
    world.put(b, class(Some(all), 4, None));
    world.put(a1, class(Some(a), 3, Some(6)));
    world.put(a2, class(Some(a), 1, None));
    let cost = (5 * MS, 40 * MS);
    let (just_a1, just_a2, just_b) = ((a1, 1, 1), (a2, 1, 1), (b, 1, 1));
    let second = 1_000 * MS;
    let settle = |world: &mut World, demand: &[_]| world.run(3 * second, demand, cost);
    for _ in 0..2 {
        // Alone it borrows from everybody, up to its ceiling.
        settle(&mut world, &[just_a1]);
        near(&world.run(20 * second, &[just_a1], cost), &[6.0]);
        // The other one has its guarantee; what is left of the first is that of its parent.
        settle(&mut world, &[just_a1, just_b]);
        near(&world.run(20 * second, &[just_a1, just_b], cost), &[4.0, 4.0]);
        settle(&mut world, &[just_a1, just_a2, just_b]);
        near(&world.run(20 * second, &[just_a1, just_a2, just_b], cost), &[3.0, 1.0, 4.0]);
        // A sibling borrows before a cousin does.
        settle(&mut world, &[just_a2, just_b]);
        near(&world.run(20 * second, &[just_a2, just_b], cost), &[4.0, 4.0]);
        settle(&mut world, &[just_b]);
        near(&world.run(20 * second, &[just_b], cost), &[8.0]);
    }
}

#[test]
fn a_ceiling_is_never_passed_by_more_than_a_burst_and_a_job() {
    let mut world = World::new(10);
    world.put(Q, of(DisciplineKind::Htb));
    let low = QueueId(2);
    let ceiling = Some(2_500);
    world.put(low, QueueConfig { parent: Some(Q), ceiling, ..QueueConfig::default() });
    let cost = (10 * MS, 200 * MS);
    for seconds in [1, 2, 5, 20] {
        let got = world.run(seconds * 1_000 * MS, &[(low, 1, 1)], cost)[0] * seconds as f64;
        let most = 2.5 * (seconds as f64 + 1.0) + 10.0 * 0.2;
        assert!(got <= most, "{got} slot-seconds in {seconds} s, at most {most}");
    }
    let got = world.run(60_000 * MS, &[(low, 1, 1)], cost);
    near(&got, &[2.5]);
}

#[test]
fn guarantees_and_ceilings_hold_although_jobs_are_thought_to_be_far_longer_than_they_are() {
    let mut world = World::new(6);
    world.overestimate = 20;
    world.put(Q, of(DisciplineKind::Htb));
    let (high, some, none) = (QueueId(2), QueueId(3), QueueId(4));
    let below = |guarantee, ceiling| QueueConfig {
        parent: Some(Q),
        guarantee,
        ceiling,
        ..QueueConfig::default()
    };
    world.put(high, below(3_000, Some(4_000)));
    world.put(some, below(1_000, None));
    world.put(none, below(0, None));
    let (cost, second) = ((900 * MS, 1_100 * MS), 1_000 * MS);
    let demand = [(high, 1, 1), (some, 2, 1), (none, 3, 1)];
    world.run(20 * second, &demand, cost);
    let got = world.run(200 * second, &demand, cost);
    assert!(got[0] > 2.9 && got[1] > 0.95, "{got:?} slots and not the guarantees of 3 and 1");
    assert!(got[0] < 4.1 && got[2] > 0.3, "{got:?} slots");
    let alone = world.run(100 * second, &[(high, 1, 1)], cost);
    near(&alone, &[4.0]);
}

#[test]
fn weights_share_slot_time_within_a_quantum_and_a_job_each() {
    for kind in [DisciplineKind::Promise, DisciplineKind::Drr] {
        let mut world = World::new(4);
        world.put(Q, of(kind));
        let demand = [(Q, 1, 1), (Q, 2, 2), (Q, 3, 5)];
        let seconds = 100.0;
        let got = world.run(100_000 * MS, &demand, (MS, 60 * MS));
        let lag = 0.2 + 0.06 + 0.06;
        let served: Vec<f64> = got
            .iter()
            .zip([1.0, 2.0, 5.0])
            .map(|(slots, weight)| slots * seconds / weight)
            .collect();
        for pair in served.windows(2) {
            let apart = (pair[0] - pair[1]).abs();
            // What runs at both ends of the time, too.
            assert!(apart <= lag + 4.0 * 0.06, "{kind:?}: {apart} s a unit of weight apart");
        }
    }
}

#[test]
fn tenants_of_a_stochastic_queue_get_about_the_same_and_never_nothing() {
    let mut world = World::new(4);
    world.put(Q, of(DisciplineKind::Sfq));
    let demand: Vec<_> = (0..20).map(|tenant| (Q, tenant, 1 + tenant)).collect();
    let got = world.run(400_000 * MS, &demand, (MS, 40 * MS));
    let fair = 4.0 / 20.0;
    for (tenant, got) in got.iter().enumerate() {
        let least = fair * (1.0 - 19.0 / (2.0 * 127.0)) * 0.9;
        assert!((least..fair * 1.2).contains(got), "tenant {tenant}: {got} of {fair}");
    }
}

/// Waits of a tenant with a job now and then, beside one with very many or alone.
fn waits(kind: DisciplineKind, flood: u64) -> Vec<u64> {
    let mut world = World::new(4);
    world.put(Q, of(kind));
    for _ in 0..flood {
        world.submit(Q, 1, 1, 10 * MS);
    }
    let mut waits = Vec::new();
    for n in 0..200 {
        let at = n * 25 * MS;
        while world.step(at) {}
        let job = world.submit(Q, 2, 1, 10 * MS);
        let asked = world.now;
        while !world.started.contains_key(&job) {
            world.step(u64::MAX);
        }
        waits.push(world.started[&job] - asked);
    }
    waits.sort_unstable();
    waits
}

#[test]
fn a_flood_of_one_tenant_delays_another_by_a_job_where_shares_are_promised() {
    // Who is urgent may be served ahead of its share by the credit, four slots at a time; a round is a quantum, as long as the credit.
    let most = 25 * MS / 4 + 10 * MS;
    for kind in [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Sfq] {
        assert_eq!(waits(kind, 0).last(), Some(&0), "{kind:?}: alone it never waits");
        let waits = waits(kind, 20_000);
        assert!(waits[197] <= most, "{kind:?}: {} ns", waits[197]);
    }
    let fifo = waits(DisciplineKind::Fifo, 2_000);
    assert!(fifo[197] > 1_000 * MS, "first come, first served, is what it says");
}
