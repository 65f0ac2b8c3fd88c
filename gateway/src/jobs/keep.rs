//! Lets go of what was kept long enough: finished jobs, events, idempotency keys.

use std::time::{Duration, Instant, SystemTime};

use ostler_job::{JobId, Span, Wall};

use super::{Jobs, act::Mail};
use crate::{
    clock,
    driver::{Told, Verb},
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Jobs that go at once.
const BATCH: usize = 500;
/// How long events and the audit trail are kept.
const EVENTS: Span = Span::from_secs(30 * 86_400);
/// How long a request is known by its idempotency key.
const KEYS: Span = Span::from_secs(86_400);
/// A payload whose job is not submitted for this long goes.
const PAYLOAD_UNUSED: Duration = Duration::from_secs(86_400);
/// A log whose job is not there goes when nothing came to it for this long.
const LOG_UNKNOWN: Duration = Duration::from_secs(86_400);
/// Between two looks for those.
const LOGS_EVERY: Duration = Duration::from_secs(3600);
/// Who did it, in the audit trail.
const WHO: &str = "retention";

/// Runs until the runtime ends. `keep`: how long succeeded and other finished jobs stay.
pub(crate) async fn run(jobs: Jobs, keep: (Span, Span)) {
    let mut logs_swept: Option<Instant> = None;
    loop {
        let now = clock::wall_now();
        let (events, keys) = (before(now, EVENTS), before(now, KEYS));
        // The thread is gone only when the gateway ends.
        let _ = jobs.inbox.send(Mail::Told(Told::Forget { events, keys }));
        while prune(&jobs, before(now, keep.0), before(now, keep.1)).await {}
        let files = jobs.files.clone();
        let swept = jobs.chore(move |store| {
            // When the store cannot be asked, everything is used.
            let is_used = |sha256: &str| store.payload_used(sha256).unwrap_or(true);
            Ok(files.sweep_payloads(SystemTime::now() - PAYLOAD_UNUSED, is_used))
        });
        if let Ok(Err(error)) = swept.await {
            jobs.warn(format!("payloads that nobody uses stay on the disk: {error}"));
        }
        if logs_swept.is_none_or(|at| at.elapsed() >= LOGS_EVERY) {
            logs_swept = Some(Instant::now());
            sweep_logs(&jobs).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Logs whose jobs are not there: their store was replaced by an older one, or they came late.
async fn sweep_logs(jobs: &Jobs) {
    let files = jobs.files.clone();
    let swept = jobs.read(move |store| {
        // When the store cannot be asked, every job is there.
        let absent = |jobs: &[JobId]| store.absent(jobs).unwrap_or_default();
        Ok(files.sweep_logs(SystemTime::now() - LOG_UNKNOWN, absent))
    });
    if let Ok(Err(error)) = swept.await {
        jobs.warn(format!("logs of jobs that are not there stay on the disk: {error}"));
    }
}

fn before(now: Wall, span: Span) -> Wall {
    Wall(now.0.saturating_sub(span.0 / 1_000_000))
}

/// Deletes a batch. `true`: there are more.
async fn prune(jobs: &Jobs, succeeded: Wall, others: Wall) -> bool {
    let found = jobs.chore(move |store| store.prunable(succeeded, others, BATCH)).await;
    // A store that cannot be read says so elsewhere.
    let ids: Vec<JobId> = found.unwrap_or_default();
    let full = ids.len() == BATCH;
    !ids.is_empty() && jobs.steer(WHO, Verb::Delete, ids).await.is_ok() && full
}
