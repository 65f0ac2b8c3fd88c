//! Why an app could not be started, with everything that helps to find out.

use ostler_wire::{FieldsWriter, Frame, WireError, valid_value};

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
        let fields = frame.fields()?;
        let text = |name: &str| {
            fields.value(name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned())
        };
        Ok(Self {
            stage: text(":stage").unwrap_or_else(|| "boot".into()),
            class: text(":class").unwrap_or_default(),
            message: text(":message").unwrap_or_else(|| "the child gave no reason".into()),
            hint: text(":hint").unwrap_or_default(),
            stderr: String::new(),
            trace: String::from_utf8_lossy(&frame.body).into_owned(),
        })
    }

    /// A failure that the runner itself noticed.
    pub(crate) fn noticed(stage: &str, message: String, hint: &str) -> Self {
        Self { stage: stage.into(), message, hint: hint.into(), ..Self::default() }
    }

    /// Writes the fields of an APP frame. Line ends, which a head cannot hold, become `\n` in two characters.
    pub(crate) fn put(&self, head: &mut FieldsWriter<'_>) {
        let fields = [
            (":stage", &self.stage),
            (":class", &self.class),
            (":message", &self.message),
            (":hint", &self.hint),
            (":stderr", &self.stderr),
        ];
        for (name, value) in fields {
            head.put(name.as_bytes(), clean(value, name == ":stderr").as_bytes());
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
