//! The rules, one by one. Time is told; the store is a map of what was committed.

use std::sync::Arc;

use ostler_job::{
    HostId, JobId, Labels, Mono, Now, Span, Wall,
    durable::{
        AttemptKey, Dedupe, DedupeScope, Delivery, Edit, Ending, Epoch, Fence, Finish, JobState,
        LogState, Order, Reason, Report, Retry, Spec, Status, Term, Then, Usage, Work,
    },
};
use ostler_store::{Change, EventKind, Memory, Store};

use super::{
    Action, Answer, Beat, Driver, DriverConfig, EditRefusal, Effect, NewJob, Offer, Reports, Steer,
    SteerJob, Submit, Ticket, Verb,
};

mod actor;
mod attach;
mod broken;
mod claims;
mod edits;
mod holders;
mod late;
mod leases;
mod links;
mod operators;
mod places;
mod queue_tree;
mod queues;
mod reasons;
mod relocations;
mod retries;
mod schedules;
mod shares;
mod slots;
mod submits;
mod times;

const EPOCH: u64 = 1_800_000_000_000;

/// A driver, the store that it writes, and what it did last.
pub(super) struct Bench {
    pub(super) driver: Driver,
    pub(super) store: Memory,
    pub(super) epoch: Epoch,
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
    pub(super) changes: Vec<Change>,
    pub(super) config: DriverConfig,
    /// The number of the link of every runner.
    pub(super) link: u64,
    /// What every runner says of its host.
    pub(super) labels: Arc<Labels>,
    /// That it was found broken before.
    pub(super) is_broken: bool,
    /// What is to run is not put on any link.
    pub(super) holds: bool,
}

pub(super) fn spec() -> Spec {
    Spec::new(Work::Noop, "noop")
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(DriverConfig::default())
    }

    pub(super) fn with(config: DriverConfig) -> Self {
        let store = Memory::new();
        let term = store.begin(0).expect("the model begins");
        let (driver, epoch) = (Driver::new(config.clone(), &term, JobId(1), 7), term.epoch);
        let now = Now { mono: Mono(1_000_000_000), wall: Wall(EPOCH) };
        let (effects, changes) = (Vec::new(), Vec::new());
        Self {
            driver,
            store,
            epoch,
            now,
            effects,
            changes,
            config,
            link: 1,
            labels: Arc::default(),
            is_broken: false,
            holds: false,
        }
    }

    /// Commits what the driver wants, and keeps what it did.
    pub(super) fn settle(&mut self) {
        self.driver.check_invariants();
        (self.effects, self.changes) = (Vec::new(), Vec::new());
        while let Some(Action { changes, effects }) = self.driver.poll_action() {
            self.store.commit(self.epoch, &changes).expect("the model takes every batch");
            self.effects.extend(effects);
            self.changes.extend(changes);
        }
        if !self.holds {
            self.send();
        }
    }

    /// What is to run is put on its link.
    pub(super) fn send(&mut self) {
        let keys: Vec<AttemptKey> = self.runs().into_iter().map(|(_, key)| key).collect();
        self.driver.handle_sent(self.link, &keys, self.now);
    }

    /// Time passes; the driver is woken whenever it wants to be.
    pub(super) fn pass(&mut self, span: Span) {
        let end = self.now.mono + span;
        let (mut effects, mut changes) = (Vec::new(), Vec::new());
        while let Some((at, _)) = self.driver.poll_timeout().filter(|(at, _)| *at <= end) {
            self.skip(at - self.now.mono);
            self.driver.handle_timeout(self.now);
            self.settle();
            effects.append(&mut self.effects);
            changes.append(&mut self.changes);
        }
        self.skip(end - self.now.mono);
        (self.effects, self.changes) = (effects, changes);
    }

    /// Time passes while the gateway is stopped.
    pub(super) fn skip(&mut self, span: Span) {
        let micros = (self.now.mono.0 % 1_000_000 + span.0) / 1_000_000;
        self.now.mono += span;
        self.now.wall = Wall(self.now.wall.0 + micros);
    }

    pub(super) fn submit_all(&mut self, specs: Vec<Spec>) -> Vec<Answer> {
        let new = |spec| NewJob {
            spec: Arc::new(spec),
            paused: false,
            delayed: false,
            done_before: None,
        };
        self.request(specs.into_iter().map(new).collect(), None, true)
    }

    pub(super) fn request(
        &mut self,
        jobs: Vec<NewJob>,
        key: Option<(&str, &str)>,
        all_or_none: bool,
    ) -> Vec<Answer> {
        let key = key.map(|(key, hash)| (key.to_owned(), hash.to_owned()));
        let submit = Submit { ticket: Ticket(1), who: "me".into(), key, jobs, all_or_none };
        self.driver.handle_submit(submit, self.now);
        self.settle();
        self.answers()
    }

    pub(super) fn submit(&mut self, spec: Spec) -> JobId {
        match self.submit_all(vec![spec])[..] {
            [Answer::Done { job, .. }] => job,
            ref other => panic!("{other:?}"),
        }
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        let answers = self.effects.iter().find_map(|effect| {
            if let Effect::Answer { answers, .. } = effect { Some(answers.clone()) } else { None }
        });
        answers.expect("a request is answered")
    }

    pub(super) fn beat(&mut self, runner: &str, slots: u32, held: &[AttemptKey]) {
        self.beat_as(runner, "1", slots, held);
    }

    pub(super) fn beat_as(&mut self, runner: &str, it: &str, slots: u32, held: &[AttemptKey]) {
        let (runner, incarnation) = (runner.into(), it.to_owned());
        let labels = self.labels.clone();
        let (link, held) = (self.link, held.to_vec());
        let is_broken = self.is_broken;
        let beat = Beat { runner, link, incarnation, slots, is_broken, labels, held };
        self.driver.handle_beat(beat, self.now);
        self.settle();
    }

    /// Beats of a runner that has these attempts, for a while.
    pub(super) fn beats_for(&mut self, seconds: u64, runner: &str, held: &[AttemptKey]) {
        for _ in 0..seconds / 5 {
            self.pass(Span::from_secs(5));
            self.beat(runner, 1, held);
        }
    }

    pub(super) fn report(&mut self, runner: &str, report: Report) {
        let reports = Reports { runner: runner.into(), link: self.link, reports: vec![report] };
        self.driver.handle_reports(reports, self.now);
        self.settle();
    }

    /// The attempt could not be started.
    pub(super) fn cannot_start(&mut self, runner: &str, key: AttemptKey) {
        let mut finish = finished(key, Reason::Unstartable);
        finish.started_at = None;
        finish.ending.detail = Some("there is no shell".into());
        self.report(runner, Report::Finished(Box::new(finish)));
    }

    pub(super) fn finish(&mut self, runner: &str, key: AttemptKey, reason: Reason) {
        self.report(runner, Report::Finished(Box::new(finished(key, reason))));
    }

    pub(super) fn start(&mut self, runner: &str, key: AttemptKey) {
        self.report(runner, Report::Started { key, at: self.now.wall });
    }

    pub(super) fn steer(&mut self, verb: Verb, job: JobId) -> Answer {
        let record = self.store.job(job).expect("the model reads");
        let finished = record.filter(|it| it.status.state.is_finished()).map(Box::new);
        self.steer_with(verb, SteerJob { id: job, finished })
    }

    pub(super) fn steer_with(&mut self, verb: Verb, job: SteerJob) -> Answer {
        let steer = Steer { ticket: Ticket(2), who: "operator".into(), verb, jobs: vec![job] };
        self.driver.handle_steer(steer, self.now);
        self.settle();
        self.answers().remove(0)
    }

    pub(super) fn status(&self, job: JobId) -> Status {
        self.store.job(job).expect("the model reads").expect("the job is there").status
    }

    pub(super) fn state(&self, job: JobId) -> JobState {
        self.status(job).state
    }

    /// The attempts that are to run, and where.
    pub(super) fn runs(&self) -> Vec<(String, AttemptKey)> {
        let runs = self.effects.iter().filter_map(|effect| {
            if let Effect::Run { runner, key, .. } = effect {
                Some((runner.to_string(), *key))
            } else {
                None
            }
        });
        runs.collect()
    }

    /// The one attempt that is to run.
    pub(super) fn run(&self) -> AttemptKey {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{:?}", self.effects);
        runs[0].1
    }

    /// What runners are told about attempts that they have.
    pub(super) fn settled(&self) -> Vec<(AttemptKey, bool)> {
        let settled = self.effects.iter().filter_map(|effect| {
            if let Effect::Settle { key, fenced, .. } = effect {
                Some((*key, *fenced))
            } else {
                None
            }
        });
        settled.collect()
    }

    pub(super) fn orders(&self) -> Vec<Order> {
        let orders = self.effects.iter().filter_map(|effect| {
            if let Effect::Steer { order, .. } = effect { Some(*order) } else { None }
        });
        orders.collect()
    }

    pub(super) fn events(&self) -> Vec<EventKind> {
        let kinds = self.changes.iter().filter_map(|change| {
            if let Change::Event { kind, .. } = change { Some(*kind) } else { None }
        });
        kinds.collect()
    }

    /// The gateway dies, and starts again from the store.
    pub(super) fn restart(&mut self) {
        let mut jobs = Vec::new();
        let term = self.store.begin(0).expect("the model begins");
        let loaded = self.store.load_unfinished(&mut |job| jobs.push(job)).expect("it loads");
        self.epoch = term.epoch;
        self.link += 1;
        self.driver = Driver::new(self.config.clone(), &term, loaded.next_job, 7);
        self.driver.restore_queues(self.store.queues().expect("the model reads"), self.now);
        let schedules = self.store.schedules(self.now.wall).expect("the model reads");
        self.driver.restore_schedules(schedules, self.now);
        for job in jobs {
            self.driver.restore(job, self.now);
        }
        self.driver.place_restored(self.now);
        self.settle();
    }
}

pub(super) fn finished(key: AttemptKey, reason: Reason) -> Finish {
    let failed = (reason == Reason::ExitStatus).then_some(75);
    let exit_status = if reason == Reason::Ok { Some(0) } else { failed };
    Finish {
        key,
        ending: Ending { reason, exit_status, signal: None, detail: None },
        started_at: Some(Wall(EPOCH)),
        ran: Span::from_millis(20),
        stopped: Span::ZERO,
        usage: Usage::default(),
        log: LogState::default(),
    }
}

pub(super) fn dedupe(scope: DedupeScope, then: Then) -> Option<Dedupe> {
    Some(Dedupe { scope, window: Some(Span::from_secs(60)), then })
}
