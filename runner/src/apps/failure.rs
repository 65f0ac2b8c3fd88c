//! Why an app could not be started, with everything that helps to find out.

use std::borrow::Cow;

use ostler_wire::{Frame, WireError, message, valid_value};

/// A failure of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The step that failed.
    pub stage: String,
    /// The error's class.
    pub class: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The last lines of standard error.
    pub stderr: String,
    /// The backtrace.
    pub trace: String,
}

impl Failure {
    /// What a FAIL frame says.
    pub(crate) fn from_frame(frame: &Frame) -> Result<Self, WireError> {
        let told = message::Failure::of(frame)?;
        let or = |text: Option<Cow<'_, str>>, default: &str| {
            text.map_or_else(|| default.to_owned(), Cow::into_owned)
        };
        Ok(Self {
            stage: or(told.stage, "boot"),
            class: or(told.class, ""),
            message: or(told.message, "the child gave no reason"),
            hint: or(told.hint, ""),
            stderr: String::new(),
            trace: told.trace.into_owned(),
        })
    }

    /// A failure that the runner itself noticed.
    pub(crate) fn noticed(stage: &str, message: String, hint: &str) -> Self {
        Self { stage: stage.into(), message, hint: hint.into(), ..Self::default() }
    }

    /// As an APP frame tells it. Line ends, which a head cannot hold, become `\n` in two characters.
    pub(crate) fn message(&self) -> message::Failure<'_> {
        let line = |value| Some(Cow::Owned(clean(value, false)));
        message::Failure {
            stage: line(&self.stage),
            class: line(&self.class),
            message: line(&self.message),
            hint: line(&self.hint),
            stderr: Some(Cow::Owned(clean(&self.stderr, true))),
            trace: Cow::Borrowed(&self.trace),
        }
    }
}

/// A value without what a head cannot carry. Standard error keeps its line ends: the head is ours and not HTTP's, and
/// only NUL is forbidden in it.
fn clean(value: &str, lines: bool) -> String {
    if lines {
        value.replace('\0', "\u{fffd}")
    } else if valid_value(value.as_bytes()) {
        value.to_owned()
    } else {
        value.replace('\0', "\u{fffd}").replace('\r', "").replace('\n', "\\n")
    }
}
