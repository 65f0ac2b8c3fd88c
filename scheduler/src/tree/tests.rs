//! Who is served first where shares and promises say different things, and what is forgotten.

use ostler_job::{Mono, QueueId, Span, TenantId};

use super::{SPARE_MAX, Tree};
use crate::config::{Config, QueueConfig};
use crate::jobs::{Job, JobIx, Jobs, State};
use crate::lane::Lane;
use crate::tenants::{FlowIx, Tenants};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

/// A tree with the tables that it reads.
struct Bench {
    tree: Tree,
    tenants: Tenants,
    jobs: Jobs,
    seq: u64,
}

fn seconds(n: u64) -> Span {
    Span::from_secs(n)
}

impl Bench {
    fn new() -> Self {
        let tree = Tree::new(&Config::default());
        Self { tree, tenants: Tenants::default(), jobs: Jobs::new(), seq: 0 }
    }

    fn put(&mut self, queue: QueueId, parent: Option<QueueId>) {
        let config = QueueConfig { parent, ..QueueConfig::default() };
        self.tree.put(queue, &config, &mut self.jobs, Mono(0));
        self.forget();
    }

    /// A job of a tenant that is to start by that second, and costs so many.
    fn submit(&mut self, queue: QueueId, tenant: u32, (by, cost): (u64, u64)) -> JobIx {
        self.seq += 1;
        let known = self.tree.find(queue, TenantId(tenant));
        let flow = self.tree.open((queue, TenantId(tenant), known), 1, &mut self.tenants);
        let (lst, cost) = (Mono(seconds(by).0), seconds(cost));
        let ix = self.jobs.insert(Job { lst, cost, ..Job::waiting(self.seq, flow) });
        self.tree.enqueue(&self.jobs, ix);
        ix
    }

    fn take(&mut self, second: u64) -> JobIx {
        let now = Mono(seconds(second).0);
        let job = self.tree.dequeue(&mut self.jobs, &[Lane::USUAL], now).expect("a job waits");
        self.jobs[job].state = State::Running;
        job
    }

    fn finish(&mut self, job: JobIx, took: u64) -> FlowIx {
        let flow = self.jobs[job].flow;
        let it = &self.jobs[job];
        let charged = self.tree.charged(it);
        self.tree.finish(it, charged, Some(seconds(took)));
        self.jobs.remove(job);
        self.tree.close(flow);
        flow
    }

    fn forget(&mut self) -> usize {
        std::iter::from_fn(|| self.tree.poll_forgotten(&mut self.tenants)).count()
    }
}

#[test]
fn whoever_was_left_behind_goes_before_what_is_urgent_even_with_a_job_that_is_late() {
    let mut bench = Bench::new();
    let urgent = bench.submit(QueueId::DEFAULT, 1, (0, 10));
    let missed = bench.submit(QueueId::DEFAULT, 2, (5, 0));
    let next = bench.submit(QueueId::DEFAULT, 2, (800, 0));
    assert_eq!(bench.take(0), urgent);
    // Its end moves virtual time past the second one, and a third comes there with the nearest promise.
    bench.finish(urgent, 10);
    let newcomer = bench.submit(QueueId::DEFAULT, 3, (21, 0));
    assert_eq!(bench.take(20), missed, "what it has waited for longest");
    assert_eq!([bench.take(20), bench.take(20)].map(|it| it == next || it == newcomer), [true; 2]);
    bench.tree.check(&bench.jobs);
}

#[test]
fn who_is_behind_by_less_than_its_job_costs_waits_for_what_is_urgent() {
    let mut bench = Bench::new();
    let urgent = bench.submit(QueueId::DEFAULT, 1, (0, 10));
    let dear = bench.submit(QueueId::DEFAULT, 2, (800, 2));
    assert_eq!(bench.take(0), urgent);
    bench.finish(urgent, 10);
    let newcomer = bench.submit(QueueId::DEFAULT, 3, (21, 0));
    assert_eq!([bench.take(0), bench.take(0)], [newcomer, dear]);
}

#[test]
fn of_very_many_that_missed_their_start_some_are_moved_at_once() {
    let mut bench = Bench::new();
    for _ in 0..300 {
        bench.submit(QueueId::DEFAULT, 1, (1, 0));
    }
    bench.take(20);
    let late = bench.jobs.iter().filter(|(_, job)| job.late).count();
    assert_eq!(late, 128);
    bench.tree.check(&bench.jobs);
}

#[test]
fn a_queue_that_is_put_elsewhere_gives_its_number_back() {
    let mut bench = Bench::new();
    bench.put(A, None);
    bench.put(B, None);
    let members = |bench: &Bench| bench.tree[bench.tree.top].members().count();
    assert_eq!(members(&bench), 3);
    bench.put(B, Some(A));
    assert_eq!(members(&bench), 2);
    bench.put(B, None);
    assert_eq!(members(&bench), 3);
    // What it owes there is remembered first.
    let (job, _) = (bench.submit(B, 1, (9, 5)), bench.submit(A, 2, (1, 1)));
    bench.take(0);
    assert_eq!(bench.take(0), job);
    bench.put(B, Some(A));
    assert_eq!(members(&bench), 3);
    bench.tree.check(&bench.jobs);
}

#[test]
fn with_its_queue_a_tenant_is_forgotten_and_its_place_is_as_new() {
    let mut bench = Bench::new();
    bench.put(A, None);
    bench.put(B, None);
    for queue in [A, B, A] {
        bench.submit(queue, 1, (9, 1));
    }
    for _ in 0..3 {
        let job = bench.take(0);
        bench.finish(job, 1);
    }
    assert_eq!(bench.forget(), 0, "it is likely to come back");
    bench.tree.reset();
    assert_eq!(bench.forget(), 0);
    bench.tree.delete(B, &mut bench.tenants);
    assert_eq!(bench.forget(), 1);
    bench.tree.check(&bench.jobs);
    for tenant in 2..5 {
        bench.submit(A, tenant, (9, 1));
        bench.submit(QueueId::DEFAULT, tenant, (9, 1));
        bench.tree.check(&bench.jobs);
    }
}

#[test]
fn of_very_many_tenants_without_jobs_those_that_owe_something_are_kept() {
    let mut bench = Bench::new();
    let owes = bench.submit(QueueId::DEFAULT, 1, (0, 60));
    assert_eq!(bench.take(0), owes);
    let owing = bench.finish(owes, 60);
    // Somebody waits all the time.
    bench.submit(QueueId::DEFAULT, 2, (900, 1));
    let mut forgotten = bench.forget();
    for tenant in 0..2 * SPARE_MAX as u32 {
        let job = bench.submit(QueueId::DEFAULT, 10 + tenant, (0, 0));
        assert_eq!(bench.take(0), job);
        bench.finish(job, 0);
        forgotten += bench.forget();
    }
    assert!(forgotten > SPARE_MAX / 2, "{forgotten}");
    assert!(
        bench.tree.remembers(owing) && bench.tree.find(QueueId::DEFAULT, TenantId(1)).is_some()
    );
}
