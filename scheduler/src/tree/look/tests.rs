//! What a job of a tenant with jobs in several queues is multiplied by.

use ostler_job::{Mono, QueueId, Span, TenantId};

use super::{LOOKS, MOST, ONE, Seen, View};
use crate::config::{Config, DisciplineKind, QueueConfig};
use crate::jobs::{Job, JobIx, Jobs, State};
use crate::lane::Lane;
use crate::tenants::{FlowIx, Tenants};
use crate::tree::Tree;

/// The queues of one tenant, with a job in some of them.
struct Bench {
    tree: Tree,
    tenants: Tenants,
    jobs: Jobs,
    seq: u64,
}

impl Bench {
    fn new() -> Self {
        let tree = Tree::new(&Config::default());
        Self { tree, tenants: Tenants::default(), jobs: Jobs::new(), seq: 0 }
    }

    fn put(&mut self, queue: u32, config: QueueConfig) {
        self.tree.put(QueueId(queue), &config, &mut self.jobs, Mono(0));
    }

    /// Queues of weight 1 at the top.
    fn puts(&mut self, queues: std::ops::Range<u32>) {
        queues.for_each(|queue| self.put(queue, QueueConfig::default()));
    }

    /// A job of the tenant waits in the queue.
    fn submit(&mut self, queue: u32) -> (FlowIx, JobIx) {
        self.seq += 1;
        let (queue, tenant) = (QueueId(queue), TenantId(1));
        let known = self.tree.find(queue, tenant);
        let flow = self.tree.open((queue, tenant, known), 1, &mut self.tenants);
        let (lst, cost) = (Mono(0), Span::from_millis(10));
        let ix = self.jobs.insert(Job { lst, cost, ..Job::waiting(self.seq, flow) });
        self.tree.enqueue(&self.jobs, ix);
        (flow, ix)
    }

    /// By level, from the queue up.
    fn factors(&mut self, flow: FlowIx) -> Option<Vec<u64>> {
        self.tree.factors(flow).map(|it| it.to_vec())
    }
}

#[test]
fn a_job_is_multiplied_by_the_weights_of_all_its_queues_over_the_greatest() {
    let mut bench = Bench::new();
    bench.put(1, QueueConfig::default());
    bench.put(2, QueueConfig { weight: 3, ..QueueConfig::default() });
    let (one, _) = bench.submit(1);
    assert_eq!(bench.factors(one), None, "it is in one alone");
    let (other, _) = bench.submit(2);
    assert_eq!(bench.factors(one), Some(vec![4 * ONE / 3; 2]));
    assert_eq!(bench.factors(other), Some(vec![4 * ONE / 3; 2]));
}

#[test]
fn a_weight_of_nothing_counts_as_one() {
    let mut bench = Bench::new();
    (1..3).for_each(|it| bench.put(it, QueueConfig { weight: 0, ..QueueConfig::default() }));
    let ((one, _), _) = (bench.submit(1), bench.submit(2));
    assert_eq!(bench.factors(one), Some(vec![2 * ONE; 2]));
}

#[test]
fn queues_below_one_queue_are_one_to_what_stands_beside_that() {
    let mut bench = Bench::new();
    bench.puts(1..3);
    for queue in [3, 4] {
        bench.put(queue, QueueConfig { parent: Some(QueueId(2)), ..QueueConfig::default() });
    }
    let (one, _) = bench.submit(1);
    let (below, _) = (bench.submit(3), bench.submit(4)).0;
    assert_eq!(bench.factors(one), Some(vec![2 * ONE; 2]));
    assert_eq!(bench.factors(below), Some(vec![4 * ONE, 4 * ONE, 2 * ONE]), "twice each time");
}

#[test]
fn below_guarantees_nothing_is_multiplied() {
    let mut bench = Bench::new();
    bench.put(1, QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() });
    for queue in [3, 4] {
        bench.put(queue, QueueConfig { parent: Some(QueueId(1)), ..QueueConfig::default() });
    }
    let ((below, _), _) = (bench.submit(3), bench.submit(4));
    assert_eq!(bench.factors(below), None);
}

#[test]
fn what_waits_in_a_paused_queue_does_not_count_and_what_runs_does() {
    let mut bench = Bench::new();
    bench.puts(1..2);
    bench.put(2, QueueConfig { paused: true, ..QueueConfig::default() });
    let ((one, _), (other, _)) = (bench.submit(1), bench.submit(2));
    assert_eq!(bench.factors(one), None);
    bench.tree.flows[other.0 as usize].running = 1;
    assert_eq!(bench.factors(one), Some(vec![2 * ONE; 2]));
}

#[test]
fn of_very_many_queues_some_stand_for_all_where_most_of_them_count() {
    let others = 2 * LOOKS + 5;
    let mut bench = Bench::new();
    bench.puts(1..others + 2);
    let (one, _) = bench.submit(1);
    for queue in 2..others + 2 {
        bench.submit(queue);
    }
    assert_eq!(bench.factors(one), Some(vec![u64::from(1 + others) * ONE; 2]));
    // Where a few do, those that were seen are all.
    let mut bench = Bench::new();
    bench.puts(1..others + 2);
    for queue in (2..others + 2).filter(|queue| queue % 4 != 0) {
        bench.put(queue, QueueConfig { paused: true, ..QueueConfig::default() });
    }
    let (one, _) = bench.submit(1);
    for queue in 2..others + 2 {
        bench.submit(queue);
    }
    assert_eq!(bench.factors(one), Some(vec![u64::from(1 + LOOKS / 4) * ONE; 2]));
}

#[test]
fn there_is_a_greatest_factor() {
    let mut bench = Bench::new();
    bench.puts(1..2);
    let (one, _) = bench.submit(1);
    let it = &bench.tree.flows[one.0 as usize];
    let way = [(it.node, it.child), bench.tree[it.node].parent.expect("it is below the root")];
    let seen = |&(_, child)| Seen { children: vec![child], sum: 1_001, most: 1 };
    let levels = way.iter().map(seen).collect();
    let view = View { from: it.node, left: 0, flows: 1, changes: 0, levels };
    let factors = bench.tree.factors_by(&way, 0, &view);
    assert_eq!(factors.as_deref(), Some(&[MOST, 1_001 * ONE][..]));
}

#[test]
fn how_a_job_was_charged_is_remembered_until_it_is_over_and_idle_queues_are_looked_at_once() {
    let mut bench = Bench::new();
    bench.puts(1..3);
    let (_, (other, second)) = (bench.submit(1), bench.submit(2));
    let first = bench.tree.dequeue(&mut bench.jobs, &[Lane::USUAL], Mono(0)).expect("two wait");
    let id = bench.jobs[first].id;
    assert!(bench.tree.charged_by(id).is_some());
    bench.jobs[first].state = State::Running;
    let it = &bench.jobs[first];
    let charged = bench.tree.charged(it);
    bench.tree.finish(it, charged, Some(Span::ZERO));
    assert!(bench.tree.charged_by(id).is_none());
    // The other queue has nothing any more.
    bench.jobs[second].state = State::Free;
    bench.tree.remove(&bench.jobs, other, Lane::USUAL, false);
    bench.tree.flows[other.0 as usize].jobs = 0;
    let one = bench.jobs[first].flow;
    assert!(bench.tree.flows[other.0 as usize].is_linked);
    assert_eq!(bench.factors(one), None);
    assert!(!bench.tree.flows[other.0 as usize].is_linked);
}
