//! Lets go of what was kept long enough: finished jobs, events, idempotency keys, runners that are gone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_driver::{ActorInput, Verb};
use ostler_job::durable::QueueName;
use ostler_job::{Calendar, Heard, JobId, Mono, Now, Span, Wall};
use ostler_machine::clock;
use ostler_store::{OfQueues, Store};

use super::{Jobs, driver_thread::DriverMessage};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Jobs that go at once.
const BATCH: usize = 500;
/// How long events and the audit trail are kept.
const EVENTS: Span = Span::from_secs(30 * 86_400);
/// How long a request is known by its idempotency key.
const KEYS: Span = Span::from_secs(86_400);
/// A payload whose job is not submitted for this long goes.
const PAYLOAD_UNUSED: Span = Span::from_secs(86_400);
/// A log whose job is not there goes when nothing came to it for this long.
const LOG_UNKNOWN: Span = Span::from_secs(86_400);
/// Between two looks for those.
const LOGS_EVERY: Span = Span::from_secs(3600);
/// Who did it, in the audit trail.
const WHO: &str = "retention";

/// Runs until the runtime ends. `keep`: how long succeeded and other finished jobs stay.
pub async fn run(jobs: Jobs, keep: (Span, Span)) {
    let mut keeper = None;
    loop {
        // Not before the store was read.
        if let Some(kept_at) = jobs.kept_at.get() {
            let keeper =
                keeper.get_or_insert_with(|| Retention::new(keep, *kept_at, clock::both()));
            keeper.look(&jobs, clock::both()).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What it is that is kept, and until when. What is deleted does not come back, so the clock is not believed at once, and after
/// a restart not before an hour when it says that the gateway was away for more than one.
pub(super) struct Retention {
    keep: (Span, Span),
    calendar: Calendar,
    logs_swept: Option<Mono>,
}

impl Retention {
    /// `kept_at`: when an earlier life looked last.
    pub(super) fn new(keep: (Span, Span), kept_at: Option<Wall>, now: Now) -> Self {
        let mut calendar = Calendar::from(kept_at.unwrap_or(now.wall), now);
        // That a gateway was away is no news.
        calendar.hear(now);
        Self { keep, calendar, logs_swept: None }
    }

    /// Lets go of everything that is old.
    pub(super) async fn look(&mut self, jobs: &Jobs, now: Now) {
        if let Heard::Leapt(millis) = self.calendar.hear(now) {
            jobs.warn(leapt(millis));
        }
        let date = self.calendar.at_least();
        let (events, keys) = (before(date, EVENTS), before(date, KEYS));
        // The thread is gone only when the gateway ends.
        let _ = jobs.inbox.send(DriverMessage::ActorInput(ActorInput::Forget {
            now: date,
            events,
            keys,
        }));
        let old =
            |(succeeded, failed): (Span, Span)| (before(date, succeeded), before(date, failed));
        let own = jobs.queues.keeps(self.keep);
        for (queue, keep) in &own {
            while prune(jobs, Some(queue.clone()), &[], old(*keep), date).await {}
        }
        let others: Vec<QueueName> = own.into_iter().map(|(queue, _)| queue).collect();
        while prune(jobs, None, &others, old(self.keep), date).await {}
        let files = jobs.files.clone();
        let unused = system(before(date, PAYLOAD_UNUSED));
        let swept = jobs.chore(move |store| {
            // When the store cannot be asked, everything is used.
            let is_used = |sha256: &str| store.payload_used(sha256).unwrap_or(true);
            Ok(files.sweep_payloads(unused, is_used))
        });
        if let Ok(Err(error)) = swept.await {
            jobs.warn(format!("payloads that nobody uses stay on the disk: {error}"));
        }
        if self.logs_swept.is_none_or(|at| now.mono - at >= LOGS_EVERY) {
            if self.logs_swept.replace(now.mono).is_some() {
                forget_runners(jobs, date).await;
            }
            sweep_logs(jobs, system(before(date, LOG_UNKNOWN))).await;
        }
    }
}

/// Runners that were not heard for long, and later what they were let in by.
async fn forget_runners(jobs: &Jobs, now: Wall) {
    jobs.runners.forget_unheard(now);
    // When the others were heard, too; not at the end, which waits for no disk without need.
    jobs.transfers.keep_runners();
    let here = jobs.clone();
    let forget = move || here.members.forget_gone(now, |name| here.runners.is_known(name));
    if let Ok(Err(error)) = tokio::task::spawn_blocking(forget).await {
        jobs.warn(format!("runners that are gone stay in the list of members: {error}"));
    }
}

/// What the operator is told of a leap of the clock.
fn leapt(millis: i64) -> String {
    let hours = millis.unsigned_abs() / 3_600_000;
    match millis > 0 {
        true => format!(
            "the system's clock has leapt {hours} h ahead; nothing is deleted for being old by it, and no \
             date comes by it, before it has stayed so for an hour"
        ),
        false => format!(
            "the system's clock has leapt {hours} h back; dates that are known already stay, \
             and schedules go on by the time before it until it has stayed so for an hour"
        ),
    }
}

fn system(at: Wall) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.0)
}

/// Logs whose jobs are not there: their store was replaced by an older one, or they came late.
async fn sweep_logs(jobs: &Jobs, older_than: SystemTime) {
    let files = jobs.files.clone();
    let swept = jobs.read(move |store| {
        // When the store cannot be asked, every job is there.
        let absent = |jobs: &[JobId]| store.absent(jobs).unwrap_or_default();
        Ok(files.sweep_logs(older_than, absent))
    });
    if let Ok(Err(error)) = swept.await {
        jobs.warn(format!("logs of jobs that are not there stay on the disk: {error}"));
    }
}

fn before(now: Wall, span: Span) -> Wall {
    Wall(now.0.saturating_sub(span.0 / 1_000_000))
}

/// Deletes a batch of one queue, or of all but some. `true`: there are more.
async fn prune(
    jobs: &Jobs,
    one: Option<QueueName>,
    all_but: &[QueueName],
    old: (Wall, Wall),
    now: Wall,
) -> bool {
    let others = all_but.to_vec();
    let look = move |store: &dyn Store| {
        let of = one.as_ref().map_or(OfQueues::AllBut(&others), OfQueues::One);
        store.prunable_of(of, old, now, BATCH)
    };
    let found = jobs.chore(look).await;
    // A store that cannot be read says so elsewhere.
    let ids: Vec<JobId> = found.unwrap_or_default();
    let full = ids.len() == BATCH;
    !ids.is_empty() && jobs.steer(WHO, Verb::Delete, ids).await.is_ok() && full
}
