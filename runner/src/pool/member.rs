//! One child as its pool sees it.

use ostler_job::Mono;

use super::{ExitReason, Ladder};
use crate::reap::Ending;

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Loading the app, until the limit; then it was asked where it is stuck, and ends a moment later.
    Booting { limit: Mono, dumped: bool },
    /// Serving.
    Ready,
    /// Given nothing more; STOP follows when it is idle, the end when the limit passes.
    Retiring { reason: ExitReason, since: Mono, limit: Option<Mono> },
    /// Told to stop; the end follows at the limit.
    Stopping { reason: ExitReason, limit: Mono },
    /// SIGTERM was sent, SIGKILL follows.
    Ending { reason: ExitReason, kill_at: Mono },
}

/// One child.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) phase: Phase,
    pub(super) ready_at: Option<Mono>,
    /// Since when it has no request; `None` while it has one.
    pub(super) idle_since: Option<Mono>,
    pub(super) requests: u64,
    pub(super) requests_max: Option<u64>,
    pub(super) expires: Option<Mono>,
    /// It is to be replaced, as soon as its replacement is READY.
    pub(super) due: Option<ExitReason>,
    pub(super) ladder: Option<Ladder>,
    pub(super) spawned: Mono,
    /// Its control socket ended; when the rest has to be gone.
    pub(super) gone_by: Option<Mono>,
}

impl Member {
    pub(super) fn new(spawned: Mono, limit: Mono) -> Self {
        Self {
            phase: Phase::Booting { limit, dumped: false },
            ready_at: None,
            idle_since: None,
            requests: 0,
            requests_max: None,
            expires: None,
            due: None,
            ladder: None,
            spawned,
            gone_by: None,
        }
    }

    /// SIGTERM was sent.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// On its way out.
    pub(super) fn is_leaving(&self) -> bool {
        match self.phase {
            Phase::Booting { .. } | Phase::Ready => false,
            Phase::Retiring { .. } | Phase::Stopping { .. } | Phase::Ending { .. } => true,
        }
    }

    /// Something is to happen to it soon.
    pub(super) fn is_restless(&self) -> bool {
        self.is_leaving() || self.ladder.is_some() || self.gone_by.is_some()
    }

    /// READY and not to be replaced.
    pub(super) fn is_fresh(&self) -> bool {
        self.phase == Phase::Ready && self.due.is_none()
    }

    /// Why it should be replaced, if it should.
    pub(super) fn worn_out(&self, now: Mono) -> Option<ExitReason> {
        if self.requests_max.is_some_and(|max| self.requests >= max) {
            return Some(ExitReason::MaxRequests);
        }
        self.expires.is_some_and(|at| now >= at).then_some(ExitReason::Lifetime)
    }

    /// What the end that is about to be forced will be counted as.
    pub(super) fn forced_reason(&self) -> ExitReason {
        match self.phase {
            Phase::Booting { .. } => ExitReason::BootFailed,
            _ if self.ladder.is_some() => ExitReason::Timeout,
            Phase::Retiring { reason, .. }
            | Phase::Stopping { reason, .. }
            | Phase::Ending { reason, .. } => reason,
            Phase::Ready => ExitReason::Exited,
        }
    }

    /// How its end is counted.
    pub(super) fn exit_reason(&self, how: Ending) -> ExitReason {
        match self.phase {
            Phase::Booting { .. } => ExitReason::BootFailed,
            Phase::Ending { reason, .. } => reason,
            Phase::Ready | Phase::Retiring { .. } | Phase::Stopping { .. } => {
                match (how, self.phase) {
                    (Ending::Signal { .. }, _) => ExitReason::Signal,
                    (Ending::Status(_), Phase::Stopping { reason, .. }) => reason,
                    (Ending::Status(_), _) => ExitReason::Exited,
                }
            }
        }
    }
}
