//! What people see on stderr: plain text, with a little weight on a terminal.

use std::{
    env,
    io::{IsTerminal as _, Write as _, stderr},
};

use crate::failure::Failure;

/// How text is set off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Strong,
    Faint,
    Good,
    Bad,
}

/// Whether stderr is a terminal that shows colours, and nobody asked for none.
fn colours() -> bool {
    let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    stderr().is_terminal() && unset("NO_COLOR") && env::var_os("TERM").is_some_and(|t| t != "dumb")
}

/// The text in a tone, or just the text.
pub(crate) fn toned(tone: Tone, text: &str) -> String {
    if !colours() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Strong => "1",
        Tone::Faint => "2",
        Tone::Good => "32",
        Tone::Bad => "31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Writes lines at once, so that those of several threads do not mix. A closed stderr is no reason to end.
pub(crate) fn say(text: &str) {
    let mut whole = text.to_owned();
    whole.push('\n');
    let _ = stderr().lock().write_all(whole.as_bytes());
}

/// Something that a person should know.
pub(crate) fn note(text: &str) {
    say(&format!("{} {text}", toned(Tone::Faint, "note:")));
}

/// Why the program ends.
pub(crate) fn fail(failure: &Failure) {
    let (lines, placed) = failure.lines();
    for line in lines {
        let who = if placed { String::new() } else { format!("{} ", toned(Tone::Bad, "ostler:")) };
        say(&format!("{who}{line}"));
    }
}
