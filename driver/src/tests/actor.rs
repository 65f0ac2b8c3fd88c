//! Batches under way, and a store that fails while they are: what was told is not lost, and nothing is done that is not safe.

use ostler_job::durable::Unfinished;
use ostler_store::{Fault, StoreError};

use super::*;
use crate::{Actor, ActorInput, Output, load};

/// An actor with its store, and what it did.
struct Desk {
    actor: Actor,
    store: Memory,
    now: Now,
    effects: Vec<Effect>,
    refused: Vec<Ticket>,
    /// Jobs that were killed before anything of it was written.
    killed: Vec<JobId>,
    /// The room that was asked for last.
    room: u64,
}

impl Desk {
    /// With a runner of so many slots.
    fn new(slots: u32) -> Self {
        let Bench { driver, store, now, .. } = Bench::new();
        let term = store.begin(0).expect("the model begins");
        let actor = Actor::new(driver, &term);
        let (effects, refused, killed) = (Vec::new(), Vec::new(), Vec::new());
        let mut desk = Self { actor, store, now, effects, refused, killed, room: 0 };
        desk.hear(ActorInput::LinkUp("a".into(), 1));
        desk.beat(1, slots);
        desk.settle();
        desk
    }

    fn hear(&mut self, told: ActorInput) {
        self.actor.hear(told, self.now);
    }

    fn beat(&mut self, link: u64, slots: u32) {
        let (runner, incarnation) = ("a".into(), "1".to_owned());
        let (labels, held) = (Arc::default(), Vec::new());
        self.hear(ActorInput::Beat(Beat {
            runner,
            link,
            incarnation,
            slots,
            is_broken: false,
            labels,
            held,
        }));
    }

    fn ask(&mut self, ticket: u64) {
        let new =
            NewJob { spec: Arc::new(spec()), paused: false, delayed: false, done_before: None };
        let (ticket, who) = (Ticket(ticket), "me".to_owned());
        let submit = Submit { ticket, who, key: None, jobs: vec![new], all_or_none: true };
        self.hear(ActorInput::Submit(submit));
    }

    fn finish(&mut self, link: u64, key: AttemptKey) {
        let reports = vec![Report::Finished(Box::new(finished(key, Reason::Ok)))];
        self.hear(ActorInput::Reports(Reports { runner: "a".into(), link, reports }));
    }

    fn kill(&mut self, job: JobId) {
        let (who, jobs) = ("operator".to_owned(), vec![SteerJob { id: job, finished: None }]);
        self.hear(ActorInput::Steer(Steer { ticket: Ticket(9), who, verb: Verb::Kill, jobs }));
    }

    fn poll(&mut self) -> Vec<Output> {
        self.actor.check_invariants();
        self.actor.go_on(self.now);
        std::iter::from_fn(|| self.actor.poll_output()).collect()
    }

    /// What is to be written now; it stays under way.
    fn under_way(&mut self) -> Option<(Epoch, Vec<Change>)> {
        let mut commit = None;
        for output in self.poll() {
            if let Output::Commit { epoch, changes } = output {
                commit = Some((epoch, changes));
            } else {
                self.act(output);
            }
        }
        commit
    }

    fn write(&mut self, (epoch, changes): (Epoch, Vec<Change>)) {
        let applied = self.store.commit(epoch, &changes).expect("the model takes every batch");
        self.actor.committed(Ok(applied), self.now);
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Commit { epoch, changes } => self.write((epoch, changes)),
            Output::Carry(batch) => self.effects.extend(batch.effects),
            Output::Refuse(ticket) => self.refused.push(ticket),
            Output::Kill(steer) => self.killed.extend(steer.jobs.iter().map(|job| job.id)),
            Output::Load { room } => {
                self.room = room;
                let term = self.store.begin(room).expect("the model begins");
                let read = |each: &mut dyn FnMut(Unfinished)| self.store.load_unfinished(each);
                let config = DriverConfig::default();
                let (driver, _) = load(&config, &term, (1, 7), Default::default(), read, self.now)
                    .expect("it loads");
                self.actor.loaded(Ok((driver, term)), self.now);
            }
            Output::RefuseAll | Output::Trouble(_) => {}
        }
    }

    /// Everything is done that is to be done now.
    fn settle(&mut self) {
        loop {
            let outputs = self.poll();
            if outputs.is_empty() {
                return;
            }
            outputs.into_iter().for_each(|output| self.act(output));
        }
    }

    /// Time passes while a batch is under way.
    fn pass(&mut self, span: Span) {
        let end = self.now.mono + span;
        while let Some(at) = self.actor.poll_timeout().filter(|at| *at <= end) {
            self.now.mono = at;
            self.actor.go_on(self.now);
        }
        self.now.mono = end;
    }

    /// What is under way fails.
    fn fail(&mut self) {
        self.actor.committed(Err(StoreError::new(Fault::Full, "jobs.db")), self.now);
        self.actor.poll_timeout().expect("it is looked at again");
        self.settle();
    }

    /// The store takes changes again.
    fn heal(&mut self) {
        self.now.mono = self.actor.poll_timeout().expect("it is looked at again");
        self.settle();
        assert!(!self.actor.has_failed());
    }

    /// Attempts that a runner was given and has begun.
    fn running(slots: u32) -> (Self, Vec<AttemptKey>) {
        let mut desk = Self::new(slots);
        (0..slots).for_each(|ticket| desk.ask(ticket.into()));
        desk.settle();
        let keys = desk.runs();
        for key in &keys {
            let reports = vec![Report::Started { key: *key, at: desk.now.wall }];
            desk.hear(ActorInput::Sent(1, vec![*key]));
            desk.hear(ActorInput::Reports(Reports { runner: "a".into(), link: 1, reports }));
        }
        desk.settle();
        desk.effects.clear();
        (desk, keys)
    }

    fn runs(&self) -> Vec<AttemptKey> {
        let run = |effect: &Effect| {
            if let Effect::Run { key, .. } = effect { Some(*key) } else { None }
        };
        self.effects.iter().filter_map(run).collect()
    }

    fn answered(&self) -> Vec<u64> {
        let answer = |effect: &Effect| {
            if let Effect::Answer { ticket, .. } = effect { Some(ticket.0) } else { None }
        };
        self.effects.iter().filter_map(answer).collect()
    }

    fn status(&self, job: JobId) -> Status {
        self.store.job(job).expect("the model reads").expect("the job is there").status
    }
}

#[test]
fn reports_count_that_came_before_while_and_after_a_commit_failed() {
    let (mut desk, keys) = Desk::running(3);
    desk.finish(1, keys[0]);
    desk.under_way().expect("an end is written");
    desk.finish(1, keys[1]);
    desk.fail();
    desk.finish(1, keys[2]);
    desk.settle();
    let states =
        |desk: &Desk| keys.iter().map(|key| desk.status(key.job).state).collect::<Vec<_>>();
    assert_eq!(states(&desk), [JobState::Running; 3]);
    assert!(desk.effects.is_empty(), "{:?}", desk.effects);
    desk.heal();
    assert_eq!(states(&desk), [JobState::Succeeded; 3], "no runner says it twice on one link");
    let settled = desk.effects.iter().filter(|it| matches!(it, Effect::Settle { .. })).count();
    assert_eq!(settled, 3);
}

#[test]
fn kill_orders_go_out_though_the_store_fails_and_are_written_when_it_does_not() {
    let (mut desk, keys) = Desk::running(3);
    let jobs: Vec<JobId> = keys.iter().map(|key| key.job).collect();
    desk.kill(jobs[0]);
    desk.under_way().expect("an order is written");
    desk.kill(jobs[1]);
    assert!(desk.killed.is_empty());
    desk.fail();
    desk.kill(jobs[2]);
    desk.settle();
    assert_eq!(desk.killed, jobs, "what fills the disk may be what is to be killed");
    assert!(desk.refused.is_empty() && !jobs.iter().any(|job| desk.status(*job).kill));
    desk.heal();
    assert!(jobs.iter().all(|job| desk.status(*job).kill));
}

#[test]
fn of_what_was_decided_and_not_written_nothing_is_written_or_answered() {
    let mut desk = Desk::new(1);
    desk.ask(1);
    desk.under_way().expect("a job is written");
    desk.ask(2);
    desk.fail();
    desk.ask(3);
    desk.heal();
    assert_eq!((desk.answered(), &desk.refused[..]), (vec![], &[Ticket(3)][..]));
    desk.ask(4);
    desk.settle();
    let mut jobs = 0;
    desk.store.load_unfinished(&mut |_| jobs += 1).expect("the model loads");
    assert_eq!((desk.answered(), jobs), (vec![4], 1));
}

#[test]
fn one_batch_is_under_way_at_a_time_and_the_end_waits_for_it() {
    let mut desk = Desk::new(0);
    desk.ask(1);
    let first = desk.under_way().expect("a job is written");
    desk.ask(2);
    assert!(desk.under_way().is_none() && desk.answered().is_empty());
    // Somebody doubts the store: what is under way will tell.
    desk.actor.doubt(StoreError::new(Fault::Io, "jobs.db"), desk.now);
    assert!(!desk.actor.has_failed());
    desk.hear(ActorInput::Stop);
    assert!(!desk.actor.is_over());
    desk.ask(3);
    desk.write(first);
    assert!(desk.actor.is_over());
    let second = desk.under_way().expect("what was gathered meanwhile");
    assert!(!desk.actor.is_over());
    assert_eq!((desk.answered(), &desk.refused[..]), (vec![1], &[Ticket(3)][..]));
    desk.write(second);
    desk.settle();
    assert_eq!(desk.answered(), [1, 2]);
}

#[test]
fn a_lease_that_was_given_up_while_it_was_written_is_given_to_nobody() {
    let mut desk = Desk::new(1);
    desk.ask(1);
    let batch = desk.under_way().expect("a lease is written");
    desk.hear(ActorInput::LinkUp("b".into(), 2));
    for _ in 0..4 {
        desk.pass(Span::from_secs(5));
        let (runner, incarnation) = ("b".into(), "1".to_owned());
        let beat = Beat {
            runner,
            link: 2,
            incarnation,
            slots: 1,
            is_broken: false,
            labels: Default::default(),
            held: Vec::new(),
        };
        desk.hear(ActorInput::Beat(beat));
    }
    desk.write(batch);
    desk.settle();
    let runs = desk.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(desk.status(runs[0].job).runner.as_deref(), Some("b"));
}

#[test]
fn what_comes_of_an_older_link_ends_nothing() {
    let (mut desk, keys) = Desk::running(1);
    desk.hear(ActorInput::LinkUp("a".into(), 2));
    desk.finish(1, keys[0]);
    desk.settle();
    assert_eq!(desk.status(keys[0].job).state, JobState::Running);
    desk.finish(2, keys[0]);
    desk.settle();
    assert_eq!(desk.status(keys[0].job).state, JobState::Succeeded);
}

#[test]
fn a_gateway_that_is_about_to_end_gives_nothing_out_after_its_store_was_read_anew() {
    let mut desk = Desk::new(1);
    desk.hear(ActorInput::Rest { ticket: Ticket(1) });
    desk.settle();
    desk.actor.doubt(StoreError::new(Fault::Io, "jobs.db"), desk.now);
    desk.actor.doubt(StoreError::new(Fault::Corrupt, "jobs.db"), desk.now);
    desk.heal();
    desk.beat(1, 1);
    assert_eq!(desk.actor.figures(desk.now).slots.0, 0);
}

#[test]
fn a_gateway_may_end_while_its_store_fails() {
    let mut desk = Desk::new(1);
    desk.actor.doubt(StoreError::new(Fault::Io, "jobs.db"), desk.now);
    desk.hear(ActorInput::Stop);
    assert!(desk.actor.is_over());
}

#[test]
fn a_store_that_was_full_is_read_when_it_takes_twice_what_it_did_not() {
    let mut desk = Desk::new(0);
    desk.ask(0);
    desk.under_way().expect("a job is written");
    desk.fail();
    desk.heal();
    assert_eq!(desk.room, 256 << 10, "however little it was");
    let mut ticket = 1;
    while desk.actor.next.bytes < 1 << 20 {
        desk.ask(ticket);
        ticket += 1;
    }
    let bytes = desk.actor.next.bytes;
    desk.under_way().expect("jobs are written");
    desk.fail();
    desk.heal();
    assert_eq!(desk.room, 2 * bytes);
}
