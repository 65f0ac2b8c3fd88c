//! Crates that decide hold no clock, socket, file or thread, not even from the standard library.

use super::{Finding, Source};

/// Source folders of the pure crates.
const FOLDERS: &[&str] =
    &["job/src/", "wire/src/", "scheduler/src/", "module/src/", "driver/src/", "cron-module/src/"];
/// Modules of `std` that act.
const MODULES: &[&str] = &["env", "fs", "net", "os", "process", "thread"];
/// Clocks.
const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now"];

pub(crate) fn is_pure(path: &str) -> bool {
    path.ends_with(".rs") && FOLDERS.iter().any(|folder| path.starts_with(folder))
}

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if source.is_test() {
        return Vec::new();
    }
    let tests = source.tests_begin();
    let mut imports = false;
    let mut findings = Vec::new();
    for (line, text) in source.lines().take_while(|(line, _)| *line < tests) {
        let code = text.split("//").next().unwrap_or_default();
        imports |= code.contains("use std::{");
        let named = CLOCKS.iter().filter(|name| code.contains(**name)).map(ToString::to_string);
        let paths = MODULES.iter().map(|m| format!("std::{m}")).filter(|path| has_word(code, path));
        let grouped =
            MODULES.iter().filter(|m| imports && has_word(code, m)).map(|m| format!("std::{m}"));
        let name = named.chain(paths).chain(grouped).next();
        findings.extend(name.map(|name| {
            let cure =
                format!("a pure crate may not use {name}: take what it gives as an argument");
            Finding::new(&source.path, line, cure)
        }));
        imports &= !code.contains("};");
    }
    findings
}

/// Whether `word` occurs with no letter, digit or `_` beside it.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}
