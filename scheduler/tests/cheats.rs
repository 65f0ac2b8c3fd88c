//! Nobody gets more than its share, or makes others wait without end, by when its jobs come and what they are said to take.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{Action, Config, DisciplineKind, Estimate, Scheduler, Submit, Supply};

const SECOND: u64 = 1_000_000_000;

/// Those that share slot time.
const KINDS: [DisciplineKind; 4] =
    [DisciplineKind::Promise, DisciplineKind::Drr, DisciplineKind::Sfq, DisciplineKind::Htb];

/// When the jobs of somebody come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// So many wait all the time.
    Waiting(usize),
    /// The next one when the last is over.
    OneByOne,
    /// So many wait all the time, each of a tenant that nobody knows.
    Newcomers(usize),
}

#[derive(Clone, Copy)]
struct Party {
    way: Way,
    takes: Span,
    /// What each second one is thought to take, and the others.
    thought: [Span; 2],
    within: Span,
}

impl Party {
    /// With jobs that take as long as they are thought to, and may wait for an hour.
    fn new(way: Way, takes: Span) -> Self {
        Self { way, takes, thought: [takes; 2], within: Span::from_secs(3_600) }
    }
}

struct World {
    s: Scheduler,
    now: u64,
    jobs: u64,
    parties: Vec<Party>,
    /// Whose each known job is, and when it came.
    known: BTreeMap<u64, (usize, u64)>,
    ends: BTreeSet<(u64, u64)>,
    waiting: Vec<BTreeSet<u64>>,
    running: Vec<u32>,
    used: Vec<u64>,
    waited: Vec<u64>,
}

/// The part of all slot time that each of them had, and the seconds that its jobs waited at most.
fn run(kind: DisciplineKind, slots: u32, seconds: u64, parties: &[Party]) -> (Vec<f64>, Vec<f64>) {
    let config = Config { discipline: kind, ..Config::default() };
    let mut s = Scheduler::new(config);
    s.handle_supply(SupplierId(1), Supply { host: HostId(1), slots, prefetch: 0 }, Mono(0));
    let all = parties.len();
    let mut world = World {
        s,
        now: 0,
        jobs: 0,
        parties: parties.to_vec(),
        known: BTreeMap::new(),
        ends: BTreeSet::new(),
        waiting: vec![BTreeSet::new(); all],
        running: vec![0; all],
        used: vec![0; all],
        waited: vec![0; all],
    };
    while world.now < seconds * SECOND {
        (0..all).for_each(|at| world.submit_more(at));
        world.step();
    }
    let sum = world.used.iter().sum::<u64>() as f64;
    let shares = world.used.iter().map(|&used| used as f64 / sum).collect();
    let waited = (0..all).map(|at| world.longest_wait(at) as f64 / SECOND as f64).collect();
    (shares, waited)
}

impl World {
    fn submit_more(&mut self, at: usize) {
        let wanted = match self.parties[at].way {
            Way::Waiting(jobs) | Way::Newcomers(jobs) => jobs,
            Way::OneByOne => usize::from(self.running[at] == 0),
        };
        while self.waiting[at].len() < wanted {
            self.submit(at);
            if self.parties[at].way == Way::OneByOne {
                return;
            }
        }
    }

    fn submit(&mut self, at: usize) {
        self.jobs += 1;
        let party = self.parties[at];
        let newcomer = matches!(party.way, Way::Newcomers(_));
        let thought = party.thought[self.jobs as usize % 2];
        self.known.insert(self.jobs, (at, self.now));
        self.waiting[at].insert(self.jobs);
        let submit = Submit {
            job: JobId(self.jobs),
            queue: QueueId::DEFAULT,
            tenant: TenantId(if newcomer { self.jobs as u32 + 100 } else { at as u32 }),
            weight: 1,
            promise: Promise::Within(party.within),
            expires: None,
            host: None,
            estimate: Estimate { p50: thought, p90: thought },
        };
        self.s.handle_submit(submit, Mono(self.now));
        self.hear();
    }

    fn hear(&mut self) {
        while let Some(action) = self.s.poll_action() {
            let Action::Grant { job, .. } = action else { panic!("{action:?}") };
            let (at, came) = self.known[&job.0];
            self.waited[at] = self.waited[at].max(self.now - came);
            self.waiting[at].remove(&job.0);
            self.running[at] += 1;
            self.ends.insert((self.now + self.parties[at].takes.0, job.0));
        }
    }

    /// The next end of a job, or what is due before.
    fn step(&mut self) {
        let &(end, job) = self.ends.first().expect("something runs");
        if let Some((due, _)) = self.s.poll_timeout().filter(|(due, _)| due.0 < end) {
            self.now = due.0.max(self.now);
            self.s.handle_timeout(Mono(self.now));
        } else {
            self.now = end;
            self.ends.pop_first();
            let (at, _) = self.known.remove(&job).expect("it is known until it is over");
            self.running[at] -= 1;
            self.used[at] += self.parties[at].takes.0;
            self.s.handle_finish(JobId(job), Mono(self.now));
        }
        self.hear();
    }

    /// What waits still counts, too.
    fn longest_wait(&self, at: usize) -> u64 {
        let waits = self.waiting[at].iter().map(|job| self.now - self.known[job].1);
        waits.max().unwrap_or(0).max(self.waited[at])
    }
}

#[test]
fn newcomers_without_end_starve_nobody_who_was_served_once_and_none_of_themselves() {
    let second = Span::from_secs(1);
    let known = Party::new(Way::OneByOne, second);
    let newcomers = Party {
        within: Span::from_secs(2),
        ..Party::new(Way::Newcomers(4), Span::from_millis(100))
    };
    for kind in KINDS {
        for slots in [1, 4] {
            let (_, waited) = run(kind, slots, 500, &[known, newcomers]);
            assert!(waited[0] < 90.0 && waited[1] < 30.0, "{kind:?}, {slots}: {waited:?}");
        }
    }
}

#[test]
fn whoever_has_one_long_job_at_a_time_gets_no_more_than_its_share() {
    let long = Party::new(Way::OneByOne, Span::from_secs(3));
    let short = Party::new(Way::Waiting(8), Span::from_millis(100));
    for kind in KINDS {
        let (shares, waited) = run(kind, 1, 500, &[long, short, short]);
        assert!(shares[0] < 0.4 && waited[1] < 12.0, "{kind:?}: {shares:?}, {waited:?}");
    }
}

#[test]
fn whoever_says_that_its_short_jobs_take_a_minute_keeps_nobody_waiting() {
    let known = Party::new(Way::OneByOne, Span::from_secs(1));
    let liar = Party {
        thought: [Span::from_secs(60); 2],
        ..Party::new(Way::Waiting(3), Span::from_millis(1))
    };
    let newcomers = Party {
        within: Span::from_secs(5),
        ..Party::new(Way::Newcomers(2), Span::from_millis(100))
    };
    let (_, waited) = run(DisciplineKind::Promise, 2, 4_000, &[known, liar, newcomers]);
    assert!(waited[0] < 40.0 && waited[2] < 5.0, "{waited:?}");
}

#[test]
fn nobody_waits_for_what_another_one_of_a_stochastic_queue_was_thought_to_take() {
    let takes = Span::from_millis(100);
    let liar =
        Party { thought: [Span::ZERO, Span::from_secs(60)], ..Party::new(Way::Waiting(16), takes) };
    let (steady, guest) = (Party::new(Way::Waiting(16), takes), Party::new(Way::OneByOne, takes));
    let (shares, waited) = run(DisciplineKind::Sfq, 8, 400, &[liar, steady, steady, guest]);
    assert!(waited[1] < 2.0 && waited[3] < 1.0, "{shares:?}, {waited:?}");
}
