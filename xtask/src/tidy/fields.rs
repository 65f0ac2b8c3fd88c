//! The names of the wire's fields are spelled in one place; everybody else speaks in messages.

use super::{Finding, Source};

/// Where they are spelled.
const KEYS: &str = "wire/src/message/key.rs";

/// Ways to read or write a field by its name.
const WAYS: &[&str] = &[".text(", ".number(", ".value(", ".put(", ".put_parts("];

/// Names the places where one is spelled, but for tests and examples, which play foreign hands.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let keys = sources.iter().filter(|source| source.path == KEYS);
    let keys: Vec<&str> = keys.flat_map(|source| literals(&source.text)).collect();
    let shipped = |source: &&Source| {
        let is_rust = source.path.contains("/src/") && source.path.ends_with(".rs");
        is_rust && source.path != KEYS && !source.is_test() && !source.path.starts_with("xtask/")
    };
    sources.iter().filter(shipped).flat_map(|source| spelled(source, &keys)).collect()
}

fn spelled(source: &Source, keys: &[&str]) -> Vec<Finding> {
    let end = source.tests_begin();
    let is_of_wire = source.path.starts_with("wire/") || source.text.contains("ostler_wire");
    let code = |(line, text): &(usize, &str)| *line < end && !text.trim_start().starts_with("//");
    let mut findings = Vec::new();
    for (line, text) in source.lines().filter(code) {
        let found = literals(text).find(|literal| is_shaped(literal)).or_else(|| {
            let passed = |literal: &&str| {
                keys.contains(literal) && WAYS.iter().any(|way| is_passed(text, way, literal))
            };
            literals(text).find(|literal| is_of_wire && passed(literal))
        });
        if let Some(found) = found {
            let cure = format!(
                "the field {found} is spelled here: use its message of ostler_wire::message, or make one there"
            );
            findings.push(Finding::new(&source.path, line, cure));
        }
    }
    findings
}

/// What stands between quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// `:name`.
fn is_shaped(literal: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    literal.strip_prefix(':').is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
}

fn is_passed(text: &str, way: &str, literal: &str) -> bool {
    let ways = text.match_indices(way).map(|(at, _)| &text[at + way.len()..]);
    let mut arguments = ways.map(|rest| rest.trim_start_matches(['&', '[', 'b']));
    let quoted =
        |rest: &str| rest.strip_prefix('"')?.strip_prefix(literal).map(|end| end.starts_with('"'));
    arguments.any(|rest| quoted(rest) == Some(true))
}
