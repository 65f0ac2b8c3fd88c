//! Files and folders are made in one place, where they get their modes, and errors of theirs their names.

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

/// Crates whose errors about files people read.
const TOLD: &[&str] = &["store/src/", "gateway/src/"];

/// Reads only what the system itself makes.
const OF_THE_SYSTEM: &[&str] = &["gateway/src/process.rs"];

/// Ways whose errors do not say which file they are about.
const NAMELESS: &[&str] = &[
    "fs::read(",
    "fs::read_to_string(",
    "fs::read_dir(",
    "fs::rename(",
    "fs::remove_file(",
    "File::open(",
];

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let writes = WRITERS.iter().any(|folder| source.path.starts_with(folder));
    if !writes || source.is_test() || FOR_PEOPLE.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let end = source.tests_begin();
    let lines = source.lines().take_while(|(line, _)| *line < end);
    let is_told = TOLD.iter().any(|folder| source.path.starts_with(folder))
        && !OF_THE_SYSTEM.contains(&source.path.as_str());
    let found = lines.filter_map(|(line, text)| {
        let one_of = |ways: &'static [&str]| ways.iter().find(|way| has_word(text, way));
        let cure = match (one_of(MAKERS), one_of(NAMELESS).filter(|_| is_told)) {
            (Some(way), _) => {
                format!("{way} leaves the mode to chance; make it with ostler-private")
            }
            (None, Some(way)) => {
                format!("{way} has errors that name no file; ostler-private has it with names")
            }
            (None, None) => return None,
        };
        Some(Finding::new(&source.path, line, cure))
    });
    found.collect()
}

/// Whether a text has it other than as the end of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}
