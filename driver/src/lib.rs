//! The job driver: every durable job's way, decided. *Commit, then act.*
//!
//! One owner tells it what happened (`handle_*`), then drains [`Driver::poll_action`]: of each [`Action`] it commits the
//! changes and, when they are safe, carries out the effects. Actions are committed in order, those without changes too:
//! an answer may lean on what the action before it wrote.
//!
//! It deliberately lacks a clock, threads, files, sockets and a store: it is a crate of its own so that its manifest proves
//! it, and so that the simulation drives it through crashes and partitions without any. It holds what decisions need; what a job runs stays in the store.
//!
//! The way of a job, and where each step is:
//!
//! ```text
//! submit ──▶ take ─────▶ wait ──────────▶ place ──▶ grant ──▶ report ──▶ settle
//! submit.rs  submit.rs   here: scheduled, here:     here:     report.rs  here: end (succeeded, dead, cancelled, expired)
//! dedupe.rs              pending, paused  the       a lease,          or here: retry
//! restore.rs             timer.rs         scheduler then Run          or returns.rs: return_, lose
//! ```
//! `beat.rs` keeps and loses leases, `late.rs` takes up what comes back after its own, `steer.rs` is what operators do to jobs and
//! `queues.rs` what they do to queues, `schedules/` submits what fires by itself, `outbox.rs`
//! turns what an event changed into an action.
#![allow(missing_docs, reason = "public for the simulation only")]

mod actor;
mod actor_input;
mod actor_view;
mod attach;
mod batch;
mod beat;
mod broken;
mod caps;
mod claims;
mod closing;
mod config;
mod counts;
mod dedupe;
mod edit;
mod estimate;
mod event;
mod figures;
mod invariants;
mod jobs;
mod late;
mod leave;
mod links;
mod moments;
mod names;
mod outbox;
mod queue_event;
mod queue_tree;
mod queues;
mod reasons;
mod recent;
mod relocate;
mod report;
mod restore;
mod returns;
mod room;
mod runners;
mod schedule_event;
mod schedules;
mod selectors;
mod steer;
mod submit;
#[cfg(test)]
mod tests;
mod ticket;
mod timer;
mod unsettled;
mod unwritten;
mod why;

use std::collections::{BTreeMap, VecDeque};

use ostler_job::durable::EventKind;
use ostler_job::{
    JobId, Mono, Now, Promise, Span, SupplierId,
    durable::{AttemptKey, Fence, Held, JobState, QueueName, Reason, Term},
};
use ostler_scheduler::{Action as Placed, Arrival, Config, Scheduler};
use serde_json::json;

pub use actor::Actor;
pub use actor_input::{ActorInput, Output};
pub use batch::{Batch, ScheduleCount, Tally};
pub use config::DriverConfig;
pub use event::{
    Action, Answer, Beat, EditRefusal, Effect, Figures, NewJob, Offer, QueueLook, QueueOrder,
    Reports, RunnerName, Steer, SteerJob, Submit, Verb,
};
use jobs::{JobTable, Run};
use names::Names;
use outbox::Outbox;
pub use queue_event::{Attachment, Met, Places, QueueRefusal, QueueVerb, QueueView};
use queues::Queues;
use recent::Recent;
pub use restore::load;
pub use returns::GIVEN_UP;
use runners::Runners;
pub use schedule_event::{
    ScheduleFigure, ScheduleFigures, ScheduleLook, ScheduleOrder, ScheduleRefusal, ScheduleVerb,
    ScheduleView,
};
pub use ticket::Ticket;
use timer::Timers;
pub use why::{Absence, Blocker, Explained, Level, Place, Standing, Wanted, Why};

/// Jobs that are over of which the last fence is remembered, at least.
const GONE: usize = 65_536;
/// Jobs that may not start again and whose runner was lost, of which all is remembered, at least.
const GIVEN_UP_MAX: usize = 4096;
/// Idempotency keys that are remembered here, at least, unless they are old.
const KEYS: usize = 65_536;

/// Every unfinished durable job, and who runs what.
pub struct Driver {
    config: DriverConfig,
    /// Fences that are the term's and were not given yet.
    fences: std::ops::Range<u64>,
    /// The number of the last link of any runner before this memory was loaded.
    links_before: u64,
    /// See [`Term::doubted`].
    doubted: u64,
    resting: bool,
    next_job: JobId,
    seed: u64,
    jobs: JobTable,
    runners: Runners,
    queues: Queues,
    attached: attach::Attachments,
    schedules: schedules::Schedules,
    /// Orders to queues that are not answered yet.
    closings: Vec<closing::Closing>,
    capped: caps::Capped,
    tenants: Names,
    hosts: Names,
    resources: claims::ResourceNames,
    /// Restored jobs that wait until it is known who has what they need.
    unplaced: Vec<(JobId, JobState)>,
    scheduler: Scheduler,
    timers: Timers,
    /// By whom jobs are paused or stopped that are so.
    pauses: BTreeMap<JobId, Held>,
    estimates: estimate::Estimates,
    keys: Recent<String, (String, Vec<JobId>)>,
    /// The last success of each work, and when it was.
    succeeded: Recent<u64, (JobId, Mono)>,
    /// Last fences of jobs that are over; `None`: the job was deleted.
    gone: Recent<JobId, Option<Fence>>,
    /// Jobs that a runner may still speak for.
    given_up: Recent<JobId, late::GivenUp>,
    /// The queues of jobs that end although those were deleted meanwhile.
    queues_gone: BTreeMap<JobId, QueueName>,
    outbox: Outbox,
    actions: VecDeque<Action>,
    counters: figures::Counters,
    #[cfg(debug_assertions)]
    unchecked: usize,
}

impl Driver {
    /// A driver without jobs. The term and `next_job` are the store's; the seed spreads retries.
    pub fn new(config: DriverConfig, term: &Term, next_job: JobId, seed: u64) -> Self {
        // Admission is the driver's: a job that is safe in the store cannot be refused.
        let scheduling =
            Config { waiting_max: u32::MAX, tenant_waiting_max: u32::MAX, ..Config::default() };
        Self {
            config,
            fences: term.fences.clone(),
            links_before: 0,
            doubted: term.doubted,
            resting: false,
            next_job,
            seed,
            jobs: JobTable::new(seed),
            runners: Runners::default(),
            queues: Queues::default(),
            attached: attach::Attachments::default(),
            schedules: schedules::Schedules::default(),
            closings: Vec::new(),
            capped: caps::Capped::new(),
            tenants: Names::default(),
            hosts: Names::default(),
            resources: claims::ResourceNames::default(),
            unplaced: Vec::new(),
            scheduler: Scheduler::new(scheduling),
            timers: Timers::default(),
            pauses: BTreeMap::new(),
            estimates: estimate::Estimates::new(),
            keys: Recent::new(KEYS),
            succeeded: Recent::new(GONE),
            gone: Recent::new(GONE),
            given_up: Recent::new(GIVEN_UP_MAX),
            queues_gone: BTreeMap::new(),
            outbox: Outbox::default(),
            actions: VecDeque::new(),
            counters: figures::Counters::default(),
            #[cfg(debug_assertions)]
            unchecked: 0,
        }
    }

    /// Somebody wants jobs done.
    pub fn handle_submit(&mut self, submit: Submit, now: Now) {
        self.hear(now);
        self.submit(submit, now);
        self.done(now);
    }

    /// An operator wants something of jobs.
    pub fn handle_steer(&mut self, steer: Steer, now: Now) {
        self.hear(now);
        self.steer(steer, now);
        self.done(now);
    }

    /// A runner lives, and says what it has.
    pub fn handle_beat(&mut self, beat: Beat, now: Now) {
        self.hear(now);
        self.beat(beat, now);
        self.done(now);
    }

    /// These attempts were put on this link to their runner: from now on it may have them.
    pub fn handle_sent(&mut self, link: u64, keys: &[AttemptKey], now: Now) {
        self.hear(now);
        for key in keys {
            self.sent(link, *key, now);
        }
        self.done(now);
    }

    /// A runner tells about its attempts.
    pub fn handle_reports(&mut self, reports: Reports, now: Now) {
        self.hear(now);
        self.reports(reports, now);
        self.done(now);
    }

    /// The link to a runner is gone: it gets nothing new; its leases run on.
    pub fn handle_link_down(&mut self, runner: &RunnerName, now: Now) {
        self.hear(now);
        self.link_down(runner, now);
        self.done(now);
    }

    /// An operator changed what a runner may take; one that was never heard, too.
    pub fn handle_offer(&mut self, offer: &Offer, now: Now) {
        self.hear(now);
        self.offered(offer, now);
        self.done(now);
    }

    /// The moment of [`Driver::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.hear(now);
        self.run_due(now);
        self.done(now);
    }

    /// What to commit and then do; to be drained to `None` after every event.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn done(&mut self, now: Now) {
        self.look_at_finished(now);
        if !self.closings.is_empty() {
            self.answer_closings(now);
        }
        self.flush(now);
        self.mutated();
    }

    /// A job begins to wait, or goes on to after an attempt: until its time, or in the queue.
    fn wait(&mut self, id: JobId, now: Now) {
        let job = &self.jobs[id];
        let until = job.due;
        if until <= now.wall {
            self.queue(id, now);
        } else if job.run.is_none() {
            // Never for longer than from the beginning, whatever the clock said then.
            let whole = until.since(job.submitted_at);
            let at = now.wall.after(whole.min(until.since(now.wall)));
            self.shift(id, JobState::Scheduled);
            self.timers.schedule(id, self.timers.date(at, now));
        } else {
            // A clock that was set back meanwhile makes the wait no longer than it may have been from the beginning.
            let whole = match job.failures {
                0 => returns::RETURN_WAIT.1,
                failures => ostler_scheduler::retry::delay_max(&job.policy.retry, failures),
            };
            let wait = until.since(now.wall).min(whole);
            self.wait_for_retry(id, now.mono + wait, now);
        }
    }

    /// The job may run as soon as a slot is free.
    fn queue(&mut self, id: JobId, now: Now) {
        if self.stays_paused(id) {
            return;
        }
        self.pend(id);
        let arrival = Some(self.arrival(id, now));
        let submit = self.scheduled(id, now);
        let claims = self.jobs[id].claims.as_ref().map_or(&[][..], |claims| &claims.list);
        self.scheduler.handle_submit_again(submit, claims, arrival, now.mono);
        self.place(now);
    }

    /// The job waits for a slot from here on.
    fn pend(&mut self, id: JobId) {
        self.shift(id, JobState::Pending);
        if let Some(run) = &mut self.jobs[id].run {
            run.finished_at = None;
        }
    }

    /// Where the job stands: in the order of ids, as in the lines of resources, whatever it waited for before and whatever restarts.
    fn arrival(&self, id: JobId, now: Now) -> Arrival {
        let waited = self.runnable(&self.jobs[id], now);
        Arrival { place: id.0, since: Mono(now.mono.0.saturating_sub(waited.0)) }
    }

    /// Does what the scheduler decided.
    fn place(&mut self, now: Now) {
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Placed::Grant { job, supplier, .. } => self.grant(job, supplier, now),
                Placed::Refuse { .. } | Placed::Expire { .. } => {
                    unreachable!("the queue has no bound and its jobs no deadline")
                }
            }
        }
    }

    /// A slot is the job's: it gets a lease, and once that is safe, its runner gets it.
    fn grant(&mut self, id: JobId, SupplierId(runner): SupplierId, now: Now) {
        self.touch(id);
        let fence = self.next_fence();
        let name = self.hosts.name(runner).clone();
        self.hosts.hold(&name);
        let it = self.runners.insert(runner);
        it.leased.insert(id);
        let incarnation = it.incarnation.as_deref().map(beat::hash);
        let waited = self.runnable(&self.jobs[id], now);
        let job = &mut self.jobs[id];
        let window = job.policy.within.unwrap_or(Promise::SOMETIME);
        let old = job.run.take();
        job.run = Some(Box::new(Run {
            runner,
            leased_at: now.wall,
            sent: None,
            incarnation,
            started_at: None,
            seen: false,
            lost: false,
            kill: None,
            stop: false,
            to: None,
            retry_at: Mono(0),
            returns: old.as_ref().map_or(0, |it| it.returns),
            finished_at: None,
            exit_status: old.as_ref().and_then(|it| it.exit_status),
            signal: old.as_ref().and_then(|it| it.signal),
        }));
        job.attempts += 1;
        job.fence = fence;
        let key = job.key(id);
        self.shift(id, JobState::Leased);
        if let Some(old) = old {
            self.hosts.release(old.runner, |_| false);
        }
        let late = Span(waited.0.saturating_sub(window.0));
        self.outbox.effect(Effect::Run { runner: name, key, waited, late });
        self.tried(runner, now);
    }

    /// The job is over.
    fn end(&mut self, id: JobId, state: JobState, reason: Reason, now: Now) {
        self.shift(id, state);
        let job = &mut self.jobs[id];
        job.reason = Some(reason);
        self.pauses.remove(&id);
        self.timers.unexpire(id, job.expires);
        self.counters.finished[state as usize] += 1;
        self.drop_claims(id, now);
        self.firing_over(id, (state, reason), now);
        let detail = json!({ "state": state, "reason": reason });
        self.outbox.event((now.wall, EventKind::Finished), Some(id), None, &detail);
    }

    /// The job is in another state from here on.
    fn shift(&mut self, id: JobId, to: JobState) {
        self.touch(id);
        self.jobs.shift(id, to);
    }
}
