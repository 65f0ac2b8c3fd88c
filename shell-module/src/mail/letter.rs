//! What is known of a mail when its attempt starts, and whether the attempt's end is the job's.

use ostler_job::durable::{
    Command, Delivery, Ending, Finish, FiringKey, Reason, Retry, Spec, checked_mailto,
    line_of_shell,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The addresses, as they are written in a header.
    pub(super) mailto: String,
    /// As whom the command runs, and the mailer with it; `None`: as the runner.
    pub(super) user: Option<String>,
    /// For people.
    pub(super) command: String,
    pub(super) firing: Option<Box<FiringKey>>,
    pub(super) retry: Retry,
    /// It runs at most once.
    pub(super) once: bool,
}

impl Letter {
    /// Of a job whose output somebody wants; the user is the one that was permitted. A gateway has checked the addresses, but
    /// what came over a link is not believed.
    pub(crate) fn of(spec: &Spec, command: &Command) -> Option<Self> {
        let mailto = checked_mailto(command.mailto.as_deref()?).ok()?;
        (!mailto.is_empty()).then(|| Self {
            mailto,
            user: command.user.clone(),
            command: shown(command),
            firing: spec.firing.clone(),
            retry: spec.retry.clone(),
            once: spec.delivery == Delivery::AtMostOnce,
        })
    }

    /// Whether another attempt follows for certain, which is mailed then. How many failures there were before only the
    /// gateway knows: attempts that were lost are none.
    pub(crate) fn is_followed(&self, finish: &Finish) -> bool {
        let Ending { reason, exit_status, .. } = finish.ending;
        match reason {
            Reason::Ok
            | Reason::Killed
            | Reason::Cancelled
            | Reason::Expired
            | Reason::Quarantined => false,
            Reason::Lost => !self.once,
            Reason::ExitStatus | Reason::Signal | Reason::Timeout | Reason::Unstartable => {
                let is_left = finish.key.attempt < self.retry.attempts;
                !self.once && is_left && self.retry.judge(reason, exit_status).is_ok()
            }
        }
    }
}

/// As a crontab has it: a line that another shell is given is that line.
fn shown(command: &Command) -> String {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let line = line_of_shell(&words).filter(|_| command.line.is_none());
    line.map_or_else(|| command.shown(), str::to_owned)
}
