//! One schedule as a line of a crontab.

use std::collections::BTreeMap;

use ostler_cron_module::{Dialect, Expression};
use serde_json::{Value, json};

use crate::values::quoted;

/// What a line says.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) zone: Option<String>,
    /// The table's variable that says to whom output is mailed; empty: to nobody.
    pub(super) mailto: String,
    /// What is otherwise there.
    pub(super) notes: Vec<String>,
}

/// More than a line of cron has room for.
const LENGTH_MAX: usize = 998;
/// What a crontab has no word for, and what it means that it is left out.
const UNSAID: [(&str, &str); 5] = [
    ("starts", "cron fires it before that as well"),
    ("ends", "cron fires it after that as well"),
    ("expect_within", "cron tells nobody that it is overdue"),
    ("max_run", "cron tells nobody that it runs too long"),
    ("expires_in", "cron starts it at once or not at all"),
];
/// Fields of a job that cron has a way for, or that mean nothing to it.
const SAID: [&str; 10] =
    ["command", "argv", "env", "cwd", "stdin", "user", "delivery", "retry", "name", "mailto"];

/// `Err`: why there is no such line.
pub(super) fn line(
    name: &str,
    body: &Value,
    common: &BTreeMap<String, String>,
    system: bool,
) -> Result<Line, String> {
    let job = &body["job"];
    let when = when(name, body)?;
    let user = match (system, job["user"].as_str()) {
        (true, Some(user)) => format!("{user} "),
        (true, None) => return Err("it names no user".to_owned()),
        (false, Some(user)) => {
            return Err(format!(
                "it is run by {user}, and a user's own table has no user; --system has"
            ));
        }
        (false, None) => String::new(),
    };
    let command = escaped(&format!("{}{}", before(job, common), work(job)?))?;
    let stdin = match &job["stdin"] {
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => input(text)?,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err("its standard input is not text".to_owned());
        }
    };
    let text = format!("{when} {user}{command}{stdin}");
    if text.len() > LENGTH_MAX {
        return Err(format!(
            "the line would have {} characters, and cron reads {LENGTH_MAX}",
            text.len()
        ));
    }
    let zone = body["zone"].as_str().map(str::to_owned);
    let mailto = job["mailto"].as_str().unwrap_or_default().to_owned();
    Ok(Line { text, zone, mailto, notes: notes(body) })
}

/// The expression, if Vixie's cron understands the same by it.
fn when(name: &str, body: &Value) -> Result<String, String> {
    let cron = body["cron"].as_str().unwrap_or_default();
    let mine = if body["vixie"] == true { Dialect::Vixie } else { Dialect::Standard };
    let parsed = |dialect| Expression::parse(cron, name, dialect);
    let expression = parsed(mine).map_err(|fault| fault.to_string())?;
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let is_hashed = |it: &&str| {
        it.split(['/', ',', '-']).any(|part| part.starts_with(['H', '~']) || part.contains('~'))
    };
    match (&expression, fields.len()) {
        (Expression::Every(_), _) => Err("cron counts no lengths of time".to_owned()),
        (Expression::Fields(_), 6..) => Err("cron knows no seconds and no years".to_owned()),
        (Expression::Fields(_), _) if fields.iter().any(is_hashed) => {
            Err("cron has no H, and draws ~ anew".to_owned())
        }
        (Expression::Fields(_), _) if fields.iter().any(|it| is_of_days(it)) => {
            Err("cron knows no L, W, #, ? and +".to_owned())
        }
        _ if parsed(Dialect::Vixie).is_ok_and(|it| it == expression) => Ok(fields.join(" ")),
        _ => Err("cron means other days by it: */2 restricts nothing there".to_owned()),
    }
}

/// Whether a field has what Vixie's cron does not know, beside the names of days and months.
fn is_of_days(field: &str) -> bool {
    let is_letter = |part: &str| {
        matches!(part, "L" | "LW" | "W")
            || part.ends_with('L') && part[..part.len() - 1].bytes().all(|it| it.is_ascii_digit())
    };
    field.contains(['#', '?', '+'])
        || field.split(['/', ',', '-']).any(|part| {
            let upper = part.to_ascii_uppercase();
            is_letter(&upper)
                || upper
                    .strip_suffix('W')
                    .is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
        })
}

/// What makes the folder and the environment of the job.
fn before(job: &Value, common: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in job["env"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let is_of_table = match name.as_str() {
            "MAILTO" => job["mailto"].as_str().unwrap_or_default() == value,
            name => common.get(name).is_some_and(|it| it == value),
        };
        if !is_of_table {
            text += &format!("export {name}={}; ", quoted(value));
        }
    }
    if let Some(cwd) = job["cwd"].as_str() {
        // The command may have parts that `&&` would not hold for.
        text += &format!("cd {} || exit 1; ", quoted(cwd));
    }
    text
}

fn work(job: &Value) -> Result<String, String> {
    if let Some(line) = job["command"].as_str() {
        return Ok(line.to_owned());
    }
    let words: Option<Vec<String>> =
        job["argv"].as_array().map(|it| it.iter().filter_map(Value::as_str).map(quoted).collect());
    words.map(|it| it.join(" ")).ok_or_else(|| "it runs no command".to_owned())
}

/// A `%` is the end of a line to cron, unless an odd number of backslashes is before it, of which it takes one away.
fn escaped(text: &str) -> Result<String, String> {
    if text.contains(['\n', '\r']) {
        return Err("a line of cron has no line ends in it".to_owned());
    }
    let mut parts = text.split('%').peekable();
    let mut line = String::new();
    while let Some(part) = parts.next() {
        line += part;
        if parts.peek().is_some() {
            let backslashes = part.bytes().rev().take_while(|it| *it == b'\\').count();
            if !backslashes.is_multiple_of(2) {
                return Err("cron has no way to write a backslash before a %".to_owned());
            }
            line += "\\%";
        }
    }
    Ok(line)
}

/// Standard input: each line after a `%`. Cron ends the last one, unless it is empty.
fn input(text: &str) -> Result<String, String> {
    let lines = text.strip_suffix('\n').ok_or("its standard input does not end with a line")?;
    if lines.contains('\r') {
        return Err("a line of cron has no line ends in it".to_owned());
    }
    let end = if lines.is_empty() || lines.ends_with('\n') { "%" } else { "" };
    Ok(format!("%{}{end}", lines.replace('%', "\\%").replace('\n', "%")))
}

fn notes(body: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let job = &body["job"];
    let mut told = |name: &str, value: &Value, why: &str| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        notes.push(format!("{name} = {}: {why}", value.replace(['\n', '\r'], " ")));
    };
    // What is not said is as it is unless said.
    let missed = if body["missed"].is_null() { json!("one") } else { body["missed"].clone() };
    if missed != "skip" {
        told("missed", &missed, "cron makes up for nothing");
    }
    let overlap = if body["overlap"].is_null() { json!("skip") } else { body["overlap"].clone() };
    if overlap != "allow" {
        told("overlap", &overlap, "cron starts it beside the one before it");
    }
    for (name, why) in UNSAID {
        if !body[name].is_null() {
            told(name, &body[name], why);
        }
    }
    if !body["jitter"].is_null() {
        told("jitter", &body["jitter"], "cron starts it at once; cronie has RANDOM_DELAY");
    }
    if job["retry"]["attempts"] != 1 && job["delivery"] != "at_most_once" {
        let retry =
            if job["retry"].is_null() { json!("as its queue says") } else { job["retry"].clone() };
        told("retry", &retry, "cron tries it once");
    }
    for (name, value) in job.as_object().into_iter().flatten() {
        if !SAID.contains(&name.as_str()) {
            told(name, value, "cron has no word for it");
        }
    }
    notes
}

/// Of one that cannot be said: when, and what.
pub(super) fn shown(body: &Value) -> String {
    let cron = body["cron"].as_str().unwrap_or_default();
    let work = work(&body["job"]).unwrap_or_default().replace(['\n', '\r'], " ");
    format!("{cron} {work}")
}

/// Whether a table's variable can have this value.
pub(super) fn is_variable(value: &str) -> bool {
    !value.contains(['\n', '\r', '"'])
}

/// The value of a variable as it is written.
pub(super) fn variable(value: &str) -> String {
    let is_plain = value.trim() == value && !value.is_empty() && !value.starts_with('\'');
    if is_plain { value.to_owned() } else { format!("\"{value}\"") }
}
