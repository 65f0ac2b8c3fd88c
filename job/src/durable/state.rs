//! The states of a durable job.
//!
//! ```text
//! scheduled ─▶ pending ─▶ leased ─▶ running ⇄ stopped ─▶ succeeded
//!     ▲          ▲ │                   │                  dead
//!     │          │ ▼                   ▼                  cancelled
//!     │        paused               retrying              expired
//! ```
//! A failed attempt leads to `retrying` while attempts are left and to `dead` after that; `dead` jobs are kept and can
//! be retried by hand. `paused` is a job that an operator took out of the queue, `stopped` one whose processes are
//! stopped.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As written in records, metrics and answers.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The one of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.code() == code)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

codes! {
    /// Where a durable job is on its way.
    JobState {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// It waits for a slot.
        Pending = "pending",
        /// An operator keeps it from starting.
        Paused = "paused",
        /// It is given to a runner.
        Leased = "leased",
        /// It runs.
        Running = "running",
        /// It runs, but its processes are stopped.
        Stopped = "stopped",
        /// An attempt failed and the next one's time has not come.
        Retrying = "retrying",
        /// Done.
        Succeeded = "succeeded",
        /// Failed for good.
        Dead = "dead",
        /// Somebody ended it.
        Cancelled = "cancelled",
        /// It was not started in time.
        Expired = "expired",
    }
}

impl JobState {
    /// Nothing happens to it any more by itself.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled | Self::Expired)
    }

    /// A runner has it.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Leased | Self::Running | Self::Stopped)
    }
}

codes! {
    /// Why a job or an attempt ended as it did.
    Reason {
        /// Exit status 0.
        Ok = "ok",
        /// Another exit status.
        ExitStatus = "exit_status",
        /// A signal that nobody here sent.
        Signal = "signal",
        /// It ran longer than its timeout and was killed.
        Timeout = "timeout",
        /// Somebody had it killed.
        Killed = "killed",
        /// The command could not be started; the detail says why.
        Unstartable = "unstartable",
        /// The runner was lost with it.
        Lost = "lost",
        /// Too many runners were lost with it.
        Quarantined = "quarantined",
        /// Somebody cancelled it before it ran.
        Cancelled = "cancelled",
        /// It was not started in time.
        Expired = "expired",
    }
}
