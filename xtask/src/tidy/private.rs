//! Files and folders are made in one place, where they get their modes, and errors of theirs their names.

use super::{Finding, Source};

/// Makes the files of all others, and what no server contains.
const FREE: &[&str] = &["private/", "xtask/", "tests/", "fuzz/"];

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

/// Crates that look at files of the system and of others, where a path says nothing, or add the path themselves. In all others an
/// error about a file is one that people read.
const NOT_TOLD: &[&str] = &["cli/src/", "runner/src/", "shell-module/src/", "process/src/"];

/// Reads only what the system itself makes.
const OF_THE_SYSTEM: &[&str] = &["machine/src/process.rs"];

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
    let is_code = source.path.ends_with(".rs") && source.path.contains("/src/");
    let is_free = FREE.iter().any(|folder| source.path.starts_with(folder));
    if !is_code || is_free || source.is_test() || FOR_PEOPLE.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let end = source.tests_begin();
    let lines = source.lines().take_while(|(line, _)| *line < end);
    let is_told = !NOT_TOLD.iter().any(|folder| source.path.starts_with(folder))
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
