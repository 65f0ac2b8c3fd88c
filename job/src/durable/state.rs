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
//!
//! A new state gets the next free number. One that is finished needs a step of the store's schema too, which has the numbers of
//! those; until then the store takes it for unfinished and keeps its jobs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = ($number:literal, $code:literal),)* }) => {
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

            /// As written in stores: given once and never again, whatever the order here. It says nothing by its size.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number),* }
            }

            /// The one of a number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
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
        Scheduled = (0, "scheduled"),
        /// It waits for a slot.
        Pending = (1, "pending"),
        /// An operator keeps it from starting.
        Paused = (2, "paused"),
        /// It is given to a runner.
        Leased = (3, "leased"),
        /// It runs.
        Running = (4, "running"),
        /// It runs, but its processes are stopped.
        Stopped = (5, "stopped"),
        /// An attempt failed and the next one's time has not come.
        Retrying = (6, "retrying"),
        /// Done.
        Succeeded = (7, "succeeded"),
        /// Failed for good.
        Dead = (8, "dead"),
        /// Somebody ended it.
        Cancelled = (9, "cancelled"),
        /// It was not started in time.
        Expired = (10, "expired"),
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
        Ok = (0, "ok"),
        /// Another exit status.
        ExitStatus = (1, "exit_status"),
        /// A signal that nobody here sent.
        Signal = (2, "signal"),
        /// It ran longer than its timeout and was killed.
        Timeout = (3, "timeout"),
        /// Somebody had it killed.
        Killed = (4, "killed"),
        /// The command could not be started; the detail says why.
        Unstartable = (5, "unstartable"),
        /// The runner was lost with it.
        Lost = (6, "lost"),
        /// Too many runners were lost with it.
        Quarantined = (7, "quarantined"),
        /// Somebody cancelled it before it ran.
        Cancelled = (8, "cancelled"),
        /// It was not started in time.
        Expired = (9, "expired"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_one_and_never_changes() {
        let states: Vec<_> = JobState::ALL.iter().map(|it| (it.number(), it.code())).collect();
        let expected = [
            (0, "scheduled"),
            (1, "pending"),
            (2, "paused"),
            (3, "leased"),
            (4, "running"),
            (5, "stopped"),
            (6, "retrying"),
            (7, "succeeded"),
            (8, "dead"),
            (9, "cancelled"),
            (10, "expired"),
        ];
        assert_eq!(states, expected);
        let reasons: Vec<_> = Reason::ALL.iter().map(|it| (it.number(), it.code())).collect();
        let expected = [
            (0, "ok"),
            (1, "exit_status"),
            (2, "signal"),
            (3, "timeout"),
            (4, "killed"),
            (5, "unstartable"),
            (6, "lost"),
            (7, "quarantined"),
            (8, "cancelled"),
            (9, "expired"),
        ];
        assert_eq!(reasons, expected);
        for number in 0..=u8::MAX {
            let state = JobState::from_number(number);
            assert!(state.is_none_or(|state| state.number() == number));
            let reason = Reason::from_number(number);
            assert!(reason.is_none_or(|reason| reason.number() == number));
        }
        assert!(JobState::ALL.iter().all(|it| JobState::from_number(it.number()) == Some(*it)));
        assert!(Reason::ALL.iter().all(|it| Reason::from_number(it.number()) == Some(*it)));
    }
}
