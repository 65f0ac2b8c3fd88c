//! The flags of `ostler submit` as fields of the API's request.
//!
//! Each option is declared once, with the name that its field has there. Values are passed on as they are written: the API judges
//! them and names the field.

use std::env;

use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value, json};

use super::{
    moment::{Clock, Toward},
    parse::command,
};
use crate::{failure::Failure, terminal::note, values};

/// What a job is asked beside its command. With a list these hold for jobs that do not say otherwise.
#[derive(Args, Debug, Default, Serialize)]
pub(crate) struct DraftArgs {
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// A label to find it by; several times for several
    #[arg(long, value_name = "TAG")]
    #[serde(rename = "tags")]
    tag: Vec<String>,
    /// An environment variable; without a value, the present one of this shell
    #[arg(long, value_name = "NAME[=VALUE]")]
    #[serde(serialize_with = "env")]
    env: Vec<String>,
    /// The folder that it runs in, on the runner's host; a relative one starts from the current folder
    #[arg(long, value_name = "DIR")]
    #[serde(serialize_with = "whole_path")]
    cwd: Option<String>,
    /// How long it may run, such as 10m; then it is killed
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// How long it may take to end when it is told to
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,
    /// Which of its processes are sent SIGTERM when it is to end [default: all]
    #[arg(long, value_name = "all|main")]
    terminate: Option<String>,
    /// Standard error goes to standard output, so that both are in the order in which they are written
    #[arg(long)]
    merge: bool,
    /// Mail what it has written to these addresses when it is over, as cron does; with commas between them
    #[arg(long, value_name = "ADDRESS")]
    mailto: Option<String>,
    /// How often it is tried again after it failed; 0 for never [default: as its queue says, 3 times from 10 s on; with --wait 0]
    #[arg(long, value_name = "N", value_parser = values::number(0_u32, 99))]
    #[serde(rename = "retry", serialize_with = "retry")]
    retries: Option<u32>,
    /// Not before this moment, such as 18:00, 'tomorrow 3:00' or 2026-11-25T18:00:00Z
    #[arg(long, visible_alias = "at", value_name = "MOMENT", conflicts_with = "delay")]
    not_before: Option<String>,
    /// Not before so much time has passed
    #[arg(long, value_name = "TIME")]
    delay: Option<String>,
    /// Not at all when it has not been started in this time
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Only on this runner
    #[arg(long, value_name = "RUNNER")]
    host: Option<String>,
    /// The queue that it waits in [default: default]
    #[arg(long)]
    queue: Option<String>,
    /// Whose share it is charged to
    #[arg(long)]
    tenant: Option<String>,
    /// What makes two jobs the same kind [default: made of the command]
    #[arg(long)]
    identity: Option<String>,
    /// The user to run as, when the runner permits it
    #[arg(long)]
    user: Option<String>,
    /// Niceness
    #[arg(long, value_name = "N", value_parser = values::number(-20_i32, 19))]
    nice: Option<i32>,
    /// File mode mask, such as 022
    #[arg(long, value_name = "MASK")]
    umask: Option<String>,
    /// A resource limit, such as nofile=1024 or as=2GiB
    #[arg(long, value_name = "NAME=N")]
    #[serde(rename = "limits", serialize_with = "limits")]
    limit: Vec<String>,
    /// A secret of the runner's own file, put into the environment by its name
    #[arg(long, value_name = "NAME")]
    #[serde(rename = "secrets")]
    secret: Vec<String>,
    /// The promise: done within this time; it decides the order
    #[arg(long, value_name = "TIME")]
    within: Option<String>,
    /// The same promise by the clock: done by this moment, such as 18:00
    #[arg(long, value_name = "MOMENT", conflicts_with = "within")]
    #[serde(skip)]
    by: Option<String>,
    /// Keep it from starting until `ostler resume`
    #[arg(long)]
    paused: bool,
    /// Refuse it when nobody could run it as things are: there is no such runner, or none that its queue is attached to
    #[arg(long)]
    #[serde(rename = "unrunnable", serialize_with = "refuse")]
    refuse_unrunnable: bool,
    /// Never run it again when its runner was lost with it
    #[arg(long)]
    #[serde(rename = "delivery", serialize_with = "delivery")]
    at_most_once: bool,
    /// Run one job of this key at a time, in the order in which they were submitted
    #[arg(long, value_name = "KEY")]
    serial: Option<String>,
    /// What it needs while it runs: for itself, or NAME=shared with others that share it; may be repeated
    #[arg(long = "resource", value_name = "NAME[=shared]")]
    #[serde(serialize_with = "resources")]
    resources: Vec<String>,
    /// While it waits to be tried again: keep its key and resources, or let others have them [default: hold]
    #[arg(long, value_name = "hold|pass", value_parser = ["hold", "pass"])]
    on_retry: Option<String>,
    /// Refuse it while the same job waits or runs (queued), or succeeded in a window (done:10m); the same in all that is run, or in --identity
    #[arg(long, value_name = "queued|done:WINDOW")]
    #[serde(skip)]
    dedupe: Option<String>,
    /// With --dedupe: answer with the other job instead of refusing this one
    #[arg(long, requires = "dedupe")]
    #[serde(skip)]
    coalesce: bool,
}

/// How long a deduplication looks back.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    Queued,
    Done,
}

impl DraftArgs {
    /// The fields that were given.
    pub(crate) fn fields(&self, clock: &Clock) -> Result<Map<String, Value>, Failure> {
        let all = serde_json::to_value(self).map_err(|wrong| Failure::usage(wrong.to_string()))?;
        let Value::Object(mut job) = all else { return Ok(Map::new()) };
        job.retain(|_, value| is_given(value));
        if let Some(dedupe) = &self.dedupe {
            job.insert("dedupe".to_owned(), self.deduplication(dedupe)?);
        }
        let usage = |flag: &str, why: &str| Failure::usage(format!("{flag}: {why}"));
        if let Some(told) = start(&mut job, clock).map_err(|why| usage("--not-before", &why))? {
            note(&told);
        }
        if let Some(text) = &self.by {
            let by = clock.read(text, Toward::Next).map_err(|why| usage("--by", &why))?;
            by.told().into_iter().for_each(|told| note(&format!("by {told}")));
            let seconds = by.millis_after(clock) / 1000;
            if seconds < 1 {
                return Err(usage("--by", &format!("{text:?} is past")));
            }
            job.insert("within".to_owned(), Value::from(format!("{seconds}s")));
        }
        Ok(job)
    }

    /// As if `--not-before` had been given.
    pub(crate) fn start_at(&mut self, instant: String) -> Result<(), Failure> {
        if self.not_before.is_some() || self.delay.is_some() {
            return Err(Failure::usage(
                "the moment is there already; leave out --not-before and --delay",
            ));
        }
        self.not_before = Some(instant);
        Ok(())
    }

    fn deduplication(&self, text: &str) -> Result<Value, Failure> {
        let (scope, window) = text.split_once(':').map_or((text, None), |(s, w)| (s, Some(w)));
        let scope = Scope::from_str(scope, false).map_err(|_| {
            Failure::usage(format!("--dedupe {text}: write queued, queued:10m or done:10m"))
        })?;
        let scope = match scope {
            Scope::Queued => "queued",
            Scope::Done => "done",
        };
        let then = if self.coalesce { "coalesce" } else { "reject" };
        let mut dedupe = json!({"scope": scope, "then": then});
        if let Some(window) = window {
            dedupe["window"] = Value::from(window);
        }
        Ok(dedupe)
    }
}

/// Makes an instant of the moment before which a job does not start, and says what was understood.
pub(crate) fn start(job: &mut Map<String, Value>, clock: &Clock) -> Result<Option<String>, String> {
    let Some(Value::String(text)) = job.get_mut("not_before") else { return Ok(None) };
    let moment = clock.read(text, Toward::Next)?;
    *text = moment.instant();
    Ok(moment.told().map(|told| format!("not before {told}")))
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    }
}

fn whole_path<S: Serializer>(path: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(path) = path else { return serializer.serialize_none() };
    let wrong = |why: &dyn std::fmt::Display| S::Error::custom(format!("--cwd {path}: {why}"));
    let whole = std::path::absolute(path).map_err(|error| wrong(&error))?;
    serializer.serialize_str(whole.to_str().ok_or_else(|| wrong(&"not UTF-8 text"))?)
}

fn retry<S: Serializer>(retries: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    retries.map(|retries| json!({"attempts": u64::from(retries) + 1})).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn delivery<S: Serializer>(at_most_once: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    at_most_once.then_some("at_most_once").serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn refuse<S: Serializer>(refuses: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    refuses.then_some("refuse").serialize(serializer)
}

fn env<S: Serializer>(words: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    pairs(words, of_env, serializer)
}

fn limits<S: Serializer>(words: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    pairs(words, of_limit, serializer)
}

fn resources<S: Serializer>(words: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    pairs(words, of_resource, serializer)
}

/// Without a mode it is for itself; what the mode may be, the API says.
fn of_resource(word: &str) -> Result<(String, Value), String> {
    let (name, mode) = word.rsplit_once('=').unwrap_or((word, "exclusive"));
    Ok((name.to_owned(), Value::from(mode)))
}

fn pairs<S: Serializer>(
    words: &[String],
    read: fn(&str) -> Result<(String, Value), String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pairs = words.iter().map(|word| read(word)).collect::<Result<Map<_, _>, _>>();
    pairs.map_err(S::Error::custom)?.serialize(serializer)
}

fn of_env(word: &str) -> Result<(String, Value), String> {
    if let Some((name, value)) = word.split_once('=') {
        return Ok((name.to_owned(), Value::from(value)));
    }
    match env::var(word) {
        Ok(value) => Ok((word.to_owned(), Value::from(value))),
        Err(_) => Err(format!("--env {word}: not set here; write {word}=VALUE")),
    }
}

fn of_limit(word: &str) -> Result<(String, Value), String> {
    let (name, value) =
        word.split_once('=').ok_or_else(|| format!("--limit {word}: write NAME=NUMBER"))?;
    // The API judges what is neither a number nor a size.
    let value = values::size(value).map_or_else(|_| Value::from(value), Value::from);
    Ok((name.to_owned(), value))
}

/// What the words after `--` run: words are taken as they are, one word that only a shell understands is a command line.
pub(crate) fn work(words: &[String]) -> Map<String, Value> {
    match words {
        [line] if line.contains(is_for_shells) => command(line),
        words => Map::from_iter([("argv".to_owned(), json!(words))]),
    }
}

fn is_for_shells(c: char) -> bool {
    c.is_whitespace() || "|&;<>()$`\\\"'*?[]#~{}!".contains(c)
}

/// Whoever waits for a job hears of its first failure, unless more attempts were asked for.
pub(crate) fn once_unless_named(fields: &mut Map<String, Value>) {
    fields.entry("retry").or_insert_with(|| json!({"attempts": 1}));
}

/// Gives a job of a list what it does not say itself; tags add up, and so does the environment.
pub(crate) fn fill(job: &mut Map<String, Value>, flags: &Map<String, Value>) {
    for (name, value) in flags {
        match (job.get_mut(name), value) {
            (None, _) => {
                job.insert(name.clone(), value.clone());
            }
            (Some(Value::Array(own)), Value::Array(more)) if name == "tags" => {
                own.extend(
                    more.iter().filter(|tag| !own.contains(tag)).cloned().collect::<Vec<_>>(),
                );
            }
            (Some(Value::Object(own)), Value::Object(more)) if name == "env" => {
                for (name, value) in more {
                    own.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        draft: DraftArgs,
    }

    fn fields(words: &[&str]) -> Result<Value, Failure> {
        let line = Line::try_parse_from([&["x"], words].concat()).unwrap();
        line.draft.fields(&Clock::for_tests()).map(Value::Object)
    }

    #[test]
    fn moments_become_instants_and_a_promise_by_the_clock_a_window() {
        for (words, name, value) in [
            (["--not-before", "18:00"], "not_before", "2026-11-27T17:00:00Z"),
            (["--at", "tomorrow 3:00"], "not_before", "2026-11-28T02:00:00Z"),
            (["--at", "2026-12-01T03:00:00Z"], "not_before", "2026-12-01T03:00:00Z"),
            (["--by", "18:00"], "within", "1800s"),
            (["--by", "in 1h30m"], "within", "5400s"),
        ] {
            assert_eq!(fields(&words).unwrap()[name], value, "{words:?}");
        }
        for (words, says) in [
            (["--at", "soon"], "--not-before: \"soon\" is no moment"),
            (["--by", "2026-11-27T16:30:00Z"], "--by: \"2026-11-27T16:30:00Z\" is past"),
            (["--by", "today 9:00"], "--by: \"today 9:00\" is Fri 2026-11-27 09:00"),
        ] {
            let wrong = fields(&words).unwrap_err().lines().0[0].clone();
            assert!(wrong.starts_with(says), "{wrong}");
        }
    }

    #[test]
    fn flags_become_the_fields_of_the_api() {
        let found = fields(&[
            "--name",
            "n",
            "--tag",
            "a",
            "--tag",
            "b",
            "--env",
            "K=V=W",
            "--retries",
            "2",
            "--nice=-5",
            "--limit",
            "nofile=10",
            "--limit",
            "as=2GiB",
            "--dedupe",
            "done:10m",
            "--coalesce",
            "--at-most-once",
            "--serial",
            "repo:42",
            "--resource",
            "cache=shared",
            "--resource",
            "disk",
            "--on-retry",
            "pass",
            "--paused",
            "--refuse-unrunnable",
            "--merge",
            "--terminate",
            "main",
            "--delay",
            "5m",
            "--mailto",
            "ops@example.com",
        ]);
        let expected = json!({
            "name": "n", "tags": ["a", "b"], "env": {"K": "V=W"}, "retry": {"attempts": 3},
            "nice": -5, "limits": {"nofile": 10, "as": 2_147_483_648_u64}, "delay": "5m",
            "dedupe": {"scope": "done", "window": "10m", "then": "coalesce"},
            "serial": "repo:42", "resources": {"cache": "shared", "disk": "exclusive"}, "on_retry": "pass",
            "delivery": "at_most_once", "paused": true, "unrunnable": "refuse", "merge": true, "terminate": "main",
            "mailto": "ops@example.com",
        });
        assert_eq!(found.unwrap(), expected);
        assert_eq!(fields(&[]).unwrap(), json!({}));
    }

    #[test]
    fn every_option_is_a_field_that_the_api_knows() {
        let all = serde_json::to_value(DraftArgs::default()).unwrap();
        for name in all.as_object().unwrap().keys() {
            assert!(ostler_api::names::submit().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn a_folder_starts_from_here() {
        assert_eq!(fields(&["--cwd", "/srv/x"]).unwrap()["cwd"], "/srv/x");
        let here = env::current_dir().unwrap().join("x");
        assert_eq!(fields(&["--cwd", "x"]).unwrap()["cwd"], here.to_str().unwrap());
    }

    #[test]
    fn flags_that_cannot_be_read_are_refused_with_the_cure() {
        for (words, says) in [
            (["--limit", "nofile"], "--limit nofile: write NAME=NUMBER"),
            (["--dedupe", "always"], "--dedupe always: write queued, queued:10m or done:10m"),
            (
                ["--env", "NOT_SET_HERE"],
                "--env NOT_SET_HERE: not set here; write NOT_SET_HERE=VALUE",
            ),
        ] {
            assert_eq!(fields(&words).unwrap_err().lines().0, [says]);
        }
    }

    #[test]
    fn one_word_that_only_a_shell_understands_is_a_command_line() {
        let work = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Value::Object(work(&words))
        };
        assert_eq!(work(&["true"]), json!({"argv": ["true"]}));
        assert_eq!(work(&["echo", "a b", "*"]), json!({"argv": ["echo", "a b", "*"]}));
        assert_eq!(work(&["echo a"]), json!({"command": "echo a"}));
        assert_eq!(work(&["echo>x"]), json!({"command": "echo>x"}));
    }

    #[test]
    fn a_job_of_a_list_wins_over_the_flags() {
        let mut job = command("make");
        job.insert("name".to_owned(), json!("own"));
        job.insert("tags".to_owned(), json!(["a"]));
        let flags = fields(&["--name", "x", "--tag", "a", "--tag", "b", "--host", "h"]).unwrap();
        fill(&mut job, flags.as_object().unwrap());
        let expected = json!({"command": "make", "name": "own", "tags": ["a", "b"], "host": "h"});
        assert_eq!(Value::Object(job), expected);
    }
}
