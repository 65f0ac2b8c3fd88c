//! Retries as the API shows them.

use ostler_job::durable::Retry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::parse::submit::Backoff;

/// When a failed attempt is followed by another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryView {
    /// Attempts that may fail in all.
    attempts: u32,
    /// The wait before the second attempt.
    delay_seconds: f64,
    /// The longest wait.
    delay_max_seconds: f64,
    backoff: Backoff,
    /// Only these exit statuses are worth a retry; empty: every failure is.
    exit_codes: Vec<i32>,
    /// What could not be started (`unstartable`, the exit statuses 126 and 127) is not tried again.
    only_started: bool,
}

impl RetryView {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self {
            attempts: retry.attempts,
            delay_seconds: retry.delay.as_secs_f64(),
            delay_max_seconds: retry.delay_max.as_secs_f64(),
            backoff: if retry.constant { Backoff::Constant } else { Backoff::Exponential },
            exit_codes: retry.exit_codes.clone(),
            only_started: retry.only_started,
        }
    }
}
