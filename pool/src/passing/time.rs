//! The time that a job's child takes: when it began, when it is asked about, when it has passed a limit.

use ostler_job::{Mono, Span};

use super::{Passing, Phase, State, Terms};

/// A child that has not begun to answer for so long is asked about, and again after twice as long each time.
const QUIET: Span = Span::from_millis(250);
/// Up to a quarter of an hour.
const QUIET_DOUBLINGS: u32 = 12;

/// What a child is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeReason {
    /// It has not begun to answer.
    Unanswered,
    /// It has answered whole, and is not free again.
    Over,
}

impl<A: Clone> Passing<A> {
    /// Nothing is before the job any more: its child can begin it, and its time begins.
    pub fn begin(&self, now: Mono) {
        let mut state = self.lock();
        if state.begun_at.is_none() {
            state.begun_at = Some(now);
            state.heard_at = now;
        }
    }

    /// A piece of the request's body was sent.
    pub fn moved(&self, now: Mono) {
        self.lock().heard_at = now;
    }

    /// When its child could begin it, if that was so.
    pub fn started_at(&self) -> Option<Mono> {
        self.lock().begun_at
    }

    /// Whether the child is to be asked about: it has had the job for a while and has not begun to answer, or has answered
    /// whole and is not free again. The next time is after twice as long, and so on.
    pub(crate) fn is_to_be_asked_about(&self, now: Mono) -> Option<ProbeReason> {
        let mut state = self.lock();
        let (_, quiet) = state.ask_at().filter(|(at, _)| *at <= now)?;
        state.asked += 1;
        Some(quiet)
    }

    /// Whether the job has passed a time limit just now. `true` only once. A client that has left, or that has its answer
    /// while the app goes on in `close()`, changes nothing: the child is still occupied, and nobody else will free it.
    pub(crate) fn becomes_overdue(&self, now: Mono) -> bool {
        let mut state = self.lock();
        let is_overdue = state.limit(&self.terms).is_some_and(|limit| now > limit);
        state.overdue |= is_overdue;
        is_overdue
    }

    /// Whether the job has passed a time limit, with the child that has it.
    pub(crate) fn is_overdue(&self) -> bool {
        self.lock().overdue
    }

    /// How soon after a child was given the job the first of its limits can be reached, or its child is asked about.
    pub(crate) fn soonest(&self) -> Span {
        QUIET.min(self.terms.first_byte).min(self.terms.progress)
    }

    /// When to look at the job again: before anything of the above can be so. `is_granted`: it has a child, or the place
    /// behind another one.
    pub(crate) fn look_at(&self, now: Mono, is_granted: bool) -> Option<Mono> {
        let state = self.lock();
        // What may begin meanwhile without a word to whoever looks.
        let unsaid = match (state.begun_at, state.answered) {
            (None, _) => self.soonest(),
            (Some(_), false) => self.terms.progress,
            // That the answer is whole is told: `Ended::held`.
            (Some(_), true) => Span(QUIET.0 << QUIET_DOUBLINGS),
        };
        let unsaid = is_granted.then(|| now + unsaid);
        let limits = [state.limit(&self.terms), state.ask_at().map(|(at, _)| at), unsaid];
        limits.into_iter().flatten().min()
    }

    /// Its answer is whole. Whether it has run for so long that nobody looks at it soon.
    pub(crate) fn is_looked_at_late(&self, now: Mono) -> bool {
        self.started_at().is_some_and(|begun| now - begun >= QUIET)
    }
}

impl<A> State<A> {
    /// When the job is overdue, unless something is heard of it.
    fn limit(&self, terms: &Terms) -> Option<Mono> {
        if self.overdue || matches!(self.phase, Phase::Over) {
            return None;
        }
        // What waits behind another's run has not had its child yet.
        let late = self.begun_at.map(|_| match (self.ended, self.answered) {
            (true, _) => self.heard_at + terms.progress.max(terms.first_byte),
            (false, false) => self.heard_at + terms.first_byte,
            (false, true) => self.heard_at.max(self.taken_at) + terms.progress,
        });
        let past = terms.deadline.filter(|_| !self.ended);
        late.into_iter().chain(past).min()
    }

    /// When the child is to be asked about, and why.
    fn ask_at(&self) -> Option<(Mono, ProbeReason)> {
        let begun = self.begun_at.filter(|_| matches!(self.phase, Phase::Started(_)))?;
        let patience = Span(QUIET.0 << self.asked.min(QUIET_DOUBLINGS));
        match (self.ended, self.answered) {
            (true, _) => Some((self.heard_at + patience, ProbeReason::Over)),
            (false, false) => Some((begun + patience, ProbeReason::Unanswered)),
            (false, true) => None,
        }
    }
}
