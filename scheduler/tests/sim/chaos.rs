//! Cancels, crashes, returns, reconnects, expiries and prefetch at random: no job and no slot is ever lost.

use std::collections::BTreeMap;

use ostler_job::{HostId, JobId, Mono, Promise, QueueId, Span, SupplierId, TenantId};
use ostler_scheduler::{
    Action, Cancelled, Config, DisciplineKind, Estimate, Scheduler, Submit, Supply,
};

use crate::rng::Rng;
use crate::with_seeds;

/// Where the model thinks a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Submitted,
    Granted { supplier: SupplierId, cancelled: bool },
}

/// A scheduler and what must be true of it.
struct Chaos {
    rng: Rng,
    scheduler: Scheduler,
    now: Mono,
    jobs: BTreeMap<JobId, (Stage, Option<Mono>)>,
    pins: BTreeMap<JobId, HostId>,
    suppliers: BTreeMap<SupplierId, Supply>,
    submitted: u64,
    finished: u64,
    refused: u64,
    expired: u64,
    cancelled: u64,
}

impl Chaos {
    fn new(mut rng: Rng, discipline: DisciplineKind) -> Self {
        let config = Config {
            discipline,
            waiting_max: 16,
            tenant_waiting_max: 6,
            tenant_slots_max: (rng.below(2) == 0).then_some(3),
            ..Config::default()
        };
        Self {
            rng,
            scheduler: Scheduler::new(config),
            now: Mono(0),
            jobs: BTreeMap::new(),
            pins: BTreeMap::new(),
            suppliers: BTreeMap::new(),
            submitted: 0,
            finished: 0,
            refused: 0,
            expired: 0,
            cancelled: 0,
        }
    }

    fn step(&mut self) {
        self.now += Span::from_micros(self.rng.below(5_000));
        match self.rng.below(100) {
            0..48 => self.submit(),
            48..75 => {
                if let Some(job) = self.pick_granted() {
                    self.finish(job);
                }
            }
            75..83 => {
                if let Some(job) = self.pick_granted() {
                    self.hand_back(job);
                }
            }
            83..91 => self.cancel(),
            91..96 => self.supply(),
            96 => self.crash(),
            _ => self.scheduler.handle_timeout(self.now),
        }
        self.settle();
    }

    fn submit(&mut self) {
        let job = JobId(self.submitted);
        self.submitted += 1;
        let p50 = Span::from_micros(self.rng.below(20_000));
        let submit = Submit {
            job,
            queue: QueueId::DEFAULT,
            tenant: TenantId(self.rng.below(6) as u32),
            weight: self.rng.below(4) as u32,
            promise: match self.rng.below(4) {
                0 => Promise::Sometime,
                _ => Promise::Within(Span::from_millis(self.rng.below(200))),
            },
            expires: (self.rng.below(3) == 0)
                .then(|| self.now + Span::from_millis(self.rng.below(100))),
            host: (self.rng.below(4) == 0).then(|| HostId(self.rng.below(3) as u32)),
            estimate: Estimate { p50, p90: Span(p50.0 * 2) },
        };
        self.jobs.insert(job, (Stage::Submitted, submit.expires));
        if let Some(host) = submit.host {
            self.pins.insert(job, host);
        }
        self.scheduler.handle_submit(submit, self.now);
    }

    fn finish(&mut self, job: JobId) {
        self.scheduler.handle_finish(job, self.now);
        self.jobs.remove(&job);
        self.finished += 1;
    }

    fn hand_back(&mut self, job: JobId) {
        self.scheduler.handle_return(job, self.now);
        let it = self.jobs.get_mut(&job).expect("only known jobs are handed back");
        if matches!(it.0, Stage::Granted { cancelled: true, .. }) {
            self.jobs.remove(&job);
            self.cancelled += 1;
        } else {
            it.0 = Stage::Submitted;
        }
    }

    fn cancel(&mut self) {
        let job = JobId(self.submitted.saturating_sub(self.rng.below(60)));
        let was = self.scheduler.handle_cancel(job, self.now);
        match (was, self.jobs.get_mut(&job).map(|it| &mut it.0)) {
            (Cancelled::Waiting, Some(Stage::Submitted)) => {
                self.jobs.remove(&job);
                self.cancelled += 1;
            }
            (Cancelled::Running, Some(Stage::Granted { cancelled, .. })) => *cancelled = true,
            (Cancelled::Unknown, None) => {}
            (was, stage) => panic!("job {job} was {was:?}, the model has {stage:?}"),
        }
    }

    fn supply(&mut self) {
        let supplier = SupplierId(self.rng.below(8) as u32);
        let supply = Supply {
            host: HostId(self.rng.below(3) as u32),
            slots: self.rng.below(4) as u32,
            prefetch: self.rng.below(5).saturating_sub(2) as u32,
        };
        self.suppliers.insert(supplier, supply);
        self.scheduler.handle_supply(supplier, supply, self.now);
    }

    /// A supplier is gone; what it held is found to be lost or not started, now or later, or it reconnects before.
    fn crash(&mut self) {
        let supplier = SupplierId(self.rng.below(8) as u32);
        self.suppliers.remove(&supplier);
        self.scheduler.handle_supply_gone(supplier, self.now);
        self.settle();
        let held: Vec<JobId> = self.held_by(supplier).collect();
        for job in held {
            match self.rng.below(3) {
                0 => self.finish(job),
                1 => self.hand_back(job),
                _ => {}
            }
            self.settle();
        }
    }

    fn held_by(&self, by: SupplierId) -> impl Iterator<Item = JobId> {
        let held = self.jobs.iter().filter(
            move |(_, it)| matches!(it.0, Stage::Granted { supplier, .. } if supplier == by),
        );
        held.map(|(&job, _)| job)
    }

    fn pick_granted(&mut self) -> Option<JobId> {
        let granted = self.jobs.iter().filter(|(_, it)| it.0 != Stage::Submitted);
        let granted: Vec<JobId> = granted.map(|(&job, _)| job).collect();
        let at = self.rng.below(granted.len().max(1) as u64) as usize;
        granted.get(at).copied()
    }

    /// Takes the actions into the model and compares.
    fn settle(&mut self) {
        self.scheduler.check_invariants();
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Grant { job, supplier, .. } => {
                    let it = self.jobs.get_mut(&job).expect("only known jobs are granted");
                    let host = self.suppliers[&supplier].host;
                    let pin = self.pins.get(&job);
                    assert!(pin.is_none_or(|&pin| pin == host), "job {job} is pinned elsewhere");
                    assert_eq!(it.0, Stage::Submitted, "job {job} was granted while it waited");
                    assert!(it.1.is_none_or(|at| at > self.now), "job {job} had expired");
                    it.0 = Stage::Granted { supplier, cancelled: false };
                }
                Action::Refuse { job, .. } => {
                    self.jobs.remove(&job).expect("only known jobs are refused");
                    self.refused += 1;
                }
                Action::Expire { job } => {
                    let (stage, at) = self.jobs.remove(&job).expect("only known jobs expire");
                    assert_eq!(stage, Stage::Submitted, "only a waiting job expires");
                    assert!(at.is_some_and(|at| at <= self.now), "job {job} expired too early");
                    self.expired += 1;
                }
            }
        }
        self.compare();
    }

    fn compare(&self) {
        let running = self.jobs.values().filter(|it| it.0 != Stage::Submitted).count();
        assert_eq!(self.scheduler.running(), running);
        assert_eq!(self.scheduler.waiting(), self.jobs.len() - running);
        let mut free = 0;
        for (&supplier, supply) in &self.suppliers {
            let held = self.held_by(supplier).count() as u32;
            free += supply.slots.saturating_sub(held);
        }
        assert_eq!(
            self.scheduler.free(),
            free,
            "free slots are what suppliers have and do not hold"
        );
    }

    /// Everything runs to its end, and all slots are free.
    fn finish_all(&mut self) {
        for host in [0, 1, 2, 9] {
            let (supplier, host) = (SupplierId(90 + host), HostId(host));
            let supply = Supply { host, slots: 5, prefetch: 0 };
            self.suppliers.insert(supplier, supply);
            self.scheduler.handle_supply(supplier, supply, self.now);
            self.settle();
        }
        while let Some(job) = self.pick_granted() {
            self.finish(job);
            self.settle();
        }
        let slots: u32 = self.suppliers.values().map(|supply| supply.slots).sum();
        assert_eq!((self.scheduler.free(), self.scheduler.waiting()), (slots, 0));
        assert_eq!(self.scheduler.tenants().count(), 0);
        assert_eq!(self.scheduler.poll_timeout(), None);
        let ends = self.finished + self.refused + self.expired + self.cancelled;
        assert_eq!(ends, self.submitted, "every job came to exactly one end");
        assert!(self.finished.min(self.refused).min(self.expired).min(self.cancelled) > 0);
    }
}

#[test]
fn no_job_and_no_slot_is_lost_whatever_happens() {
    with_seeds(|mut rng| {
        for discipline in [DisciplineKind::Promise, DisciplineKind::Fifo] {
            for _ in 0..3 {
                let mut chaos = Chaos::new(Rng::new(rng.next()), discipline);
                (0..15_000).for_each(|_| chaos.step());
                chaos.finish_all();
            }
        }
    });
}

#[test]
fn the_same_inputs_give_the_same_actions() {
    with_seeds(|rng| {
        let run = || {
            let mut chaos = Chaos::new(rng.clone(), DisciplineKind::Promise);
            (0..3_000).for_each(|_| chaos.step());
            (chaos.jobs, chaos.finished, chaos.refused, chaos.expired, chaos.cancelled)
        };
        assert_eq!(run(), run());
    });
}
