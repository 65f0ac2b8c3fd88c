//! One schedule as a line of a crontab.

use std::collections::BTreeMap;

use ostler_cron_module::{Dialect, Expression};
use serde_json::{Value, json};

use super::Home;
use crate::values::quoted;

/// What a line says.
#[derive(Debug)]
pub(super) struct Line {
    /// Variables that are to stand above it.
    pub(super) above: Vec<String>,
    pub(super) text: String,
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

/// Variables that cron has by itself.
const OF_CRON: [(&str, &str); 4] =
    [("CRON_TZ", ""), ("PATH", "/usr/bin:/bin"), ("RANDOM_DELAY", "0"), ("SHELL", "/bin/sh")];

/// `Err`: why there is no such line. `above` is what variables are by the lines before it, and then by this one.
pub(super) fn line(
    name: &str,
    body: &Value,
    above: &mut BTreeMap<String, String>,
    (system, home): (bool, Home),
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
    let mut set = Set { above: above.clone(), lines: Vec::new(), before: String::new() };
    set.all(&variables(body), job);
    set.folder(job, home);
    let command = escaped(&format!("{}{}", set.before, work(job)?))?;
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
    *above = set.above;
    Ok(Line { above: set.lines, text, notes: notes(body) })
}

/// All that a table has to say above a line: the environment, the zone, and the delay.
pub(super) fn variables(body: &Value) -> BTreeMap<String, String> {
    let job = &body["job"];
    let env = job["env"].as_object().into_iter().flatten();
    let mut variables: BTreeMap<String, String> =
        env.filter_map(|(name, it)| Some((name.clone(), it.as_str()?.to_owned()))).collect();
    if let Some(zone) = body["zone"].as_str() {
        variables.insert("CRON_TZ".to_owned(), zone.to_owned());
    }
    if let Some(minutes) = minutes(&body["jitter"]) {
        variables.insert("RANDOM_DELAY".to_owned(), minutes.to_string());
    }
    if let Some(to) = mailto(job) {
        variables.insert("MAILTO".to_owned(), to);
    }
    variables
}

/// What has to be said of mail. `None`: nothing, since cron mails to who runs the line, too.
fn mailto(job: &Value) -> Option<String> {
    let (to, text) = (job["mailto"].as_str(), job["env"]["MAILTO"].as_str());
    let read = text.map(|text| ostler_api::checked_mailto(text).unwrap_or_default());
    match (read, text) {
        // As it was written, if it means that.
        (Some(read), Some(text)) if read == to.unwrap_or_default() => Some(text.to_owned()),
        (None, _) if to.is_some() && to == job["user"].as_str() => None,
        _ => Some(to.unwrap_or_default().to_owned()),
    }
}

/// What a variable is to cron where the table says nothing of it.
pub(super) fn usual(name: &str) -> Option<&'static str> {
    OF_CRON.iter().find(|it| it.0 == name).map(|it| it.1)
}

/// Whole minutes, which cronie knows a word for.
fn minutes(jitter: &Value) -> Option<u64> {
    let (_, millis) = ostler_gateway::units::duration(jitter.as_str()?)?;
    (millis > 0 && millis.is_multiple_of(60_000)).then_some(millis / 60_000)
}

/// Variables on their way into a table.
struct Set {
    above: BTreeMap<String, String>,
    lines: Vec<String>,
    /// What a line has to say before its command, since no variable can.
    before: String,
}

impl Set {
    fn all(&mut self, wanted: &BTreeMap<String, String>, job: &Value) {
        let gone: Vec<String> =
            self.above.keys().filter(|it| !wanted.contains_key(*it)).cloned().collect();
        for name in gone {
            match usual(&name) {
                Some(value) => self.variable(&name, value),
                None if name == "MAILTO" => {
                    self.variable(&name, job["mailto"].as_str().unwrap_or_default());
                }
                None => self.before += &format!("unset {name}; "),
            }
        }
        for (name, value) in wanted {
            if is_variable(value) && (name != "SHELL" || value.starts_with('/')) {
                self.variable(name, value);
            } else {
                self.before += &format!("export {name}={}; ", quoted(value));
            }
        }
        // The command's own, where it is not whom cron mails to.
        let text = job["env"]["MAILTO"].as_str();
        if let Some(text) = text.filter(|it| wanted.get("MAILTO").is_some_and(|to| to != it)) {
            self.before += &format!("export MAILTO={}; ", quoted(text));
        }
    }

    fn variable(&mut self, name: &str, value: &str) {
        if self.above.get(name).is_none_or(|it| it != value) {
            self.lines.push(format!("{name}={}", variable(value)));
            self.above.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Cron starts in the home.
    fn folder(&mut self, job: &Value, home: Home) {
        let of_user = || home(job["user"].as_str()).unwrap_or_else(|| "/".to_owned());
        let home = job["env"]["HOME"].as_str().map_or_else(of_user, str::to_owned);
        if let Some(cwd) = job["cwd"].as_str().filter(|it| *it != home) {
            // The command may have parts that `&&` would not hold for.
            self.before += &format!("cd {} || exit 1; ", quoted(cwd));
        }
    }
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

/// What the shell of the line is given.
fn work(job: &Value) -> Result<String, String> {
    let shell = job["env"]["SHELL"].as_str().unwrap_or("/bin/sh");
    if let Some(line) = job["command"].as_str() {
        let is_of_cron = shell == "/bin/sh";
        return Ok(if is_of_cron {
            line.to_owned()
        } else {
            format!("/bin/sh -c {}", quoted(line))
        });
    }
    let words: Option<Vec<&str>> =
        job["argv"].as_array().map(|it| it.iter().filter_map(Value::as_str).collect());
    match words.as_deref() {
        Some([program, "-c", line]) if *program == shell => Ok((*line).to_owned()),
        Some(words) => Ok(words.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ")),
        None => Err("it runs no command".to_owned()),
    }
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
    if minutes(&body["jitter"]).is_some() {
        told("jitter", &body["jitter"], "only cronie knows RANDOM_DELAY, and draws it anew");
    } else if !body["jitter"].is_null() {
        told("jitter", &body["jitter"], "cron starts it at once");
    }
    if job["retry"]["attempts"] != 1 && job["delivery"] != "at_most_once" {
        let retry =
            if job["retry"].is_null() { json!("as its queue says") } else { job["retry"].clone() };
        told("retry", &retry, "cron tries it once");
    }
    for (name, value) in job.as_object().into_iter().flatten() {
        let is_usual = name == "tenant" && value == ostler_api::TENANT_DEFAULT;
        if !SAID.contains(&name.as_str()) && !is_usual {
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

/// Whether a table's variable can have this value: cron takes one pair of quotes away, and knows no others.
fn is_variable(value: &str) -> bool {
    !value.contains(['\n', '\r'])
        && (is_plain(value) || !value.contains('"') || !value.contains('\''))
}

fn is_plain(value: &str) -> bool {
    value.trim() == value && !value.is_empty() && !value.starts_with(['"', '\''])
}

/// The value of a variable as it is written.
fn variable(value: &str) -> String {
    match value.contains('"') {
        _ if is_plain(value) => value.to_owned(),
        false => format!("\"{value}\""),
        true => format!("'{value}'"),
    }
}
