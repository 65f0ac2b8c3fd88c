//! Names that the code gives to the world are in the document that explains them.

use std::collections::BTreeSet;

use super::{Finding, Source};

const FRAMES: &str = "wire/src/kind.rs";
const TERMINATIONS: &str = "job/src/termination.rs";
const WIRE_DOC: &str = "docs/WIRE.md";
/// The one place that names metrics.
const METRICS: &str = "metrics/src/catalogue.rs";
const OPERATIONS_DOC: &str = "docs/OPERATIONS.md";
/// What begins as metrics do and is none: the Python child's package.
const NOT_METRICS: &[&str] = &["ostler_child"];
/// Code that no gateway runs.
const NOT_SERVED: &[&str] = &["tests/", "xtask/", "fuzz/"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let find = |path: &str| sources.iter().find(|s| s.path == path);
    let mut findings = Vec::new();
    if let (Some(code), Some(document)) = (find(FRAMES), find(WIRE_DOC)) {
        findings.extend(check_frames(code, document));
    }
    if let (Some(code), Some(document)) = (find(TERMINATIONS), find(OPERATIONS_DOC)) {
        findings.extend(check_terminations(code, document));
    }
    findings.extend(sources.iter().filter(|s| may_name_metrics(s)).flat_map(check_metrics));
    if let Some(code) = find(METRICS) {
        findings.extend(check_counted(code, sources));
    }
    findings
}

/// Every `Name = 0x..` or `Name = n` of the enums has a table row with its code and its name in capitals.
fn check_frames(code: &Source, document: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in code.lines() {
        let Some((name, value)) = variant(text) else { continue };
        let rows = document.text.lines().filter(|row| row.starts_with('|'));
        let wanted = [format!("`{value}`"), format!("`{}`", screaming(name))];
        if !rows.into_iter().any(|row| wanted.iter().all(|cell| row.contains(cell))) {
            let cure = format!(
                "{name} is not in {}: add a table row with {} and {}",
                document.path, wanted[0], wanted[1]
            );
            findings.push(Finding::new(&code.path, line, cure));
        }
    }
    findings
}

/// A line `Name = 0x01,` or `Name = 1,`.
fn variant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().strip_suffix(',')?.split_once(" = ")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(char::is_alphanumeric);
    (is_name && value.starts_with(|c: char| c.is_ascii_digit())).then_some((name, value))
}

/// `ClientGone` as `CLIENT_GONE`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// Every `Name => "code"` is in the document as `code`.
fn check_terminations(code: &Source, document: &Source) -> Vec<Finding> {
    let codes = code.lines().filter_map(|(line, text)| {
        let code = text.trim().split_once(" => \"")?.1.strip_suffix("\",")?;
        Some((line, code))
    });
    let missing = codes.filter(|(_, code)| !document.text.contains(&format!("`{code}`")));
    missing
        .map(|(line, name)| {
            let cure = format!(
                "termination {name} is not in {}: say there who ends what, and the cure",
                document.path
            );
            Finding::new(&code.path, line, cure)
        })
        .collect()
}

/// Whether a metric that the file names is one of ours: any code that is not for tests, in whatever crate.
fn may_name_metrics(source: &Source) -> bool {
    source.path.ends_with(".rs")
        && source.path != METRICS
        && !source.is_test()
        && !NOT_SERVED.iter().any(|f| source.path.starts_with(f))
}

/// No `"ostler_…"` is outside of the table of metrics, whose own test compares the document with it.
fn check_metrics(code: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in code.lines().take_while(|(line, _)| *line < code.tests_begin()) {
        for name in text.split('"').skip(1).step_by(2).filter(|name| is_metric(name)) {
            let cure = format!("metric {name} is named here: declare it in {METRICS} alone");
            findings.push(Finding::new(&code.path, line, cure));
        }
    }
    findings
}

/// Every `NAME = KIND, "…"` of the table is taken from there by code that a gateway runs: the compiler does not mind an unused `pub const`.
fn check_counted(code: &Source, sources: &[Source]) -> Vec<Finding> {
    let mut counted = BTreeSet::new();
    for source in sources.iter().filter(|source| may_name_metrics(source)) {
        let end = source.tests_begin();
        let lines = source.lines().take_while(|(line, _)| *line < end);
        counted.extend(lines.flat_map(|(_, text)| names_after(text, "catalogue::")));
    }
    let declared = code.lines().filter_map(|(line, text)| Some((line, declared(text)?)));
    declared
        .filter(|(_, id)| !counted.contains(id))
        .map(|(line, id)| {
            let cure =
                format!("metric {id} is never counted: take it from catalogue::{id}, or delete it");
            Finding::new(&code.path, line, cure)
        })
        .collect()
}

/// A line `NAME = G, "ostler_…" [labels] "meaning";`.
fn declared(line: &str) -> Option<&str> {
    let (id, rest) = line.trim().split_once(" = ")?;
    let is_id = id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    (is_id && rest.contains(", \"") && line.ends_with("\";")).then_some(id)
}

/// The names that stand behind `before`.
fn names_after<'a>(line: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(before).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn is_metric(name: &str) -> bool {
    name.len() > "ostler_".len()
        && name.starts_with("ostler_")
        && !NOT_METRICS.contains(&name)
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
