//! Jobs as the API shows them.

use std::collections::BTreeMap;

use ostler_job::{
    Span, Wall,
    durable::{
        Attempt, Command, Edited, Futile, Held, Job, JobState, Reason, ResourceMode, Retry, Status,
    },
};
use ostler_machine::clock;
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use super::{
    auth::Caller,
    parse::words::{
        DedupeScopeName, DeliveryName, JobReason, OnRetryName, ReasonCode, ResourceModeName, State,
        TerminateName, ThenName,
    },
    reasons::Told,
};
pub(crate) use crate::retry_view::RetryView;

/// A moment, RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp(pub(crate) Wall);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::show(self.0))
    }
}

impl PartialSchema for Stamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Stamp {}

/// The present, for records.
pub(crate) fn now() -> Wall {
    Wall(u64::try_from(clock::wall().as_millis()).unwrap_or(u64::MAX))
}

/// Who holds a queue back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldView {
    /// The name of the token; null for a token that is bound to a tenant.
    by: Option<String>,
    since: Stamp,
}

impl HeldView {
    pub(crate) fn new(held: &Held, caller: &Caller) -> Self {
        let by = caller.tenant().is_none().then(|| held.who.clone());
        Self { by, since: Stamp(held.since) }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its id.
    id: u64,
    /// Where it is on its way.
    state: State,
    /// What it waits for, or why it ended so; null: it runs.
    reason: Option<JobReason>,
    /// What it waits for, in a sentence; null: it does not wait.
    why: Option<String>,
    /// What runs it.
    module: &'static str,
    /// The command line, or the program and its arguments as a shell would take them; null: it runs none.
    command: Option<String>,
    /// The program and its arguments; null when it was given as a command line, or runs none.
    argv: Option<Vec<String>>,
    name: Option<String>,
    tenant: String,
    identity: String,
    tags: Vec<String>,
    /// The queue that it waits in.
    queue: String,
    /// The schedule that it is a firing of; null: somebody submitted it.
    schedule: Option<String>,
    /// When that firing was due, or ordered.
    due: Option<Stamp>,
    /// The one runner that may run it.
    host: Option<String>,
    /// The runner that has it or had it last.
    runner: Option<String>,
    /// Attempts so far.
    attempts: u32,
    /// Attempts that failed by themselves.
    failures: u32,
    /// Runners that were lost with it.
    crashes: u32,
    /// Attempts that may fail in all.
    attempts_max: u32,
    /// When a failed attempt is followed by another: what it named, or what its queue gave it when it was taken.
    retry: RetryView,
    /// Why it was not tried again, though attempts were left. Null: it was, or may be, or none were left.
    not_retried: Option<String>,
    /// The exit status of the last attempt that had one.
    exit_status: Option<i32>,
    /// The signal that ended the last attempt.
    signal: Option<i32>,
    delivery: DeliveryName,
    /// The user that it names, or its queue for it.
    user: Option<String>,
    /// How long an attempt may run, by itself or by its queue.
    timeout_seconds: Option<f64>,
    submitted_at: Stamp,
    not_before: Option<Stamp>,
    /// Until when it is scheduled or waits for its retry.
    due_at: Option<Stamp>,
    expires_at: Option<Stamp>,
    leased_at: Option<Stamp>,
    started_at: Option<Stamp>,
    finished_at: Option<Stamp>,
    /// How long the present or last attempt has run.
    run_seconds: Option<f64>,
    /// In the answer to a submit: its promise cannot be kept, as far as that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) warning: Option<String>,
}

impl JobView {
    /// `told`: why it waits, if it does.
    pub(crate) fn new(job: &Job, told: Option<Told>) -> Self {
        let Job { id, spec, status, submitted_at } = job;
        let shell = spec.work.command();
        let command = shell.map(Command::shown);
        let (waits, why) = told.map(|told| (told.reason(), told.why)).unzip();
        let argv = shell.filter(|it| it.line.is_none()).map(|it| it.argv.clone());
        Self {
            id: id.0,
            state: State(status.state),
            reason: status.reason.map(JobReason::Ended).or(waits),
            why,
            module: spec.work.module(),
            command,
            argv,
            name: spec.name.clone(),
            tenant: spec.tenant.clone(),
            identity: spec.identity.clone(),
            tags: spec.tags.clone(),
            queue: status.queue.clone().unwrap_or_default().to_string(),
            schedule: spec.firing.as_ref().map(|it| it.schedule.to_string()),
            due: spec.firing.as_ref().map(|it| Stamp(it.due)),
            host: status.host.clone(),
            runner: status.runner.clone(),
            attempts: status.attempts,
            failures: status.failures,
            crashes: status.crashes,
            attempts_max: spec.retry.attempts,
            retry: RetryView::new(&spec.retry),
            not_retried: not_retried(&spec.retry, status),
            exit_status: status.exit_status,
            signal: status.signal,
            delivery: DeliveryName(spec.delivery),
            user: shell.and_then(|it| it.user.clone()),
            timeout_seconds: shell.and_then(|it| it.timeout).map(Span::as_secs_f64),
            submitted_at: Stamp(*submitted_at),
            not_before: spec.not_before.map(Stamp),
            due_at: status.due.map(Stamp),
            expires_at: spec.expires.map(Stamp),
            leased_at: status.leased_at.map(Stamp),
            started_at: status.started_at.map(Stamp),
            finished_at: status.finished_at.map(Stamp),
            run_seconds: ran(status),
            warning: None,
        }
    }
}

fn ran(status: &Status) -> Option<f64> {
    let started = status.started_at?;
    if status.state.is_out() {
        return Some(now().since(started).as_secs_f64());
    }
    Some(status.finished_at?.since(started).as_secs_f64())
}

fn not_retried(retry: &Retry, status: &Status) -> Option<String> {
    let ended = status.reason.filter(|_| status.state == JobState::Dead)?;
    // A runner that was lost says nothing about the command.
    if matches!(ended, Reason::Lost | Reason::Quarantined) || status.failures >= retry.attempts {
        return None;
    }
    Some(match retry.judge(ended, status.exit_status).err()? {
        Futile::NotStarted => "it could not be started, and would not be the next time: when what is missing is there, retry it, or let it name a retry of its own".to_owned(),
        Futile::NotListed => format!("its retry is for the exit codes {:?} alone", retry.exit_codes),
    })
}

/// When another job that is the same makes this one superfluous.
#[derive(Debug, Serialize, ToSchema)]
struct DedupeView {
    scope: DedupeScopeName,
    window_seconds: Option<f64>,
    then: ThenName,
}

/// One try of a job on one runner.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Which, from 1.
    attempt: u32,
    /// Its lease, as the job knows it by `OSTLER_FENCE`.
    fence: u64,
    runner: Option<String>,
    leased_at: Option<Stamp>,
    started_at: Option<Stamp>,
    /// Null: it is not over.
    finished_at: Option<Stamp>,
    reason: Option<ReasonCode>,
    exit_status: Option<i32>,
    signal: Option<i32>,
    /// What the reason does not say.
    detail: Option<String>,
    run_seconds: Option<f64>,
    user_seconds: Option<f64>,
    system_seconds: Option<f64>,
    rss_max_bytes: Option<u64>,
    /// Bytes written to standard output and error.
    output_bytes: Option<u64>,
    /// The first bytes of the output.
    head: Option<String>,
    /// The last bytes of it; empty when the head is everything.
    tail: Option<String>,
}

impl AttemptView {
    fn over(attempt: &Attempt) -> Self {
        let ending = attempt.ending.as_ref();
        let micros = |us: u64| Some(Span::from_micros(us).as_secs_f64());
        Self {
            attempt: attempt.key.attempt,
            fence: attempt.key.fence.0,
            runner: Some(attempt.runner.clone()),
            leased_at: Some(Stamp(attempt.leased_at)),
            started_at: attempt.started_at.map(Stamp),
            finished_at: attempt.finished_at.map(Stamp),
            reason: ending.map(|ending| ReasonCode(ending.reason)),
            exit_status: ending.and_then(|ending| ending.exit_status),
            signal: ending.and_then(|ending| ending.signal),
            detail: ending.and_then(|ending| ending.detail.clone()),
            run_seconds: Some(attempt.ran.as_secs_f64()),
            user_seconds: micros(attempt.usage.user_us),
            system_seconds: micros(attempt.usage.system_us),
            rss_max_bytes: Some(attempt.usage.rss_max),
            output_bytes: Some(attempt.log.written),
            head: Some(attempt.log.head.clone()),
            tail: Some(attempt.log.tail.clone()),
        }
    }

    /// The attempt that a runner has now, as far as the job's record knows it.
    fn present(status: &Status) -> Self {
        Self {
            attempt: status.attempts,
            fence: status.fence.0,
            runner: status.runner.clone(),
            leased_at: status.leased_at.map(Stamp),
            started_at: status.started_at.map(Stamp),
            finished_at: None,
            reason: None,
            exit_status: None,
            signal: None,
            detail: None,
            run_seconds: ran(status),
            user_seconds: None,
            system_seconds: None,
            rss_max_bytes: None,
            output_bytes: None,
            head: None,
            tail: None,
        }
    }
}

/// A job with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobDetail {
    #[serde(flatten)]
    job: JobView,
    env: BTreeMap<String, String>,
    /// Names only.
    secrets: Vec<String>,
    cwd: Option<String>,
    /// Standard error goes to standard output.
    merge: bool,
    umask: Option<String>,
    nice: Option<i32>,
    limits: BTreeMap<String, u64>,
    grace_seconds: Option<f64>,
    terminate: TerminateName,
    /// To whom what it writes is mailed.
    mailto: Option<String>,
    within_seconds: Option<f64>,
    dedupe: Option<DedupeView>,
    serial: Option<String>,
    resources: BTreeMap<String, ResourceModeName>,
    /// What becomes of them while it waits to be tried again.
    on_retry: OnRetryName,
    /// The queue that it waits in when it has been ended for that.
    moves_to: Option<String>,
    /// That it was changed while it waited, the last time. Null: it is as it was submitted.
    edited: Option<EditedView>,
    attempts_list: Vec<AttemptView>,
}

/// That a job was changed while it waited.
#[derive(Debug, Serialize, ToSchema)]
struct EditedView {
    at: Stamp,
    /// The token's name.
    by: String,
    /// What was given.
    fields: Vec<String>,
}

impl JobDetail {
    pub(crate) fn new(job: &Job, attempts: &[Attempt], told: Option<Told>) -> Self {
        let none = Command::default();
        let command = job.spec.work.command().unwrap_or(&none);
        let mut attempts_list: Vec<_> = attempts.iter().map(AttemptView::over).collect();
        let over = attempts.iter().any(|attempt| attempt.key.fence == job.status.fence);
        if job.status.state.is_out() && !over {
            attempts_list.push(AttemptView::present(&job.status));
        }
        Self {
            job: JobView::new(job, told),
            env: command.env.clone(),
            secrets: command.secrets.clone(),
            cwd: command.cwd.clone(),
            merge: command.merge,
            umask: command.umask.map(|umask| format!("{umask:03o}")),
            nice: command.nice,
            limits: command.limits.clone(),
            grace_seconds: command.grace.map(Span::as_secs_f64),
            terminate: TerminateName(command.terminate),
            mailto: command.mailto.clone(),
            within_seconds: job.spec.within.map(Span::as_secs_f64),
            dedupe: job.spec.dedupe.as_ref().map(|dedupe| DedupeView {
                scope: DedupeScopeName(dedupe.scope),
                window_seconds: dedupe.window.map(Span::as_secs_f64),
                then: ThenName(dedupe.then),
            }),
            serial: job.spec.needs.serial.clone(),
            resources: job.spec.needs.resources.iter().map(mode).collect(),
            on_retry: OnRetryName(job.spec.needs.on_retry),
            edited: job.spec.edited.as_deref().map(|Edited { at, by, fields }| EditedView {
                at: Stamp(*at),
                by: by.clone(),
                fields: fields.clone(),
            }),
            moves_to: job.status.moves_to.as_ref().map(ToString::to_string),
            attempts_list,
        }
    }
}

fn mode((name, mode): (&String, &ResourceMode)) -> (String, ResourceModeName) {
    (name.clone(), ResourceModeName(*mode))
}
