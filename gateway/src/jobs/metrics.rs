//! Figures of durable jobs.

use std::time::Duration;

use ostler_api::backend::Refusal;
use ostler_driver::Tally;
use ostler_job::{
    Span,
    durable::{JobState, Reason},
};
use ostler_machine::clock;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use super::Jobs;
use crate::metrics::{gauge, gauges};

const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0, 7200.0,
];
const COMMIT_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
const BATCHES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 512.0, 1024.0];

/// The ways in which jobs end. They are there from the beginning, so that an alert sees the first of each.
const ENDS: [(JobState, Reason); 10] = [
    (JobState::Succeeded, Reason::Ok),
    (JobState::Dead, Reason::ExitStatus),
    (JobState::Dead, Reason::Signal),
    (JobState::Dead, Reason::Timeout),
    (JobState::Dead, Reason::Unstartable),
    (JobState::Dead, Reason::Lost),
    (JobState::Dead, Reason::Quarantined),
    (JobState::Cancelled, Reason::Killed),
    (JobState::Cancelled, Reason::Cancelled),
    (JobState::Expired, Reason::Expired),
];

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct JobMetrics {
    submitted: IntCounter,
    leased: IntCounter,
    finished: IntCounterVec,
    retried: IntCounter,
    lost: IntCounter,
    fenced: IntCounter,
    pub(super) failures: IntCounter,
    log_bytes: IntCounter,
    refused: IntCounterVec,
    full: IntCounterVec,
    queue: Histogram,
    run: HistogramVec,
    late: Histogram,
    batch: Histogram,
    commit: Histogram,
}

impl JobMetrics {
    /// A request of the API was refused.
    pub(super) fn refused(&self, why: Refusal) {
        self.refused.with_label_values(&[why.name()]).inc();
    }

    /// A payload was refused, or logs of a tenant stay where they are, for want of room.
    pub(crate) fn full(&self, what: &str) {
        self.full.with_label_values(&[what]).inc();
    }

    pub(crate) fn new(registry: &Registry) -> Self {
        let counter = |name, help| {
            let made = IntCounter::new(name, help).expect("constant names are valid");
            register(registry, made)
        };
        let histogram = |name, help, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(registry, Histogram::with_opts(opts).expect("constant names are valid"))
        };
        let run = HistogramOpts::new("ostler_durable_run_seconds", "Time that attempts ran.");
        let run = HistogramVec::new(run.buckets(SECONDS.to_vec()), &["outcome"]);
        let opts = Opts::new("ostler_durable_finished_total", "Durable jobs that ended.");
        let finished =
            IntCounterVec::new(opts, &["state", "reason"]).expect("constant names are valid");
        for (state, reason) in ENDS {
            finished.with_label_values(&[state.code(), reason.code()]);
        }
        let run = register(registry, run.expect("constant names are valid"));
        for outcome in ["succeeded", "failed"] {
            run.with_label_values(&[outcome]);
        }
        Self {
            submitted: counter("ostler_durable_submitted_total", "Durable jobs that were taken."),
            leased: counter("ostler_durable_leased_total", "Attempts that were given to runners."),
            finished: register(registry, finished),
            retried: counter(
                "ostler_durable_retried_total",
                "Failed attempts that another will follow.",
            ),
            lost: counter("ostler_durable_lost_total", "Attempts whose runner was lost."),
            fenced: counter(
                "ostler_durable_fenced_total",
                "Reports of attempts that had lost their lease.",
            ),
            failures: counter("ostler_store_failures_total", "Commits that failed."),
            refused: refused(registry),
            full: full(registry),
            log_bytes: counter("ostler_durable_log_bytes_total", "Bytes that jobs wrote."),
            queue: histogram(
                "ostler_durable_queue_seconds",
                "Time from when a job could have run to its lease.",
                SECONDS,
            ),
            run,
            late: histogram(
                "ostler_durable_start_lateness_seconds",
                "How long after the end of its promise's window a job was leased; 0 when in time.",
                SECONDS,
            ),
            batch: histogram(
                "ostler_store_commit_changes",
                "Changes written by one commit.",
                BATCHES,
            ),
            commit: histogram(
                "ostler_store_commit_seconds",
                "Time of one commit, the wait for the disk included.",
                COMMIT_SECONDS,
            ),
        }
    }

    pub(super) fn committed(&self, changes: usize, took: Duration) {
        self.batch.observe(changes as f64);
        self.commit.observe(took.as_secs_f64());
    }

    pub(super) fn settled(&self, fenced: bool) {
        if fenced {
            self.fenced.inc();
        }
    }

    /// Counts what was committed.
    pub(super) fn add(&self, tally: &Tally) {
        self.submitted.inc_by(tally.submitted);
        self.retried.inc_by(tally.retried);
        self.lost.inc_by(tally.lost);
        self.log_bytes.inc_by(tally.log_bytes);
        for (state, reason) in &tally.finished {
            let reason = reason.map_or("", Reason::code);
            self.finished.with_label_values(&[state.code(), reason]).inc();
        }
        for (succeeded, ran) in &tally.ran {
            let outcome = if *succeeded { "succeeded" } else { "failed" };
            self.run.with_label_values(&[outcome]).observe(ran.as_secs_f64());
        }
    }

    /// A job was given to a runner after this wait.
    pub(super) fn leased(&self, waited: Span, late: Span) {
        self.leased.inc();
        self.queue.observe(waited.as_secs_f64());
        self.late.observe(late.as_secs_f64());
    }
}

/// What is read when somebody asks.
pub(crate) fn read(registry: &Registry, jobs: &Jobs) {
    let figures = jobs.figures();
    let states = gauges(
        registry,
        "ostler_durable_jobs",
        "Durable jobs that are not finished, by state.",
        &["state"],
    );
    for (state, count) in JobState::ALL.iter().zip(&figures.states) {
        if !state.is_finished() {
            states.with_label_values(&[state.code()]).set(*count as f64);
        }
    }
    let age = figures.oldest_runnable.map_or(0.0, |at| at.passed(clock::now()).as_secs_f64());
    let help = "How long the durable job that has waited longest could have run.";
    gauge(registry, "ostler_durable_oldest_runnable_seconds", help, age);
    let slots = gauges(registry, "ostler_durable_slots", "Slots for durable jobs.", &["state"]);
    slots.with_label_values(&["busy"]).set(f64::from(figures.slots.1));
    slots
        .with_label_values(&["free"])
        .set(f64::from(figures.slots.0.saturating_sub(figures.slots.1)));
    gauge(registry, "ostler_store_bytes", "Bytes of the store.", jobs.store.size() as f64);
    let help = "Bytes of logs and payloads beside the store.";
    gauge(registry, "ostler_store_file_bytes", help, jobs.files.size() as f64);
    let help = "Bytes of logs and payloads of the tenant that has most.";
    gauge(registry, "ostler_store_tenant_file_bytes_max", help, jobs.files.most() as f64);
    let accepting = if jobs.trouble().is_none() { 1.0 } else { 0.0 };
    gauge(registry, "ostler_store_accepting", "1 while durable jobs are accepted.", accepting);
}

/// Requests of the API that were refused for want of a right.
fn refused(registry: &Registry) -> IntCounterVec {
    let help = "Requests of the API without a token that allows them.";
    let made = IntCounterVec::new(Opts::new("ostler_api_refused_total", help), &["reason"]);
    let made = made.expect("constant names are valid");
    for why in [Refusal::NoToken, Refusal::BadToken, Refusal::Scope] {
        made.with_label_values(&[why.name()]);
    }
    register(registry, made)
}

/// Files that found no room.
fn full(registry: &Registry) -> IntCounterVec {
    let help = "Payloads that were refused, and times that logs of a tenant stayed on their runners, for want of room.";
    let made = IntCounterVec::new(Opts::new("ostler_store_files_full_total", help), &["what"]);
    let made = made.expect("constant names are valid");
    for what in ["log", "payload"] {
        made.with_label_values(&[what]);
    }
    register(registry, made)
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry.register(Box::new(made.clone())).expect("every metric is registered once");
    made
}
