//! One conformance suite that every discipline passes, against a model; and the shares of those that promise them.

use std::collections::BTreeMap;

use ostler_job::{JobId, Mono, QueueId, Span, TenantId};

use super::{Child, Share};
use crate::backlog::Head;
use crate::config::{Config, DisciplineKind};
use crate::jobs::{Granted, Job, JobIx, Jobs, NEVER, State};
use crate::lane::Lane;
use crate::tenants::Tenants;
use crate::tree::Tree;

const KINDS: [DisciplineKind; 5] = [
    DisciplineKind::Promise,
    DisciplineKind::Fifo,
    DisciplineKind::Sfq,
    DisciplineKind::Drr,
    DisciplineKind::Htb,
];
const FLOWS: u32 = 5;
const USUAL: &[Lane] = &[Lane::USUAL];

/// A queue of one discipline, the tables it reads and the state that the scheduler would keep.
struct Bench {
    tree: Tree,
    tenants: Tenants,
    jobs: Jobs,
    seq: u64,
    now: Mono,
    /// Waiting and granted jobs of each tenant.
    flows: BTreeMap<u32, (u32, u32)>,
    blocked: [bool; FLOWS as usize],
}

impl Bench {
    fn new(kind: DisciplineKind) -> Self {
        let config = Config { discipline: kind, ..Config::default() };
        Self {
            tree: Tree::new(&config),
            tenants: Tenants::default(),
            jobs: Jobs::new(),
            seq: 0,
            now: Mono(0),
            flows: BTreeMap::new(),
            blocked: [false; FLOWS as usize],
        }
    }

    fn enqueue(&mut self, flow: u32, weight: u32, window: Span, cost: Span) -> JobIx {
        self.seq += 1;
        let tenant = TenantId(flow);
        let known = self.tree.find(QueueId::DEFAULT, tenant);
        let of = (QueueId::DEFAULT, tenant, known);
        let flow = self.tree.open(of, weight, &mut self.tenants);
        let job = self.jobs.insert(Job {
            id: JobId(self.seq),
            seq: self.seq,
            arrival: self.now,
            lst: self.now + window,
            expires: NEVER,
            cost,
            flow,
            lane: Lane::USUAL,
            position: 0,
            state: State::Waiting,
            late: false,
            cancelled: false,
            claims: false,
        });
        self.wait(job);
        job
    }

    /// Whose job it is.
    fn of(&self, job: JobIx) -> u32 {
        self.tenants[self.tree.tenant(self.jobs[job].flow)].id.0
    }

    fn wait(&mut self, job: JobIx) {
        self.jobs[job].state = State::Waiting;
        self.tree.enqueue(&self.jobs, job);
        self.flows.entry(self.of(job)).or_default().0 += 1;
        self.check();
    }

    fn dequeue(&mut self) -> Option<JobIx> {
        let job = self.tree.dequeue(&mut self.jobs, USUAL, self.now);
        if let Some(job) = job {
            assert_eq!(self.jobs[job].state, State::Waiting, "only waiting jobs come out");
            self.jobs[job].state = State::Running;
            let counts = self.flows.entry(self.of(job)).or_default();
            (counts.0, counts.1) = (counts.0 - 1, counts.1 + 1);
        }
        self.forget();
        job
    }

    fn remove(&mut self, job: JobIx) {
        let of = self.of(job);
        let (flow, late) = (self.jobs[job].flow, self.jobs[job].late);
        self.jobs.remove(job);
        self.tree.remove(&self.jobs, flow, Lane::USUAL, late);
        self.flows.entry(of).or_default().0 -= 1;
        self.tree.close(flow);
        self.forget();
    }

    fn finish(&mut self, job: JobIx, actual: Span) {
        let (of, flow) = (self.of(job), self.jobs[job].flow);
        let it = &self.jobs[job];
        let charged = self.tree.charged(it);
        self.tree.finish(it, charged, Some(actual));
        self.jobs.remove(job);
        self.flows.entry(of).or_default().1 -= 1;
        self.tree.close(flow);
        self.forget();
    }

    fn give_back(&mut self, job: JobIx) {
        let it = &self.jobs[job];
        let granted =
            Granted { job, supplier: 0, charged: self.tree.charged(it), started: it.arrival };
        self.tree.give_back(it, &granted);
        self.flows.entry(self.of(job)).or_default().1 -= 1;
        self.wait(job);
    }

    fn set_blocked(&mut self, flow: u32, blocked: bool) {
        self.blocked[flow as usize] = blocked;
        let flow = self.tree.find(QueueId::DEFAULT, TenantId(flow)).expect("it has a job");
        self.tree.set_blocked(flow, blocked);
        self.check();
    }

    fn forget(&mut self) {
        let none = self.tree.poll_forgotten(&mut self.tenants);
        assert!(none.is_none(), "a few flows without jobs are kept");
        self.check();
    }

    fn check(&self) {
        self.tree.check(&self.jobs);
        let waiting: u32 = self.flows.values().map(|counts| counts.0).sum();
        assert_eq!(self.tree.waiting(), waiting as usize, "no job is lost or made up");
        let may =
            |(&flow, counts): (&u32, &(u32, u32))| counts.0 > 0 && !self.blocked[flow as usize];
        let runnable = self.flows.iter().any(may);
        assert_eq!(self.tree.is_runnable(Lane::USUAL), runnable, "a job that may run can be had");
    }
}

/// A small generator; the seed is the test's.
fn xorshift(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}

#[test]
fn no_discipline_loses_a_job_or_idles_while_one_may_run() {
    for kind in KINDS {
        for seed in 1..=4 {
            let mut bench = Bench::new(kind);
            let mut random = seed * 0x9e37_79b9;
            let (mut waiting, mut granted) = (Vec::new(), Vec::new());
            for _ in 0..8_000 {
                bench.now += Span::from_millis(xorshift(&mut random, 30));
                let flow = xorshift(&mut random, u64::from(FLOWS)) as u32;
                let span = Span::from_millis(xorshift(&mut random, 2_000));
                let pick = |random: &mut u64, from: &mut Vec<JobIx>| {
                    let at = xorshift(random, from.len().max(1) as u64) as usize;
                    (!from.is_empty()).then(|| from.swap_remove(at))
                };
                match xorshift(&mut random, 20) {
                    0..7 => waiting.push(bench.enqueue(flow, flow, span, Span(span.0 / 7))),
                    7..13 => {
                        let runnable = bench.tree.is_runnable(Lane::USUAL);
                        let job = bench.dequeue();
                        assert_eq!(job.is_some(), runnable);
                        if let Some(job) = job {
                            let at = waiting.iter().position(|&it| it == job);
                            waiting.swap_remove(at.expect("a job comes out once"));
                            let flow = bench.of(job) as usize;
                            assert!(!bench.blocked[flow], "a blocked flow's jobs stay");
                            granted.push(job);
                        }
                    }
                    13..15 => {
                        if let Some(job) = pick(&mut random, &mut waiting) {
                            bench.remove(job);
                        }
                    }
                    15..17 => {
                        if let Some(job) = pick(&mut random, &mut granted) {
                            bench.finish(job, span);
                        }
                    }
                    17 => {
                        if let Some(job) = pick(&mut random, &mut granted) {
                            bench.give_back(job);
                            waiting.push(job);
                        }
                    }
                    _ => {
                        if bench.flows.get(&flow).is_some_and(|counts| *counts != (0, 0)) {
                            bench.set_blocked(flow, !bench.blocked[flow as usize]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn equal_jobs_of_one_flow_come_out_in_the_order_they_went_in() {
    for kind in KINDS {
        let mut bench = Bench::new(kind);
        for n in 0..60 {
            bench.now += Span::from_millis(1);
            bench.enqueue(n % 3, 1, Span::from_secs(5), Span::from_millis(u64::from(n)));
        }
        let mut last = [0; 3];
        // Every tenth is given back once, and must come before its flow's next.
        for n in 0..66 {
            let job = bench.dequeue().expect("sixty jobs wait, six of them twice");
            let (flow, seq) = (bench.of(job) as usize, bench.jobs[job].seq);
            assert!(seq > last[flow], "{kind:?}: flow {flow} served {seq} after {}", last[flow]);
            last[flow] = seq;
            if n % 11 == 0 {
                bench.give_back(job);
                last[flow] = seq - 1;
            } else {
                bench.finish(job, Span::from_millis(3));
            }
        }
    }
}

#[test]
fn the_promise_queue_shares_slot_time_by_weight() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let costs = [1, 10, 100].map(Span::from_millis);
    for (flow, cost) in (0..3).zip(costs) {
        for _ in 0..5 {
            bench.enqueue(flow, 1 << flow, Span::from_secs(9), cost);
        }
    }
    let mut served = [0.0; 3];
    for _ in 0..20_000 {
        let job = bench.dequeue().expect("flows never run dry");
        let (flow, cost) = (bench.of(job), bench.jobs[job].cost);
        served[flow as usize] += cost.as_secs_f64();
        bench.now += cost;
        bench.enqueue(flow, 1 << flow, Span::from_secs(9), cost);
        bench.finish(job, cost);
    }
    let total: f64 = served.iter().sum();
    for (flow, share) in [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0].into_iter().enumerate() {
        let got = served[flow] / total;
        assert!((got - share).abs() < 0.02, "flow {flow} got {got} of {share}");
    }
}

#[test]
fn a_flow_that_waited_for_nothing_has_no_claim_from_that_time() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let (window, cost) = (Span::from_secs(9), Span::from_millis(200));
    // Flow 1 stays known by a job that runs all the time.
    bench.enqueue(1, 1, window, cost);
    bench.dequeue().expect("it waits");
    for _ in 0..200 {
        bench.enqueue(0, 1, window, cost);
    }
    (0..100).for_each(|_| assert!(bench.dequeue().is_some()));
    for _ in 0..100 {
        bench.enqueue(1, 1, Span::from_secs(1), cost);
    }
    let next: Vec<_> = (0..40).filter_map(|_| bench.dequeue()).collect();
    let of_flow_1 = next.iter().filter(|&&job| bench.of(job) == 1).count();
    assert!((18..=23).contains(&of_flow_1), "{of_flow_1} of 40 went to who had idled");
}

#[test]
fn estimates_that_are_much_too_high_cost_a_flow_no_share() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let actual = Span::from_millis(10);
    let estimate = |flow| if flow == 0 { Span::from_millis(500) } else { actual };
    for flow in [0, 1, 0, 1] {
        bench.enqueue(flow, 1, Span::from_secs(9), estimate(flow));
    }
    let mut served = [0_u32, 0];
    for _ in 0..4_000 {
        let job = bench.dequeue().expect("flows never run dry");
        let flow = bench.of(job);
        served[flow as usize] += 1;
        bench.now += actual;
        bench.enqueue(flow, 1, Span::from_secs(9), estimate(flow));
        bench.finish(job, actual);
    }
    assert!(served[0].abs_diff(served[1]) < 100, "{served:?}");
}

#[test]
fn a_job_that_is_given_back_costs_its_flow_nothing() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let (window, cost) = (Span::from_secs(9), Span::from_secs(10));
    for flow in [0, 0, 1, 1] {
        bench.enqueue(flow, 1, window, cost);
    }
    for _ in 0..3 {
        let job = bench.dequeue().expect("four jobs wait");
        assert_eq!(bench.of(job), 0, "the flow is not charged for what was given back");
        bench.give_back(job);
    }
}

#[test]
fn what_a_flow_that_waited_was_charged_too_much_it_is_served_before_the_others_and_no_more() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let (window, cost) = (Span::from_secs(900), Span::from_secs(1));
    let dear = bench.enqueue(0, 1, window, Span::from_secs(30));
    assert_eq!(bench.dequeue(), Some(dear));
    for _ in 0..200 {
        bench.enqueue(0, 1, window, cost);
        bench.enqueue(1, 1, window, cost);
    }
    // The other flow is served what the first was charged; then it turns out to have cost nothing.
    (0..20).for_each(|_| assert!(bench.dequeue().is_some()));
    bench.finish(dear, Span::ZERO);
    let next: Vec<_> = (0..40).filter_map(|_| bench.dequeue()).collect();
    let first = |jobs: &[JobIx]| jobs.iter().filter(|&&job| bench.of(job) == 0).count();
    assert!(first(&next[..18]) == 18, "{} of 18 that it missed", first(&next[..18]));
    assert!((8..=12).contains(&first(&next[20..])), "{} of 20", first(&next[20..]));
}

#[test]
fn what_a_flow_that_idled_was_charged_too_much_is_no_claim_on_the_others() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let (window, cost) = (Span::from_secs(900), Span::from_secs(1));
    let dear = bench.enqueue(0, 1, window, Span::from_secs(30));
    assert_eq!(bench.dequeue(), Some(dear));
    (0..200).for_each(|_| {
        bench.enqueue(1, 1, window, cost);
    });
    (0..20).for_each(|_| assert!(bench.dequeue().is_some()));
    (0..100).for_each(|_| {
        bench.enqueue(0, 1, window, cost);
    });
    bench.finish(dear, Span::ZERO);
    let next: Vec<_> = (0..20).filter_map(|_| bench.dequeue()).collect();
    let first = next.iter().filter(|&&job| bench.of(job) == 0).count();
    assert!((8..=13).contains(&first), "{first} of 20 went to who was paid back");
}

#[test]
fn fifo_shares_by_demand() {
    let mut bench = Bench::new(DisciplineKind::Fifo);
    let order = [0, 0, 0, 1, 0, 0, 2, 0];
    for flow in order {
        bench.enqueue(flow, 1, Span::from_secs(1), Span::from_secs(1));
    }
    let served = std::iter::from_fn(|| bench.dequeue()).collect::<Vec<_>>();
    assert_eq!(served.iter().map(|&job| bench.of(job)).collect::<Vec<_>>(), order);
}

#[test]
fn late_jobs_get_a_fifth_of_their_flow_while_others_are_on_time() {
    let mut bench = Bench::new(DisciplineKind::Promise);
    let cost = Span::from_millis(10);
    for _ in 0..500 {
        bench.enqueue(0, 1, Span::from_millis(1), cost);
    }
    bench.now = Mono(1_000_000_000);
    for _ in 0..500 {
        bench.enqueue(0, 1, Span::from_secs(100), cost);
    }
    let mut late = 0;
    for _ in 0..500 {
        let job = bench.dequeue().expect("jobs are left");
        late += u32::from(bench.jobs[job].late);
    }
    assert!((95..=105).contains(&late), "{late} of 500 were late ones");
}

#[test]
fn what_changes_at_a_child_is_looked_for_in_its_own_lanes() {
    for kind in KINDS {
        let mut order = super::make(kind, &Config::default());
        for child in 0..8 {
            order.open(Child(child), Share::of(1));
            let head = Head::new(false, Mono(0), u64::from(child) + 1);
            order.offer(Child(child), Lane::of_set(child), Some(head));
        }
        let (own, found) = (Lane::of_set(3), order.other_lanes_of(Child(3)));
        assert!(found.contains(&own), "{kind:?}");
        // These two are seldom above queues, and know no child's lanes.
        let knows_none = matches!(kind, DisciplineKind::Fifo | DisciplineKind::Sfq);
        assert!(knows_none || found == [own], "{kind:?}: thousands of other lanes are not");
    }
}
