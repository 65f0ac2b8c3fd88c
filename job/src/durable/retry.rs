//! When a failed attempt is followed by another.

use serde::{Deserialize, Serialize};

use super::spec::is_default;
use crate::Span;

/// When a failed attempt is followed by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts that may fail in all; 1: no retry.
    pub attempts: u32,
    /// The wait before the second attempt.
    pub delay: Span,
    /// The longest wait. Waits double up to it, each with up to half taken off at random.
    pub delay_max: Span,
    /// Every wait is `delay`, to the millisecond.
    #[serde(default, skip_serializing_if = "is_default")]
    pub constant: bool,
    /// Only these exit statuses are worth a retry; empty: every failure is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<i32>,
}

impl Default for Retry {
    /// No retry; with more attempts, from a second up to an hour.
    fn default() -> Self {
        Self {
            attempts: 1,
            delay: Span::from_secs(1),
            delay_max: Span::from_secs(3600),
            constant: false,
            exit_codes: Vec::new(),
        }
    }
}
