//! When a failed attempt is followed by another.

use serde::{Deserialize, Serialize};

use super::{Reason, spec::is_default};
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
    /// What could not be started is not worth one, unless `exit_codes` lists it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub only_started: bool,
}

/// Exit statuses by which shells, and programs that start others (`env`, `nice`, `timeout`), say that a command cannot be run,
/// or that there is none.
const UNSTARTABLE: [i32; 2] = [126, 127];

/// Why a failure is not worth another attempt, though there are some left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Futile {
    /// Its exit status is not one of those that are listed.
    NotListed,
    /// It could not be started: another attempt would meet the same.
    NotStarted,
}

impl Retry {
    /// The policy of a queue that has no other, for jobs that name none: enough for a database that is started again, seldom enough for one that
    /// is down. A command that is misspelled is told at once.
    pub const fn usual() -> Self {
        Self {
            attempts: 4,
            delay: Span::from_secs(10),
            delay_max: Span::from_secs(3600),
            constant: false,
            exit_codes: Vec::new(),
            only_started: true,
        }
    }

    /// Whether an attempt that ended so is worth another one.
    pub fn judge(&self, reason: Reason, exit_status: Option<i32>) -> Result<(), Futile> {
        if !self.exit_codes.is_empty() {
            let is_listed = exit_status.is_some_and(|status| self.exit_codes.contains(&status));
            return if is_listed { Ok(()) } else { Err(Futile::NotListed) };
        }
        let says_so = |status| reason == Reason::ExitStatus && UNSTARTABLE.contains(&status);
        let started = reason != Reason::Unstartable && !exit_status.is_some_and(says_so);
        if self.only_started && !started { Err(Futile::NotStarted) } else { Ok(()) }
    }
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
            only_started: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_started_is_worth_another_attempt_where_a_job_asks_for_it() {
        let usual = Retry::usual();
        let listed = Retry { exit_codes: vec![127], ..Retry::usual() };
        let named = Retry { attempts: 4, ..Retry::default() };
        let (ok, futile) = (Ok(()), Err(Futile::NotStarted));
        for (reason, status, by_usual, by_listed) in [
            (Reason::Unstartable, None, futile, Err(Futile::NotListed)),
            (Reason::ExitStatus, Some(126), futile, Err(Futile::NotListed)),
            (Reason::ExitStatus, Some(127), futile, ok),
            (Reason::ExitStatus, Some(1), ok, Err(Futile::NotListed)),
            (Reason::Signal, None, ok, Err(Futile::NotListed)),
            (Reason::Timeout, None, ok, Err(Futile::NotListed)),
        ] {
            assert_eq!(usual.judge(reason, status), by_usual, "{reason} {status:?}");
            assert_eq!(listed.judge(reason, status), by_listed, "{reason} {status:?}");
            assert_eq!(named.judge(reason, status), ok, "{reason} {status:?}");
        }
    }

    #[test]
    fn what_older_versions_stored_is_tried_once_or_as_it_was_named() {
        let text = r#"{"attempts":3,"delay":1000000000,"delay_max":3600000000000}"#;
        let stored: Retry = serde_json::from_str(text).unwrap();
        assert_eq!(stored, Retry { attempts: 3, ..Retry::default() });
        assert_eq!(serde_json::to_string(&stored).unwrap(), text);
    }
}
