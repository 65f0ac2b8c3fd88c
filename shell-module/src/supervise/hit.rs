//! Whether an order to kill ended a command, or came while that was ending by itself.

use nix::{sys::signal::Signal, unistd::Pid};
use ostler_process::proc;

use super::usage::End;

/// What the first order to kill found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KillOutcome {
    /// There was none while the command ran.
    #[default]
    No,
    /// A command that dies of the signal at once.
    Deadly,
    /// A command that may do something about it, and end in whatever way it likes.
    Answered,
}

impl KillOutcome {
    /// An order that sends the signal to a command that runs. Only the first one says who was first.
    pub(super) fn by(&mut self, signal: Signal, main: Pid) {
        if *self == Self::No {
            let is_deadly = signal == Signal::SIGKILL || proc::dies_of(main, signal);
            *self = if is_deadly { Self::Deadly } else { Self::Answered };
        }
    }

    /// Whether it is why the command ended. What dies of a signal has no exit status: one that succeeded was at its end already.
    /// One that failed may have lost a process to whoever else is ending all of them.
    pub(super) const fn is_why(self, end: Option<End>) -> bool {
        match self {
            Self::No => false,
            Self::Deadly => !matches!(end, Some(End::Status(0))),
            Self::Answered => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_success_of_what_dies_of_the_signal_says_that_the_order_came_too_late() {
        let ends = [Some(End::Status(0)), Some(End::Status(3)), Some(End::Signal(15)), None];
        assert_eq!(ends.map(|end| KillOutcome::No.is_why(end)), [false; 4]);
        assert_eq!(ends.map(|end| KillOutcome::Deadly.is_why(end)), [false, true, true, true]);
        assert_eq!(ends.map(|end| KillOutcome::Answered.is_why(end)), [true; 4]);
    }

    #[test]
    fn a_command_that_takes_or_ignores_the_signal_is_told_from_one_that_dies_of_it() {
        for (trap, hit) in [
            ("", KillOutcome::Deadly),
            ("trap '' TERM;", KillOutcome::Answered),
            ("trap : TERM;", KillOutcome::Answered),
        ] {
            let mut child = Command::new("sh")
                .args(["-c", &format!("{trap} echo; read line")])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = [0];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            let mut found = KillOutcome::No;
            found.by(Signal::SIGTERM, pid);
            assert_eq!(found, hit, "{trap}");
            found.by(Signal::SIGKILL, pid);
            assert_eq!(found, hit, "the first order counts");
            let mut at_once = KillOutcome::No;
            at_once.by(Signal::SIGKILL, pid);
            assert_eq!(at_once, KillOutcome::Deadly, "{trap}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
