//! What people see on stderr: plain text, with a little weight on a terminal.

use std::{
    env,
    io::{self, BufRead as _, IsTerminal as _, Write as _, stderr, stdout},
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

/// Whether a terminal shows colours, and nobody asked for none.
fn colours() -> bool {
    let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR") && env::var_os("TERM").is_some_and(|t| t != "dumb")
}

/// Whether what goes to stdout may be coloured.
pub(crate) fn stdout_colours() -> bool {
    stdout().is_terminal() && colours()
}

/// The text in a tone for stderr, or just the text.
pub(crate) fn toned(tone: Tone, text: &str) -> String {
    if stderr().is_terminal() && colours() { painted(tone, text) } else { text.to_owned() }
}

/// The text in a tone.
pub(crate) fn painted(tone: Tone, text: &str) -> String {
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

/// Writes to stdout at once. A reader that has enough, such as `head`, ends the program quietly.
pub(crate) fn put(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(bytes.as_ref()).and_then(|()| out.flush()).map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::unread();
        }
        Failure::broken(format!("cannot write to standard output: {error}"))
    })
}

/// Whether a person types, and reads the questions.
pub(crate) fn is_person() -> bool {
    io::stdin().is_terminal() && stderr().is_terminal()
}

/// Asks a person, and nobody else: what a program does is meant.
pub(crate) fn confirmed(question: &str) -> Result<bool, Failure> {
    if !is_person() {
        return Ok(true);
    }
    let _unasked = write!(stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::usage(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A number of things: `1 job`, `2 jobs`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
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
