//! Whether a supervisor can be reached. A job may stop its own, or trace it; while that says nothing, nobody learns how the
//! job ended, and its slot is held for ever.

use std::time::Duration;

use tokio::time::Instant;

use super::in_future;
use crate::control::Control;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(5);
/// Questions without an answer before it is killed: a minute of a host that does nothing else.
const SILENT_MAX: u32 = 12;

/// What is known of one supervisor. Counted in questions and not in time, since the runner may have stood still itself.
#[derive(Debug)]
pub(super) struct Contact {
    due: Option<Instant>,
    silent: u32,
    given_up: bool,
}

impl Contact {
    pub(super) fn new() -> Self {
        Self { due: in_future(PAUSE), silent: 0, given_up: false }
    }

    /// When it is asked next.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) const fn heard(&mut self) {
        self.silent = 0;
    }

    /// Whether it was killed since it did not answer.
    pub(super) const fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// It is time to look: what is to be done.
    pub(super) fn look(&mut self) -> Step {
        self.due = in_future(PAUSE);
        let silent = self.silent;
        self.silent += 1;
        if silent == 0 {
            return Step::Ask;
        }
        self.given_up = silent > SILENT_MAX;
        if self.given_up { Step::Kill } else { Step::Wake }
    }
}

/// What is done about a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is asked whether it is there, and woken, since perhaps somebody has stopped it.
    Ask,
    /// It did not answer, and is woken again.
    Wake,
    Kill,
}

impl Step {
    pub(super) fn take(self, control: &mut Control) {
        match self {
            Self::Ask => {
                control.ask();
                control.wake();
            }
            Self::Wake => control.wake(),
            Self::Kill => control.kill(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_answers_is_asked_again_and_one_that_does_not_is_woken_and_killed_at_last() {
        let mut contact = Contact::new();
        for _ in 0..100 {
            assert_eq!(contact.look(), Step::Ask);
            contact.heard();
        }
        assert_eq!(contact.look(), Step::Ask);
        for _ in 0..SILENT_MAX {
            assert_eq!(contact.look(), Step::Wake);
        }
        assert!(!contact.is_given_up());
        assert_eq!(contact.look(), Step::Kill);
        assert!(contact.is_given_up());
    }
}
