//! What a job that has not started waits for, in one word.
//!
//! Often several things hold a job up; it has one word all the same: the first of these that holds. The order is that in which they
//! are to be cleared: first what stops everything, then what the job itself says, then what a person or a machine must change, then what
//! its queue allows, and last the line that everybody stands in.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! waits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)*) => {
        /// See the module.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum WaitReason { $($(#[doc = $doc])+ $name,)* }

        impl WaitReason {
            /// Every one; the first that holds is told.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As written in answers and events.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What it means, in a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),* }
            }

            /// The one of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.code() == code)
            }
        }
    };
}

waits! {
    /// The store cannot be written; nothing starts until it can.
    Store = "store",
    /// The gateway is about to end, and gives nothing to runners any more.
    Ending = "ending",
    /// It has been given to a runner and is about to start.
    Starting = "starting",
    /// The job itself is paused.
    Paused = "paused",
    /// Its time has not come.
    NotBefore = "not_before",
    /// An attempt is over, and the time of the next one has not come.
    Retry = "retry",
    /// Its queue, or one above that, is paused.
    QueuePaused = "queue_paused",
    /// Its queue is worked by one runner alone, and jobs of it have not ended on the one before.
    Exclusive = "exclusive",
    /// There is no runner that may run it.
    NoRunner = "no_runner",
    /// Every runner that may run it is away.
    RunnerAway = "runner_away",
    /// Every runner that may run it and is there takes nothing new.
    RunnerDrained = "runner_drained",
    /// The runners that may run it and are there cannot start what they are given, and are only tried now and then.
    RunnerBroken = "runner_broken",
    /// Another job has, or is to have before it, what it names as its serial key or resource.
    Resource = "resource",
    /// Its tenant runs as many jobs as it may.
    TenantCap = "tenant_cap",
    /// Its queue, or one above that, runs as many jobs as it may.
    Concurrency = "concurrency",
    /// Its queue, or one above that, has used the slots that it may use.
    Ceiling = "ceiling",
    /// The rate of its queue, or of one above that, lets the next job start later.
    Rate = "rate",
    /// Other jobs of its tenant in its queue go before it.
    Behind = "behind",
    /// All slots of the runners that may run it are taken.
    RunnerFull = "runner_full",
    /// All slots are taken.
    SlotsBusy = "slots_busy",
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Reason;

    #[test]
    fn a_word_is_of_one_reason_to_wait_and_of_none_to_end() {
        for reason in WaitReason::ALL {
            assert_eq!(WaitReason::from_code(reason.code()), Some(*reason));
            assert_eq!(Reason::from_code(reason.code()), None, "{reason}");
            let written = serde_json::to_value(reason).unwrap_or_default();
            assert_eq!(written, reason.code(), "written as it is told");
            assert!(reason.meaning().trim().ends_with('.'), "{reason} is told in a sentence");
        }
        assert!(WaitReason::ALL.is_sorted(), "the order is the one that they are declared in");
    }
}
