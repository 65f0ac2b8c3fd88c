//! One try of a job on one runner: what the runner is given, and what it reports.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    JobId, Span, Wall,
    durable::{Reason, Spec},
};

/// The number that makes a late writer harmless. It grows with every lease and is never given twice, so of two
/// attempts at one job the later has the larger.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// Which attempt: every finish carries it, and one that is not the job's present lease changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The job.
    pub job: JobId,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// Its lease.
    pub fence: Fence,
}

/// `JOB.ATTEMPT.FENCE`, on the wire and in names of files.
impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, attempt, fence } = self;
        write!(f, "{job}.{attempt}.{}", fence.0)
    }
}

/// A text that is no key of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an attempt is JOB.ATTEMPT.FENCE, three numbers")]
pub struct NoAttemptKey;

impl FromStr for AttemptKey {
    type Err = NoAttemptKey;

    fn from_str(text: &str) -> Result<Self, NoAttemptKey> {
        let numbers = || {
            let mut parts = text.split('.');
            let job = JobId(parts.next()?.parse().ok()?);
            let attempt = parts.next()?.parse().ok()?;
            let fence = Fence(parts.next()?.parse().ok()?);
            parts.next().is_none().then_some(Self { job, attempt, fence })
        };
        numbers().ok_or(NoAttemptKey)
    }
}

/// An order to run a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Under which lease.
    pub key: AttemptKey,
    /// What to run.
    pub spec: Spec,
}

/// What is asked of a running attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// End it: SIGTERM, the grace, then SIGKILL for everything that is left.
    Kill,
    /// SIGKILL for everything, at once.
    KillNow,
    /// Stop its processes where they are.
    Stop,
    /// Let them go on.
    Continue,
}

/// What a runner tells about its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// Its process runs. Left out when the attempt finished in the same breath.
    Started {
        /// Which.
        key: AttemptKey,
        /// Since when, by the runner's clock.
        at: Wall,
    },
    /// Its processes are stopped, or go on.
    Paused {
        /// Which.
        key: AttemptKey,
        /// Stopped, or going on.
        stopped: bool,
    },
    /// Nothing of it was started, and nothing will be: it may go elsewhere.
    NotStarted {
        /// Which.
        key: AttemptKey,
    },
    /// It wrote: the gateway may pull its log up to here.
    Log {
        /// Which.
        key: AttemptKey,
        /// Bytes of the log file.
        bytes: u64,
    },
    /// It is over and no process of it is left.
    Finished(Box<Finish>),
}

impl Report {
    /// Which attempt it is about.
    pub const fn key(&self) -> AttemptKey {
        match self {
            Self::Started { key, .. }
            | Self::Paused { key, .. }
            | Self::NotStarted { key }
            | Self::Log { key, .. } => *key,
            Self::Finished(finish) => finish.key,
        }
    }
}

/// How an attempt's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Ending {
    /// Why, as a code. `Ok` exactly when it succeeded.
    pub reason: Reason,
    /// The exit status of the main process, when it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// The signal that ended it, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// One sentence for people, when the code does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What an attempt used, by `wait4` of its whole process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in user mode, microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, microseconds.
    pub system_us: u64,
    /// Largest resident set of one process, bytes.
    pub rss_max: u64,
}

/// What an attempt wrote. Its log is a file of chunks, each a header of 16 bytes (`<QIBxxx`: microseconds since the
/// epoch, length, stream 1 or 2) and the bytes as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// Bytes written to standard output and error together.
    pub written: u64,
    /// Bytes of the log file, headers included.
    pub file: u64,
    /// The whole log file as base64, when it is small; then there is nothing to pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// The first bytes of the output, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// The last bytes of it, as text; empty when the head is everything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// Which.
    pub key: AttemptKey,
    /// How.
    pub ending: Ending,
    /// When its process started, by the runner's clock; `None` when it could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Wall>,
    /// How long it ran, by a clock that nobody sets, but for when it was stopped.
    #[serde(default)]
    pub ran: Span,
    /// How long it was stopped.
    #[serde(default)]
    pub stopped: Span,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
    /// What it wrote.
    #[serde(default)]
    pub log: LogState,
}

/// One try in a job's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which.
    pub key: AttemptKey,
    /// The runner that had it.
    pub runner: String,
    /// When it was leased, by the gateway's clock.
    pub leased_at: Wall,
    /// When its process started; `None`: it is not known to have.
    pub started_at: Option<Wall>,
    /// When it was over, by the gateway's clock; `None`: it is not.
    pub finished_at: Option<Wall>,
    /// How it ended; `None`: it has not.
    pub ending: Option<Ending>,
    /// How long it ran.
    pub ran: Span,
    /// What it used.
    pub usage: Usage,
    /// What it wrote; `whole` is left out of records that are listed.
    pub log: LogState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_what_is_no_key_is_not() {
        let key = AttemptKey { job: JobId(17), attempt: 2, fence: Fence(1 << 33) };
        assert_eq!(key.to_string(), "17.2.8589934592");
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "1.2", "1.2.3.4", "a.1.2", "1.-1.2"] {
            assert_eq!(text.parse::<AttemptKey>(), Err(NoAttemptKey), "{text}");
        }
    }
}
