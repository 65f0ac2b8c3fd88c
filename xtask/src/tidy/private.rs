//! Files and folders are made in one place, where they get their modes.

use super::{Finding, Source};

/// Crates whose files are their owner's.
const WRITERS: &[&str] =
    &["store/src/", "shell-module/src/", "runner/src/", "gateway/src/", "cli/src/"];

/// Written for people, where they say, as their umask says.
const FOR_PEOPLE: &[&str] = &["cli/src/verb/man.rs"];

/// Ways to make something with whatever mode the umask leaves.
const MAKERS: &[&str] = &[
    "fs::write(",
    "File::create",
    "File::options",
    "OpenOptions",
    "DirBuilder",
    "create_dir",
    "UnixListener::bind(",
];

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let writes = WRITERS.iter().any(|folder| source.path.starts_with(folder));
    if !writes || source.is_test() || FOR_PEOPLE.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let end = source.tests_begin();
    let lines = source.lines().take_while(|(line, _)| *line < end);
    let made = lines.filter_map(|(line, text)| {
        let maker = MAKERS.iter().find(|maker| has_word(text, maker))?;
        let cure = format!("{maker} leaves the mode to chance; make it with ostler-private");
        Some(Finding::new(&source.path, line, cure))
    });
    made.collect()
}

/// Whether a text has it other than as the end of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}
