//! What queues below `htb` get of their guarantees when their jobs are not as long as was thought.

use std::collections::BTreeMap;

use ostler_job::{JobId, QueueId, Span};
use ostler_scheduler::{DisciplineKind, Estimate, QueueConfig, Rate, Scheduler, Submit};

use crate::{A, B, at, granted, job, with_slots};

/// Slot time of each child of A, in milliseconds, over a hundred seconds in which all have jobs: two slots, the first child has one of
/// them guaranteed, and its jobs are thought to take so long.
fn shared(thought: Span, millis: u64) -> BTreeMap<u32, u64> {
    let mut s = with_slots(2);
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    s.handle_queue(A, &htb, at(0));
    let below = QueueConfig { parent: Some(A), ..QueueConfig::default() };
    s.handle_queue(B, &QueueConfig { guarantee: 1_000, ..below }, at(0));
    for queue in 3..=6 {
        s.handle_queue(QueueId(queue), &below, at(0));
    }
    let mut lengths = BTreeMap::new();
    for id in 1..=10_000 {
        let queue = [2, 3, 4, 5, 6][id as usize % 5];
        let length = if queue == 2 { millis } else { 100 };
        let p50 = if queue == 2 { thought } else { Span::from_millis(100) };
        let submit = job(id, QueueId(queue), queue);
        s.handle_submit(Submit { estimate: Estimate { p50, p90: p50 }, ..submit }, at(0));
        lengths.insert(id, (queue, length));
    }
    let (mut running, mut used) = (BTreeMap::new(), BTreeMap::new());
    let mut now = 0;
    while now < 100_000 {
        for id in granted(&mut s) {
            let (queue, length) = lengths[&id];
            running.insert((now + length, id), queue);
            *used.entry(queue).or_default() += length;
        }
        let (&(end, id), _) = running.first_key_value().expect("there is always something to run");
        running.remove(&(end, id));
        now = end;
        s.handle_finish(JobId(id), at(now));
    }
    used
}

#[test]
fn a_guarantee_holds_for_jobs_that_are_shorter_than_was_thought() {
    for (thought, millis) in [(100, 100), (10_000, 100), (60_000, 500), (50, 500)] {
        let used = shared(Span::from_millis(thought), millis)[&2];
        assert!(used >= 95_000, "{used} ms of 100 s, thought to take {thought} and took {millis}");
    }
}

/// Eight slots whose queues always have jobs of 100 ms, as many of them as are named.
struct Busy {
    s: Scheduler,
    now: u64,
    next: u64,
    running: BTreeMap<(u64, u64), QueueId>,
    waiting: BTreeMap<u64, QueueId>,
}

impl Busy {
    /// The queues with what they have, below one another by their numbers; all orders but those of the last are `htb`.
    fn below_htb(queues: &[(u32, QueueConfig)]) -> Self {
        let mut s = with_slots(8);
        let is_parent = |id| queues.iter().any(|(_, it)| it.parent == Some(QueueId(id)));
        for &(id, it) in queues {
            let discipline =
                if is_parent(id) { DisciplineKind::Htb } else { DisciplineKind::Promise };
            s.handle_queue(QueueId(id), &QueueConfig { discipline, ..it }, at(0));
        }
        Self { s, now: 0, next: 1, running: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn submit(&mut self, queue: QueueId) {
        let span = Span::from_millis(100);
        let submit = job(self.next, queue, queue.0);
        self.waiting.insert(self.next, queue);
        self.next += 1;
        let estimate = Estimate { p50: span, p90: span };
        self.s.handle_submit(Submit { estimate, ..submit }, at(self.now));
    }

    /// What has been granted runs; answers how long the jobs of each queue do.
    fn begin(&mut self, used: &mut BTreeMap<u32, u64>) {
        for id in granted(&mut self.s) {
            let queue = self.waiting.remove(&id).expect("what is granted waited");
            *used.entry(queue.0).or_default() += 100;
            self.running.insert((self.now + 100, id), queue);
        }
    }

    /// Slot time of each queue until that second, in milliseconds, while these have jobs waiting, and no other.
    fn share(&mut self, busy: &[u32], until: u64) -> BTreeMap<u32, u64> {
        let (idle, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|it| !busy.contains(&it.1.0));
        self.waiting = kept;
        for &id in idle.keys() {
            self.s.handle_cancel(JobId(id), at(self.now));
        }
        let mut used = BTreeMap::new();
        while self.now < until * 1_000 {
            for &queue in busy {
                while self.waiting.values().filter(|it| it.0 == queue).count() < 16 {
                    self.submit(QueueId(queue));
                    self.begin(&mut used);
                }
            }
            let due = self.s.poll_timeout().map(|(due, _)| due.0.div_ceil(1_000_000));
            let end = self.running.first_key_value().map(|(&(end, _), _)| end);
            self.now =
                due.into_iter().chain(end).min().expect("something is to come").max(self.now);
            self.s.handle_timeout(at(self.now));
            self.begin(&mut used);
            while let Some((&(end, id), _)) =
                self.running.first_key_value().filter(|it| it.0.0 <= self.now)
            {
                self.running.remove(&(end, id));
                self.s.handle_finish(JobId(id), at(self.now));
                self.begin(&mut used);
            }
        }
        used
    }
}

fn below(parent: u32, guarantee: u32) -> QueueConfig {
    QueueConfig { parent: Some(QueueId(parent)), guarantee, ..QueueConfig::default() }
}

#[test]
fn what_a_queue_uses_of_a_guarantee_below_it_is_not_borrowed() {
    let (top, inner) = ((1, QueueConfig::default()), (2, below(1, 0)));
    let leaves = [(3, below(2, 6_000)), (4, below(2, 0)), (5, below(1, 0))];
    let mut it = Busy::below_htb(&[&[top, inner], &leaves[..]].concat());
    // Six slots are guaranteed, and the two queues at the top get one each of the others.
    let used = it.share(&[3, 5], 100);
    assert!((680_000..=720_000).contains(&used[&3]), "{used:?}");
    // Nor is it owed when what was guaranteed has no jobs any more.
    let used = it.share(&[4, 5], 110);
    assert!((38_000..=42_000).contains(&used[&4]), "{used:?}");
}

#[test]
fn a_queue_whose_rate_closes_behind_each_job_pays_for_its_guarantee_all_the_same() {
    let rate = Rate { jobs: 1_000, per: Span::from_secs(1), burst: 1 };
    let limited = QueueConfig { rate: Some(rate), ..below(1, 500) };
    let mut it =
        Busy::below_htb(&[(1, QueueConfig::default()), (2, limited), (3, below(1, 7_500))]);
    let used = it.share(&[2, 3], 100);
    assert!(used[&3] >= 735_000, "{used:?}");
}

#[test]
fn slots_that_a_queue_had_while_nobody_else_wanted_them_are_no_debt() {
    let mut it =
        Busy::below_htb(&[(1, QueueConfig::default()), (2, below(1, 0)), (3, below(1, 0))]);
    // Two of eight slots, one job after the other, so that something always runs.
    for now in (0..200_000).step_by(50) {
        it.now = now;
        while let Some((&(end, id), _)) = it.running.first_key_value().filter(|it| it.0.0 <= now) {
            it.running.remove(&(end, id));
            it.s.handle_finish(JobId(id), at(now));
        }
        it.submit(QueueId(2));
        it.begin(&mut BTreeMap::new());
    }
    let used = it.share(&[2, 3], 220);
    assert!((75_000..=85_000).contains(&used[&2]), "{used:?}");
}
