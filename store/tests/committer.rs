//! Group commit: who is answered, when, and with what.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use std::{
    sync::{
        Arc, Mutex,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use make::{event, submit};
use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Epoch, Firing, KeptSchedule, Queue, ScheduleName, Term},
};
use ostler_store::{
    Applied, Change, Committer, CountQuery, Counts, Event, Fault, Job, Loaded, Memory, OfQueues,
    Page, Planned, Query, ReadLimit, Same, Store, StoreError, Unfinished,
};

/// The model behind a gate: a commit says how many changes it has, and waits until it is let through.
struct Gated {
    memory: Arc<Memory>,
    begun: Mutex<Sender<usize>>,
    gate: Mutex<Receiver<()>>,
}

impl Store for Gated {
    fn begin(&self, room: u64) -> Result<Term, StoreError> {
        self.memory.begin(room)
    }
    fn commit(&self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.begun.lock().unwrap().send(changes.len()).unwrap();
        // A gate that is gone is open.
        let _open = self.gate.lock().unwrap().recv();
        self.memory.commit(epoch, changes)
    }
    fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        self.memory.queues()
    }
    fn schedules(&self, now: Wall) -> Result<Vec<KeptSchedule>, StoreError> {
        self.memory.schedules(now)
    }
    fn firings(
        &self,
        schedule: &ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> Result<Vec<Firing>, StoreError> {
        self.memory.firings(schedule, before, max)
    }
    fn fired_after(
        &self,
        schedule: &ScheduleName,
        after: Wall,
        max: usize,
    ) -> Result<Vec<Wall>, StoreError> {
        self.memory.fired_after(schedule, after, max)
    }
    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError> {
        self.memory.load(each)
    }
    fn load_unfinished(&self, each: &mut dyn FnMut(Unfinished)) -> Result<Loaded, StoreError> {
        self.memory.load_unfinished(each)
    }
    fn search(&self, query: &Query, limit: &ReadLimit) -> Result<Page, StoreError> {
        self.memory.search(query, limit)
    }
    fn count(&self, query: &CountQuery, limit: &ReadLimit) -> Result<Counts, StoreError> {
        self.memory.count(query, limit)
    }
    fn check(&self) -> Result<(), StoreError> {
        self.memory.check()
    }
    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        self.memory.job(job)
    }
    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError> {
        self.memory.jobs(jobs)
    }
    fn absent(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        self.memory.absent(jobs)
    }
    fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.memory.attempts(job)
    }
    fn keyed(&self, key: &str) -> Result<Option<(String, Vec<JobId>)>, StoreError> {
        self.memory.keyed(key)
    }
    fn succeeded_since(
        &self,
        tenant: &str,
        same: Same<'_>,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError> {
        self.memory.succeeded_since(tenant, same, since)
    }
    fn prunable_of(
        &self,
        queues: OfQueues<'_>,
        before: (Wall, Wall),
        now: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.memory.prunable_of(queues, before, now, max)
    }
    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError> {
        self.memory.payload_used(sha256)
    }

    fn payload_wanted(&self, sha256: &str, runner: &str) -> Result<bool, StoreError> {
        self.memory.payload_wanted(sha256, runner)
    }
    fn tail(&self, after: u64, max: usize) -> Result<Vec<Event>, StoreError> {
        self.memory.tail(after, max)
    }
    fn backup(&self, to: &std::path::Path) -> Result<(), StoreError> {
        self.memory.backup(to)
    }
    fn size(&self) -> u64 {
        0
    }
}

type Outcome = Result<Vec<Applied>, StoreError>;

struct Bench {
    memory: Arc<Memory>,
    committer: Committer,
    begun: Receiver<usize>,
    gate: Sender<()>,
    tell: Sender<(u32, Outcome)>,
    told: Receiver<(u32, Outcome)>,
    observed: Arc<Mutex<Vec<usize>>>,
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(Memory::new());
        let ((say, begun), (gate, wait), (tell, told)) = (channel(), channel(), channel());
        let (begin, gated) = (Mutex::new(say), Mutex::new(wait));
        let store = Gated { memory: Arc::clone(&memory), begun: begin, gate: gated };
        let observed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&observed);
        let observe = move |changes, _: Duration| seen.lock().unwrap().push(changes);
        let committer = Committer::start(Arc::new(store), observe).unwrap();
        Self { memory, committer, begun, gate, tell, told, observed }
    }

    fn commit(&self, name: u32, changes: Vec<Change>) {
        let tell = self.tell.clone();
        self.committer.commit(Epoch(0), changes, Box::new(move |it| drop(tell.send((name, it)))));
    }

    /// Waits for the next transaction to begin, lets it through, and answers how many changes it had.
    fn pass(&self) -> usize {
        let changes = self.begun.recv().unwrap();
        self.gate.send(()).unwrap();
        changes
    }
}

fn many(changes: u64) -> Vec<Change> {
    (0..changes).map(|at| event(at, "")).collect()
}

#[test]
fn one_batch_is_committed_at_once() {
    let bench = Bench::new();
    bench.commit(1, many(1));
    assert_eq!(bench.pass(), 1);
    assert_eq!(bench.told.recv().unwrap(), (1, Ok(vec![Applied::Seq(1)])));
}

#[test]
fn what_arrives_during_a_commit_is_the_next_group_and_answered_in_order() {
    let bench = Bench::new();
    bench.commit(1, many(1));
    let first = bench.begun.recv().unwrap();
    for name in 2..6 {
        bench.commit(name, many(2));
    }
    bench.gate.send(()).unwrap();
    assert_eq!((first, bench.pass()), (1, 8));
    let told: Vec<_> = (0..5).map(|_| bench.told.recv().unwrap()).collect();
    let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [1, 2, 3, 4, 5]);
    assert_eq!(told[2].1, Ok(vec![Applied::Seq(4), Applied::Seq(5)]));
    let stats = bench.committer.stats();
    assert_eq!((stats.groups.load(Relaxed), stats.changes.load(Relaxed)), (2, 9));
    assert_eq!(*bench.observed.lock().unwrap(), [1, 8]);
}

#[test]
fn a_group_is_full_at_512_changes_and_splits_no_batch() {
    let bench = Bench::new();
    bench.commit(0, many(1));
    bench.begun.recv().unwrap();
    for name in 1..=4 {
        bench.commit(name, many(200));
    }
    bench.commit(5, many(1000));
    bench.gate.send(()).unwrap();
    assert_eq!([bench.pass(), bench.pass()], [600, 1200]);
}

#[test]
fn an_error_is_everybodys() {
    let bench = Bench::new();
    bench.memory.plan([None, Some(Planned::Full)]);
    bench.commit(0, many(1));
    bench.begun.recv().unwrap();
    bench.commit(1, many(1));
    bench.commit(2, many(1));
    bench.gate.send(()).unwrap();
    bench.pass();
    assert!(bench.told.recv().unwrap().1.is_ok());
    for name in 1..3 {
        let (told, outcome) = bench.told.recv().unwrap();
        assert_eq!((told, outcome.unwrap_err().fault), (name, Fault::Full));
    }
    // Full may pass.
    bench.commit(3, many(1));
    bench.pass();
    assert_eq!(bench.told.recv().unwrap(), (3, Ok(vec![Applied::Seq(2)])));
    assert_eq!(bench.committer.stats().failed.load(Relaxed), 1);
}

#[test]
fn a_misuse_is_only_its_own() {
    let bench = Bench::new();
    bench.commit(0, vec![submit(5)]);
    bench.begun.recv().unwrap();
    bench.commit(1, vec![submit(6)]);
    bench.commit(2, vec![event(1, ""), submit(6)]);
    bench.commit(3, vec![submit(7)]);
    bench.gate.send(()).unwrap();
    // The group, and then each alone.
    assert_eq!((0..4).map(|_| bench.pass()).collect::<Vec<_>>(), [4, 1, 2, 1]);
    let told: Vec<_> = (0..4).map(|_| bench.told.recv().unwrap().1).collect();
    assert!(told[0].is_ok() && told[1].is_ok() && told[3].is_ok());
    assert_eq!(told[2].as_ref().unwrap_err().fault, Fault::Misuse);
    assert_eq!(bench.memory.tail(0, 9).unwrap(), []);
}

#[test]
fn dropped_it_commits_what_it_was_given() {
    let bench = Bench::new();
    for name in 0..3 {
        bench.commit(name, many(400));
    }
    let Bench { memory, committer, gate, told, .. } = bench;
    drop(gate);
    drop(committer);
    assert_eq!(told.try_iter().filter(|(_, outcome)| outcome.is_ok()).count(), 3);
    assert_eq!(memory.tail(0, 9999).unwrap().len(), 1200);
}

#[test]
fn a_done_may_ask_for_more() {
    let memory = Arc::new(Memory::new());
    let committer = Committer::start(memory, |_, _| {}).unwrap();
    let committer = Arc::new(committer);
    let (again, (tell, told)) = (Arc::clone(&committer), channel());
    let more = move |_: Outcome| {
        // More than may wait, from the thread that would make room.
        again.commit(Epoch(0), many(70_000), Box::new(|_| {}));
        again.commit(Epoch(0), many(1), Box::new(move |outcome| drop(tell.send(outcome))));
    };
    committer.commit(Epoch(0), many(1), Box::new(more));
    assert_eq!(told.recv().unwrap(), Ok(vec![Applied::Seq(70_002)]));
}

#[test]
fn one_that_waits_gets_its_answer() {
    let committer = Committer::start(Arc::new(Memory::new()), |_, _| {}).unwrap();
    std::thread::scope(|scope| {
        let wait = || {
            let (tell, told) = channel();
            committer.commit(Epoch(0), many(3), Box::new(move |outcome| drop(tell.send(outcome))));
            told.recv().unwrap().unwrap().len()
        };
        let each = |_| scope.spawn(wait);
        let threads: Vec<_> = (0..8).map(each).collect();
        assert_eq!(threads.into_iter().map(|it| it.join().unwrap()).sum::<usize>(), 24);
    });
    assert_eq!(committer.waiting(), 0);
}
