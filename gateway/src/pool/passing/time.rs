//! The time that a job's child takes: when it began, when it is asked about, when it has passed a limit.

use ostler_job::{Mono, Span};

use super::{Passing, Phase};

/// A child that has not begun to answer for so long is asked about, and again after twice as long each time.
const QUIET: Span = Span::from_millis(250);
/// Up to a quarter of an hour.
const QUIET_DOUBLINGS: u32 = 12;

/// What a child is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// It has not begun to answer.
    Unanswered,
    /// It has answered whole, and is not free again.
    Over,
}

impl Passing {
    /// Nothing is before the job any more: its child can begin it, and its time begins.
    pub(crate) fn begin(&self, now: Mono) {
        let mut state = self.lock();
        if state.begun_at.is_none() {
            state.begun_at = Some(now);
            state.heard_at = now;
        }
    }

    /// A piece of the request's body was sent.
    pub(crate) fn moved(&self, now: Mono) {
        self.lock().heard_at = now;
    }

    /// When its child could begin it, if that was so.
    pub(crate) fn started_at(&self) -> Option<Mono> {
        self.lock().begun_at
    }

    /// Whether the child is to be asked about: it has had the job for a while and has not begun to answer, or has answered
    /// whole and is not free again. The next time is after twice as long, and so on.
    pub(crate) fn is_to_be_asked_about(&self, now: Mono) -> Option<Quiet> {
        let mut state = self.lock();
        let (since, quiet) = match (state.ended, state.answered) {
            (true, _) => (state.begun_at.map(|_| state.heard_at), Quiet::Over),
            (false, false) => (state.begun_at, Quiet::Unanswered),
            (false, true) => return None,
        };
        let patience = Span(QUIET.0 << state.asked.min(QUIET_DOUBLINGS));
        let is_due = matches!(state.phase, Phase::Started(_))
            && since.is_some_and(|since| now - since >= patience);
        state.asked += u32::from(is_due);
        is_due.then_some(quiet)
    }

    /// Whether the job has passed a time limit just now. `true` only once. A client that has left, or that has its answer
    /// while the app goes on in `close()`, changes nothing: the child is still occupied, and nobody else will free it.
    pub(crate) fn becomes_overdue(&self, now: Mono) -> bool {
        let mut state = self.lock();
        if state.overdue || matches!(state.phase, Phase::Over) {
            return false;
        }
        let silent = now - state.heard_at;
        let quiet = now - state.heard_at.max(state.taken_at);
        // What waits behind another's run has not had its child yet.
        let late = state.begun_at.is_some()
            && match (state.ended, state.answered) {
                (true, _) => silent > self.terms.progress.max(self.terms.first_byte),
                (false, false) => silent > self.terms.first_byte,
                (false, true) => quiet > self.terms.progress,
            };
        let past = !state.ended && self.terms.deadline.is_some_and(|deadline| now > deadline);
        state.overdue = late || past;
        state.overdue
    }
}
