//! Jobs in YAML.

use serde_json::Value;
use serde_saphyr::{Spanned, budget, options};

use super::{Entry, Wrong, command};

/// Nodes of one list: what the API takes at once, and long jobs at that.
const NODES: usize = 10_000_000;

/// A list of jobs, one job, or several documents of either.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut jobs = Vec::new();
    for (line, value) in values(text)? {
        match value {
            Value::Object(job) => jobs.push(Entry { line, job }),
            Value::String(text) => jobs.push(Entry { line, job: command(&text) }),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => wrong.push(Wrong {
                line,
                text: "a job is a mapping such as `command: make`, or a command line".to_owned(),
            }),
        }
    }
    if wrong.is_empty() { Ok(jobs) } else { Err(wrong) }
}

/// The items of lists and the documents that are none, each with its line.
pub(crate) fn values(text: &str) -> Result<Vec<(usize, Value)>, Vec<Wrong>> {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for (above, document) in documents(text) {
        match one(&document) {
            Ok(found) => values.extend(found.into_iter().map(|(line, one)| (line + above, one))),
            Err(error) => {
                let line = error.location().map_or(1, |place| place.line() as usize) + above;
                wrong.push(Wrong { line, text: told(&error) });
            }
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

/// Each document, with the number of lines above it.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(0, String::new())];
    for (index, line) in text.lines().enumerate() {
        // At the margin these end a document whatever it is in the middle of.
        if let Some(rest) = line.strip_prefix("---").filter(|r| r.is_empty() || r.starts_with(' '))
        {
            // What stands behind it is kept in its column.
            documents.push((index, format!("   {rest}\n")));
            continue;
        }
        if line.trim_end() == "..." {
            documents.push((index, "\n".to_owned()));
            continue;
        }
        let (_, document) = documents.last_mut().expect("there is one from the beginning");
        document.push_str(line);
        document.push('\n');
    }
    documents.retain(|(_, text)| text.lines().any(says));
    documents
}

fn says(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

fn one(text: &str) -> Result<Vec<(usize, Value)>, serde_saphyr::Error> {
    let first = text.lines().position(says).unwrap_or(0);
    let begin = text.lines().nth(first).unwrap_or_default().trim();
    let is_list = begin == "-" || begin.starts_with("- ") || begin.starts_with('[');
    let options = || {
        options! {
            budget: budget! { max_events: 4 * NODES, max_nodes: NODES, max_total_scalar_bytes: 1 << 30 },
            with_snippet: false,
        }
    };
    if is_list {
        let list: Vec<Spanned<Value>> = serde_saphyr::from_str_with_options(text, options())?;
        let placed = list.into_iter().map(|one| (one.referenced.line() as usize, one.value));
        return Ok(placed.collect());
    }
    Ok(vec![(first + 1, serde_saphyr::from_str_with_options(text, options())?)])
}

/// The error's own words; the place is told by us.
fn told(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let told = match (first.strip_prefix("error: "), first.rsplit_once(" at line ")) {
        (Some(rest), _) => rest,
        (None, Some((told, _))) => told,
        (None, None) => first,
    };
    format!("not YAML: {told}")
}
