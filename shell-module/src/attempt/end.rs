//! What is said of an attempt's end.

use ostler_job::{
    Span,
    durable::{AttemptKey, Ending, Finish, LogState, Reason, Report, Usage},
};

use super::{End, Running};
use ostler_process::tree::NAMES_MAX;

use crate::message::Ended;

/// Signals that whole trees of processes are ended by.
const ENDING: [i32; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGTERM];

impl Running {
    pub(super) fn report(&self, end: &End) -> Report {
        let ((ran, stopped), usage, mut ending) = match end {
            End::Failed(why) => return unstartable(self.key, why.clone()),
            End::Ended(ended) => ((ended.ran, ended.stopped), ended.usage, self.ending(ended)),
            End::SupervisorLost | End::Untouched | End::NoRoom => {
                let detail = match self.contact.is_given_up() {
                    true => {
                        "its supervisor did not answer for a minute, and was killed with the job"
                    }
                    false => "its supervisor was killed, and the job with it",
                };
                let ending = Ending {
                    reason: self.cause.unwrap_or(Reason::Signal),
                    exit_status: None,
                    signal: Some(libc::SIGKILL),
                    detail: Some(detail.to_owned()),
                };
                ((Span::ZERO, Span::ZERO), Usage::default(), ending)
            }
        };
        let log = self.log.borrow();
        let details: Vec<String> = ending.detail.into_iter().chain(log.loss()).collect();
        ending.detail = (!details.is_empty()).then(|| details.join("; "));
        let log = log.state();
        let started_at = self.started.map(|(at, _)| at);
        let key = self.key;
        Report::Finished(Box::new(Finish { key, ending, started_at, ran, stopped, usage, log }))
    }

    /// See the function.
    pub(super) fn is_suspect(&self, end: &End) -> bool {
        is_suspect(end, self.cause)
    }

    fn ending(&self, ended: &Ended) -> Ending {
        let reason = reason(ended, self.cause);
        let (exit_status, signal) = (ended.exit_status, ended.signal);
        let details = [left_behind(ended), killed(ended), self.shortage(ended)];
        let details: Vec<String> = details.into_iter().flatten().collect();
        let detail = (!details.is_empty()).then(|| details.join("; "));
        Ending { reason, exit_status, signal, detail }
    }

    /// Who may have killed it, when nobody here has.
    fn shortage(&self, ended: &Ended) -> Option<String> {
        let (is_ours, is_signal) =
            (ended.hit && self.cause.is_some(), ended.signal == Some(libc::SIGKILL));
        let text = match ended.shortage {
            _ if is_ours => return None,
            Some(true) => {
                "the kernel ended processes of this host while it ran, since there was no memory left: it may have been one of them"
            }
            Some(false) if is_signal => {
                "it was killed, but not by Ostler and not for want of memory"
            }
            None if is_signal => {
                "it was killed, but not by Ostler; if by the kernel for want of memory, the log of its host (dmesg) says so"
            }
            Some(false) | None => return None,
        };
        Some(text.to_owned())
    }
}

/// Whether it may be the work of whoever ends all processes of the host or the service, this runner's among them: an end by a
/// signal that nobody here has sent, by a shell's word for one, or while its supervisor was told to end.
fn is_suspect(end: &End, cause: Option<Reason>) -> bool {
    let ended = match end {
        End::Failed(_) | End::Untouched | End::NoRoom => return false,
        End::SupervisorLost => return cause.is_none(),
        End::Ended(ended) => ended,
    };
    let by_signal = match (ended.exit_status, ended.signal) {
        (Some(0), _) => return false,
        (Some(status), _) => status - 128,
        (None, signal) => signal.unwrap_or_default(),
    };
    let is_ordered = ended.hit && cause.is_some();
    !is_ordered && (ended.signalled || ENDING.contains(&by_signal))
}

fn reason(ended: &Ended, cause: Option<Reason>) -> Reason {
    let by_itself = match (ended.exit_status, ended.signal) {
        (Some(0), _) => Reason::Ok,
        (Some(_), _) => Reason::ExitStatus,
        (None, _) => Reason::Signal,
    };
    // An order that came too late is not why it ended.
    cause.filter(|_| ended.hit).unwrap_or(by_itself)
}

fn left_behind(ended: &Ended) -> Option<String> {
    let left = ended.left;
    (left > 0)
        .then(|| format!("{left} of its processes became another user's and could not be killed"))
}

fn killed(ended: &Ended) -> Option<String> {
    let Ended { killed, names, .. } = ended;
    let more = if names.len() == NAMES_MAX && *killed as usize > NAMES_MAX { ", …" } else { "" };
    let which = names.join(", ");
    let (process, was) = if *killed == 1 { ("process", "was") } else { ("processes", "were") };
    (*killed > 0)
        .then(|| format!("{killed} {process} that it left behind {was} killed ({which}{more})"))
}

/// The end of an attempt of which nothing ran.
pub(crate) fn unstartable(key: AttemptKey, detail: String) -> Report {
    let ending = Ending {
        reason: Reason::Unstartable,
        exit_status: None,
        signal: None,
        detail: Some(detail),
    };
    let (usage, log) = (Usage::default(), LogState::default());
    Report::Finished(Box::new(Finish {
        key,
        ending,
        started_at: None,
        ran: Span::ZERO,
        stopped: Span::ZERO,
        usage,
        log,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: i32) -> Ended {
        Ended { exit_status: Some(status), ..Ended::default() }
    }

    fn suspect(ended: Ended, cause: Option<Reason>) -> bool {
        is_suspect(&End::Ended(Box::new(ended)), cause)
    }

    #[test]
    fn an_order_that_came_too_late_is_not_why_it_ended() {
        let killed = Some(Reason::Killed);
        assert_eq!(reason(&status(0), killed), Reason::Ok);
        assert_eq!(reason(&status(3), killed), Reason::ExitStatus);
        assert_eq!(reason(&Ended { hit: true, ..status(3) }, killed), Reason::Killed);
        assert_eq!(reason(&Ended { hit: true, ..status(3) }, None), Reason::ExitStatus);
    }

    #[test]
    fn who_ends_while_everything_is_told_to_end_is_suspect_unless_it_succeeds_or_was_ordered_to() {
        let killed = Some(Reason::Killed);
        let by = |signal| Ended { signal: Some(signal), ..Ended::default() };
        for ended in [by(libc::SIGTERM), by(libc::SIGKILL), status(128 + libc::SIGTERM)] {
            assert!(suspect(ended.clone(), None));
            assert!(suspect(ended.clone(), killed), "the order came too late");
            assert!(!suspect(Ended { hit: true, ..ended }, killed));
        }
        for ended in [by(libc::SIGSEGV), status(1)] {
            assert!(!suspect(ended.clone(), None));
            assert!(suspect(Ended { signalled: true, ..ended }, None));
        }
        assert!(!suspect(Ended { signalled: true, ..status(0) }, None));
        assert!(
            is_suspect(&End::SupervisorLost, None) && !is_suspect(&End::SupervisorLost, killed)
        );
    }
}
