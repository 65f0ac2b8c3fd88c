//! What is said of an attempt's end.

use ostler_job::{
    Span,
    durable::{Ending, Finish, Reason, Report, Usage},
};

use super::{End, Running};
use crate::{message::Ended, shell::unstartable};

/// Signals that whole trees of processes are ended by.
const ENDING: [i32; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGTERM];

impl Running {
    pub(super) fn report(&self, end: &End) -> Report {
        let (started_at, ran, usage, mut ending) = match end {
            End::Failed(why) => return unstartable(self.key, why.clone()),
            End::Ended(ended) => {
                let ending = self.ending(ended);
                (self.started.map(|(at, _)| at), ended.ran, ended.usage, ending)
            }
            End::SupervisorLost | End::Untouched | End::NoRoom => {
                let detail = "its supervisor was killed, and the job with it".to_owned();
                let ending = Ending {
                    reason: self.cause.unwrap_or(Reason::Signal),
                    exit_status: None,
                    signal: Some(libc::SIGKILL),
                    detail: Some(detail),
                };
                (self.started.map(|(at, _)| at), Span::ZERO, Usage::default(), ending)
            }
        };
        let log = self.log.borrow();
        if let Some(loss) = log.loss() {
            ending.detail = Some(match ending.detail {
                Some(detail) => format!("{detail}; {loss}"),
                None => loss,
            });
        }
        let log = log.state();
        Report::Finished(Box::new(Finish { key: self.key, ending, started_at, ran, usage, log }))
    }

    /// Whether it may be the work of whoever ends all processes of the host or the service, this runner's among them: an
    /// end by a signal that nobody here has sent, by a shell's word for one, or while its supervisor was told to end.
    pub(super) fn is_suspect(&self, end: &End) -> bool {
        let ended = match end {
            End::Failed(_) | End::Untouched | End::NoRoom => return false,
            End::SupervisorLost => return self.cause.is_none(),
            End::Ended(ended) => ended,
        };
        let by_signal = match (ended.exit_status, ended.signal) {
            (Some(0), _) => return false,
            (Some(status), _) => status - 128,
            (None, signal) => signal.unwrap_or_default(),
        };
        let is_ordered = ended.hit && self.cause.is_some();
        !is_ordered && (ended.signalled || ENDING.contains(&by_signal))
    }

    fn ending(&self, ended: &Ended) -> Ending {
        let by_itself = match (ended.exit_status, ended.signal) {
            (Some(0), _) => Reason::Ok,
            (Some(_), _) => Reason::ExitStatus,
            (None, _) => Reason::Signal,
        };
        // An order that came too late is not why it ended.
        let cause = self.cause.filter(|_| ended.hit);
        let detail = (ended.left > 0).then(|| {
            let left = ended.left;
            format!("{left} of its processes became another user's and could not be killed")
        });
        let reason = cause.unwrap_or(by_itself);
        Ending { reason, exit_status: ended.exit_status, signal: ended.signal, detail }
    }
}
