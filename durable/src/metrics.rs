//! Figures of durable jobs.

use std::time::Duration;

use ostler_api::backend::Refusal;
use ostler_driver::Tally;
use ostler_job::{
    Span,
    durable::{JobState, Reason},
};
use ostler_machine::clock;
use ostler_metrics::catalogue;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

use super::{Jobs, schedule_metrics::ScheduleMetrics};

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
pub struct JobMetrics {
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
    schedules: ScheduleMetrics,
}

impl JobMetrics {
    /// A request of the API was refused.
    pub(super) fn refused(&self, why: Refusal) {
        self.refused.with_label_values(&[why.name()]).inc();
    }

    /// A payload was refused, or logs of a tenant stay where they are, for want of room.
    pub fn full(&self, what: &str) {
        self.full.with_label_values(&[what]).inc();
    }

    pub fn new(registry: &Registry) -> Self {
        let finished = catalogue::FINISHED.counters(registry);
        for (state, reason) in ENDS {
            finished.with_label_values(&[state.code(), reason.code()]);
        }
        Self {
            submitted: catalogue::SUBMITTED.counter(registry),
            leased: catalogue::LEASED.counter(registry),
            finished,
            retried: catalogue::RETRIED.counter(registry),
            lost: catalogue::LOST.counter(registry),
            fenced: catalogue::FENCED.counter(registry),
            failures: catalogue::COMMIT_FAILURES.counter(registry),
            refused: catalogue::API_REFUSED.counters(registry),
            full: catalogue::FILES_FULL.counters(registry),
            log_bytes: catalogue::LOG_BYTES.counter(registry),
            queue: catalogue::DURABLE_QUEUE.histogram(registry),
            run: catalogue::DURABLE_RUN.histograms(registry),
            late: catalogue::LATENESS.histogram(registry),
            batch: catalogue::COMMIT_CHANGES.histogram(registry),
            commit: catalogue::COMMIT_TIME.histogram(registry),
            schedules: ScheduleMetrics::new(registry),
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
        self.schedules.add(&tally.schedules);
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

    /// A schedule has fired, so late.
    pub(super) fn fired(&self, late: Span) {
        self.schedules.fired(late);
    }
}

/// What is read when somebody asks.
pub fn read(registry: &Registry, jobs: &Jobs) {
    let figures = jobs.figures();
    let states = catalogue::DURABLE_JOBS.gauges(registry);
    for (state, count) in JobState::ALL.iter().zip(&figures.states) {
        if !state.is_finished() {
            states.with_label_values(&[state.code()]).set(*count as f64);
        }
    }
    let (waiting, running) =
        (catalogue::QUEUE_WAITING.gauges(registry), catalogue::QUEUE_RUNNING.gauges(registry));
    for (queue, places) in &figures.queues {
        waiting.with_label_values(&[queue.name.as_str()]).set(places.waiting as f64);
        running.with_label_values(&[queue.name.as_str()]).set(places.running as f64);
    }
    let age = figures.oldest_runnable.map_or(0.0, |at| at.passed(clock::now()).as_secs_f64());
    catalogue::OLDEST_RUNNABLE.record(registry, age);
    let slots = catalogue::SLOTS.gauges(registry);
    let (all, busy) = figures.slots;
    slots.with_label_values(&["busy"]).set(f64::from(busy));
    slots.with_label_values(&["free"]).set(f64::from(all.saturating_sub(busy)));
    let drained = catalogue::DRAINED.gauges(registry);
    for runner in jobs.runners() {
        let Some(it) = runner.drained else { continue };
        let why = if it.broken.is_some() { "broken" } else { "operator" };
        drained.with_label_values(&[&*runner.name, why]).set(1.0);
    }
    jobs.metrics.schedules.read(registry, &figures.schedules);
    catalogue::STORE_BYTES.record(registry, jobs.store.size() as f64);
    catalogue::FILE_BYTES.record(registry, jobs.files.size() as f64);
    catalogue::TENANT_FILE_BYTES.record(registry, jobs.files.most() as f64);
    let accepting = if jobs.trouble().is_none() { 1.0 } else { 0.0 };
    catalogue::ACCEPTING.record(registry, accepting);
}
