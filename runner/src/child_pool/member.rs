//! One child as its pool sees it.

use ostler_job::{Mono, Span};

use super::{Contact, Ending, Escalation, ExitReason, Loss};

/// From the loss of a child to its replacement, unless its end is known sooner.
pub(super) const FADE: Span = Span::from_millis(500);

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
    /// The stream of that request.
    pub(super) running: Option<u32>,
    /// A stream that nobody waits for any more, and until when it is looked out for on the board.
    pub(super) unwanted: Option<(u32, Mono)>,
    pub(super) requests: u64,
    /// It worked when its board was last looked at, or had since the look before.
    pub(super) is_active: bool,
    pub(super) requests_max: Option<u64>,
    pub(super) expires: Option<Mono>,
    /// It is to be replaced, as soon as its replacement is READY.
    pub(super) due: Option<ExitReason>,
    pub(super) escalation: Option<Escalation>,
    pub(super) spawned: Mono,
    /// Whether it can be reached.
    pub(super) contact: Contact,
    /// Since when it cannot, and why.
    pub(super) lost: Option<(Loss, Mono)>,
}

impl Member {
    pub(super) fn new(spawned: Mono, limit: Mono) -> Self {
        Self {
            phase: Phase::Booting { limit, dumped: false },
            ready_at: None,
            idle_since: None,
            running: None,
            unwanted: None,
            requests: 0,
            is_active: false,
            requests_max: None,
            expires: None,
            due: None,
            escalation: None,
            spawned,
            contact: Contact::new(spawned),
            lost: None,
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
        self.is_leaving()
            || self.escalation.is_some()
            || self.unwanted.is_some()
            || self.contact.is_restless()
    }

    /// Nothing is to happen to it before `until` unless somebody says so.
    pub(super) fn is_calm(&self, until: Mono) -> bool {
        self.is_fresh()
            && !self.is_active
            && self.contact.is_calm()
            && self.expires.is_none_or(|at| at > until)
    }

    /// Not to be reached any more. A child that is just dying looks so a moment before its end is known, and its end
    /// says whether it is replaced at once: until then it is not missed.
    pub(super) fn is_fading(&self, now: Mono) -> bool {
        self.lost.is_some_and(|(_, since)| now < since + FADE)
    }

    /// It cannot be told to stop.
    pub(super) fn is_mute(&self) -> bool {
        self.lost.is_some_and(|(loss, _)| !loss.is_steerable())
    }

    /// Steps onto the ladder when the unwanted stream is the one that is shown. `true`: just now. A child that takes turns has let go
    /// of it when it shows a later one; another may show it again.
    pub(super) fn meet_unwanted(&mut self, now: Mono, grace: Span, takes_turns: bool) -> bool {
        let Some((stream, until)) = self.unwanted else { return false };
        let is_later = takes_turns && self.running.is_some_and(|running| running > stream);
        let is_over = now > until || is_later;
        let is_met = self.running == Some(stream) && !self.is_ending() && self.escalation.is_none();
        if is_over || is_met {
            self.unwanted = None;
        }
        if is_met {
            self.escalation = Some(Escalation::new(stream, now, grace));
        }
        is_met
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
            _ if self.escalation.is_some() => ExitReason::Timeout,
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
