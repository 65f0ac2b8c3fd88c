//! A step that failed, and how the runner hears of it.

use std::{
    borrow::Cow,
    io::Write,
    os::{fd::BorrowedFd, unix::net::UnixStream},
};

use ostler_wire::{
    message::{self, Message as _},
    valid_value,
};

/// Which step failed, why, and what to do.
#[derive(Debug)]
pub(super) struct Failure {
    stage: &'static str,
    message: String,
    hint: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(stage: &'static str, message: String) -> Self {
        Self { stage, message, hint: Cow::Borrowed("") }
    }

    /// Adds the cure.
    pub(super) fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Sends the failure as a FAIL frame.
    pub(super) fn report(&self, ctl: BorrowedFd<'_>) {
        // Names of users and folders may hold anything; in a head they may not.
        let text = match valid_value(self.message.as_bytes()) {
            true => self.message.clone(),
            false => self.message.escape_debug().to_string(),
        };
        let told = message::Failure {
            stage: Some(self.stage.into()),
            class: Some("LaunchError".into()),
            message: Some(text.into()),
            hint: Some(Cow::Borrowed(&*self.hint)),
            ..message::Failure::default()
        };
        // Without the socket there is nobody to tell; the exit status says that the launch failed.
        if let Ok(owned) = ctl.try_clone_to_owned() {
            let _ = UnixStream::from(owned).write_all(&told.to_bytes());
        }
    }
}
