//! Lists of jobs as people write them: YAML, NDJSON, or one command line a line; detected.
//!
//! Only the form is read here. What a job may say is the API's to judge; each job keeps the line
//! that it came from, so that a judgement can be told with its place.

mod yaml;

pub(crate) use yaml::values as yaml_values;

use clap::ValueEnum;
use serde_json::{Map, Value};

/// A job as it will be submitted, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Its line, from 1.
    pub(crate) line: usize,
    pub(crate) job: Map<String, Value>,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A list of mappings, or documents that are set apart by `---`
    Yaml,
    /// One JSON object a line
    Ndjson,
    /// One command line a line; empty lines and lines that begin with # are left out
    Lines,
}

/// Something wrong at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Whether a mapping of one job, or of a list of them, may begin so.
fn is_field(name: &str) -> bool {
    ostler_api::names::submit().any(|known| known == name)
        || matches!(name, "id" | "state" | "jobs")
}

/// Reads a list; what is wrong is told for every line at once.
pub(crate) fn parse(text: &str, kind: Option<Kind>) -> Result<Vec<Entry>, Vec<Wrong>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match kind.unwrap_or_else(|| detect(text)) {
        Kind::Yaml => yaml::parse(text),
        Kind::Ndjson => ndjson(text),
        Kind::Lines => Ok(lines(text)),
    }
}

/// The first line that says something decides.
fn detect(text: &str) -> Kind {
    let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let Some(first) = text.lines().find(says) else { return Kind::Lines };
    if first.starts_with('{') {
        let is_json = serde_json::from_str::<Value>(first).is_ok();
        if is_json || first.starts_with("{\"") {
            // A whole object over several lines is YAML too.
            let whole = !is_json && serde_json::from_str::<Value>(text).is_ok();
            return if whole { Kind::Yaml } else { Kind::Ndjson };
        }
        return if serde_json::from_str::<Value>(text).is_ok() { Kind::Yaml } else { Kind::Lines };
    }
    if first.starts_with('[') {
        return if serde_json::from_str::<Value>(text).is_ok() { Kind::Yaml } else { Kind::Lines };
    }
    let field = first.split_once(':').filter(|(_, rest)| rest.is_empty() || rest.starts_with(' '));
    let is_yaml = first.trim_end() == "---"
        || first.starts_with("--- ")
        || first.starts_with("- ")
        || first.trim_end() == "-"
        || field.is_some_and(|(name, _)| is_field(name));
    if is_yaml { Kind::Yaml } else { Kind::Lines }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

fn ndjson(text: &str) -> Result<Vec<Entry>, Vec<Wrong>> {
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    for (line, text) in numbered(text) {
        match serde_json::from_str(text) {
            Ok(Value::Object(job)) => entries.push(Entry { line, job }),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
            | Ok(Value::Array(_)) => {
                wrong.push(Wrong { line, text: "not a JSON object".to_owned() });
            }
            Err(error) => {
                let place = error.column();
                let told = error.to_string();
                // It counts lines from this one.
                let what = told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what);
                wrong.push(Wrong { line, text: format!("not JSON, at column {place}: {what}") });
            }
        }
    }
    if wrong.is_empty() { Ok(entries) } else { Err(wrong) }
}

fn lines(text: &str) -> Vec<Entry> {
    let lines = numbered(text).filter(|(_, line)| !line.starts_with('#'));
    lines.map(|(line, text)| Entry { line, job: command(text) }).collect()
}

/// A job of a command line alone.
pub(crate) fn command(line: &str) -> Map<String, Value> {
    Map::from_iter([("command".to_owned(), Value::from(line))])
}

#[cfg(test)]
mod tests;
