//! A tenant that spreads its jobs over queues, beside one that does not.

use std::collections::BTreeMap;

use ostler_job::{HostId, JobId, Promise, QueueId, Span, SupplierId};
use ostler_scheduler::{Action, Config, Estimate, QueueConfig, Scheduler, Supply};

use crate::{at, job};

/// Queues 1 to 10 are those that somebody spreads over, 11 is another one.
const M: u32 = 10;

/// Tenants that always have jobs waiting: each in some queues, with jobs of some length, at once or one after the other.
struct Race {
    s: Scheduler,
    now: u64,
    next: u64,
    /// What runs: whose, how long, until when.
    running: BTreeMap<(u64, u64), (u32, u64)>,
    lengths: BTreeMap<u64, (u32, u64)>,
    served: BTreeMap<u32, u64>,
    by_queue: BTreeMap<u32, u64>,
    queues: BTreeMap<u64, u32>,
    /// How often as long as it was thought to be a job is.
    longer: u64,
    /// Tenant 1 is promised sooner starts.
    is_urgent: bool,
}

impl Race {
    fn new(slots: u32, weights: &[(u32, u32)]) -> Self {
        let mut s = Scheduler::new(Config::default());
        for queue in 1..=M + 1 {
            let weight = weights.iter().find(|it| it.0 == queue).map_or(1, |it| it.1);
            s.handle_queue(
                QueueId(queue),
                &QueueConfig { weight, ..QueueConfig::default() },
                at(0),
            );
        }
        s.handle_supply(SupplierId(1), Supply { host: HostId(1), slots, prefetch: 0 }, at(0));
        let (running, lengths, served) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (by_queue, queues) = (BTreeMap::new(), BTreeMap::new());
        let (longer, is_urgent) = (1, false);
        Self { s, now: 0, next: 0, running, lengths, served, by_queue, queues, longer, is_urgent }
    }

    fn submit(&mut self, tenant: u32, queue: u32, millis: u64) {
        self.next += 1;
        let span = Span::from_millis(millis / self.longer);
        let mut submit = job(self.next, QueueId(queue), tenant);
        submit.estimate = Estimate { p50: span, p90: span };
        let is_urgent = self.is_urgent && tenant == 1;
        submit.promise = Promise::Within(Span::from_secs(if is_urgent { 60 } else { 3_600 }));
        self.lengths.insert(self.next, (tenant, millis));
        self.queues.insert(self.next, queue);
        self.s.handle_submit(submit, at(self.now));
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(action) = self.s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            let (tenant, millis) = self.lengths[&job.0];
            self.running.insert((self.now + millis, job.0), (tenant, millis));
        }
    }

    /// The next job that ends does; answers whose it was and in which queue.
    fn end_one(&mut self) -> (u32, u32) {
        let ((ends, id), (tenant, millis)) = self.running.pop_first().unwrap();
        self.now = ends;
        *self.served.entry(tenant).or_default() += millis;
        let queue = self.queues[&id];
        *self.by_queue.entry(queue).or_default() += millis;
        self.s.handle_finish(JobId(id), at(self.now));
        self.hear();
        (tenant, queue)
    }

    fn of(&self, tenant: u32) -> u64 {
        self.served.get(&tenant).copied().unwrap_or_default()
    }
}

/// `2 B + m c_a + c_b`, and a seventh of `B + c` a job for the creep, in milliseconds.
fn bound(cost_a: u64, cost_b: u64) -> u64 {
    (200 + u64::from(M) * cost_a + cost_b) * 8 / 7
}

#[test]
fn a_tenant_in_ten_queues_gets_no_more_than_one_in_a_single_queue() {
    for slots in [1, 4] {
        let mut race = Race::new(slots, &[]);
        for round in 0..40 {
            for queue in 1..=M {
                race.submit(1, queue, 10 + round % 2);
            }
            for _ in 0..M {
                race.submit(2, 11, 10);
            }
        }
        for _ in 0..3_000 {
            let (tenant, queue) = race.end_one();
            race.submit(tenant, queue, 10);
            let (a, b) = (race.of(1), race.of(2));
            assert!(a.abs_diff(b) <= bound(11, 10), "{a} ms and {b} ms with {slots} slots");
        }
    }
}

#[test]
fn what_jobs_cost_beyond_their_estimates_is_multiplied_too() {
    let mut race = Race::new(1, &[]);
    race.longer = 3;
    for _ in 0..40 {
        (1..=M).for_each(|queue| race.submit(1, queue, 30));
        (0..M).for_each(|_| race.submit(2, 11, 30));
    }
    for _ in 0..3_000 {
        let (tenant, queue) = race.end_one();
        race.submit(tenant, queue, 30);
        let (a, b) = (race.of(1), race.of(2));
        assert!(a.abs_diff(b) <= bound(30, 30), "{a} ms and {b} ms");
    }
}

#[test]
fn going_from_queue_to_queue_leaves_no_debt_behind() {
    let mut race = Race::new(1, &[]);
    race.is_urgent = true;
    for _ in 0..400 {
        race.submit(2, 11, 10);
    }
    race.submit(1, 1, 100);
    let mut queue = 1;
    while race.of(1) + race.of(2) < 60_000 {
        let (tenant, _) = race.end_one();
        if tenant == 1 {
            queue = queue % M + 1;
            race.submit(1, queue, 100);
        } else {
            race.submit(2, 11, 10);
        }
    }
    // One after the other, each queue may have begun on credit once before the debts of all were known.
    let (a, b) = (race.of(1), race.of(2));
    assert!(a <= b + u64::from(M) * bound(100, 10), "{a} ms and {b} ms");
    let share = a * 100 / (a + b);
    assert!(share <= 55, "{share} of a hundred");
}

#[test]
fn whoever_shares_a_queue_with_it_loses_nothing() {
    let run = |spreads: bool| {
        let mut race = Race::new(1, &[]);
        for _ in 0..40 {
            for queue in 1..=if spreads { M } else { 1 } {
                race.submit(1, queue, 10);
            }
            race.submit(3, 1, 10);
            race.submit(2, 11, 10);
        }
        for _ in 0..4_000 {
            let (tenant, queue) = race.end_one();
            race.submit(tenant, queue, 10);
        }
        (race.of(1), race.of(2), race.of(3))
    };
    let (alone, spread) = (run(false), run(true));
    assert!(spread.2 * 100 >= alone.2 * 65, "{spread:?} where it was {alone:?}");
    assert!(spread.0 <= spread.1 * 12 / 10, "{spread:?}: no more than who has a queue alone");
}

#[test]
fn weights_of_queues_hold_among_the_jobs_of_one_tenant() {
    let mut race = Race::new(2, &[(1, 3)]);
    for _ in 0..40 {
        (1..=3).for_each(|queue| race.submit(1, queue, 10));
    }
    for _ in 0..3_000 {
        let (tenant, queue) = race.end_one();
        race.submit(tenant, queue, 10);
    }
    let of = |queue: u32| race.by_queue[&queue];
    let part = of(1) * 100 / (of(1) + of(2) + of(3));
    assert!((57..=63).contains(&part), "{part} of a hundred for three of five parts");
}

#[test]
fn what_waits_in_a_paused_queue_costs_nothing_elsewhere() {
    let mut race = Race::new(1, &[]);
    let paused = QueueConfig { paused: true, ..QueueConfig::default() };
    race.s.handle_queue(QueueId(5), &paused, at(0));
    for _ in 0..40 {
        race.submit(1, 5, 10);
        race.submit(1, 1, 10);
        race.submit(2, 11, 10);
    }
    for _ in 0..1_000 {
        let (tenant, queue) = race.end_one();
        race.submit(tenant, queue, 10);
    }
    assert!(race.of(1).abs_diff(race.of(2)) <= bound(10, 10), "{:?}", race.served);
}
