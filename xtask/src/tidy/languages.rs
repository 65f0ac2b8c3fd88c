//! What is of one language stays where its language is, so that the next one finds nothing in its way.

use super::{Finding, Source};

/// Where each language has its folder.
const RUNTIMES: &str = "runner/src/runtime/";

/// Words of a language that is not spelled in full.
const WORDS: &[&str] =
    &["wsgi", "asgi", "venv", "virtualenv", "virtual_env", "virtual environment"];

/// Tells people what to write: the key of each interpreter, and of what apps are. Kinds of apps that nothing here serves.
const TELL: &[&str] = &["cli/src/config/keys.rs", "runner/src/runtime/serve.rs"];

/// Code that serves apps of any language.
const SERVES: &[&str] = &["runner/src/", "cli/src/", "process/src/", "pool/src/", "gateway/src/"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let languages = languages(sources);
    let words: Vec<&str> = languages.iter().copied().chain(WORDS.iter().copied()).collect();
    let code = sources.iter().filter(|source| is_for_all(&source.path, &languages));
    let code = code.filter(|source| !source.is_test());
    code.flat_map(|source| check_one(source, &words)).collect()
}

/// The folders of languages.
fn languages(sources: &[Source]) -> Vec<&str> {
    let below = sources.iter().filter_map(|source| source.path.strip_prefix(RUNTIMES));
    let mut languages: Vec<&str> =
        below.filter_map(|rest| rest.split_once('/')).map(|(language, _)| language).collect();
    languages.dedup();
    languages
}

fn is_for_all(path: &str, languages: &[&str]) -> bool {
    let own = path.strip_prefix(RUNTIMES).and_then(|rest| rest.split_once('/'));
    path.ends_with(".rs")
        && SERVES.iter().any(|folder| path.starts_with(folder))
        && !TELL.contains(&path)
        && own.is_none_or(|(folder, _)| !languages.contains(&folder))
}

/// Comments may give examples; the list of languages names its modules.
fn check_one(source: &Source, words: &[&str]) -> Vec<Finding> {
    let is_list = source.path == format!("{RUNTIMES}mod.rs");
    let names_module = |text: &str| text.starts_with("mod ") || text.starts_with("pub const ALL: ");
    let end = source.tests_begin();
    let mut findings = Vec::new();
    for (line, text) in source.lines().take_while(|(line, _)| *line < end) {
        let code = text.split("//").next().unwrap_or(text);
        let lower = code.to_lowercase();
        let Some(word) = words.iter().find(|word| lower.contains(**word)) else { continue };
        if !(is_list && names_module(code)) {
            let cure = format!(
                "{word} is one language's; ask the trait of {RUNTIMES}mod.rs, which the folder of that language answers"
            );
            findings.push(Finding::new(&source.path, line, cure));
        }
    }
    findings
}
