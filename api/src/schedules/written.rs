//! A job of a schedule as it would be put again: the opposite of what a submit is read by.

use ostler_job::{
    Span,
    durable::{Command, Input, Retry, Spec, Work},
};
use serde_json::{Map, Value, json};

use crate::parse::text;

/// An object that reads as this job. What is as usual is left out.
pub(super) fn job(spec: &Spec) -> Value {
    let mut job = Map::new();
    match &spec.work {
        Work::Shell(command) => self::command(&mut job, command),
        Work::Noop | Work::Unknown => put(&mut job, "module", json!(spec.work.module())),
    }
    put(&mut job, "name", json!(spec.name));
    put(&mut job, "tenant", json!(spec.tenant));
    if spec.content.is_none() {
        put(&mut job, "identity", json!(spec.identity));
    }
    put(&mut job, "tags", json!(spec.tags));
    put(&mut job, "host", json!(spec.host));
    put(&mut job, "queue", json!(spec.queue));
    put(&mut job, "within", span(spec.within));
    if spec.delivery != Default::default() {
        put(&mut job, "delivery", json!(spec.delivery));
    }
    // One that names none has its queue's.
    if spec.retry != Retry::usual() {
        put(&mut job, "retry", retry(&spec.retry));
    }
    if let Some(dedupe) = &spec.dedupe {
        let mut written = Map::new();
        put(&mut written, "scope", json!(dedupe.scope));
        put(&mut written, "window", span(dedupe.window));
        put(&mut written, "then", json!(dedupe.then));
        put(&mut job, "dedupe", Value::Object(written));
    }
    put(&mut job, "serial", json!(spec.needs.serial));
    put(&mut job, "resources", json!(spec.needs.resources));
    if spec.needs.on_retry != Default::default() {
        put(&mut job, "on_retry", json!(spec.needs.on_retry));
    }
    Value::Object(job)
}

fn command(job: &mut Map<String, Value>, command: &Command) {
    match &command.line {
        Some(line) => put(job, "command", json!(line)),
        None => put(job, "argv", json!(command.argv)),
    }
    put(job, "env", json!(command.env));
    put(job, "secrets", json!(command.secrets));
    put(job, "cwd", json!(command.cwd));
    let stdin = match &command.stdin {
        Input::Empty => Value::Null,
        Input::Text(text) => json!(text),
        Input::Base64(text) => json!({"base64": text}),
        Input::Payload(payload) => json!({"payload": payload.sha256}),
    };
    put(job, "stdin", stdin);
    if command.merge {
        put(job, "merge", json!(true));
    }
    put(job, "user", json!(command.user));
    put(job, "umask", json!(command.umask.map(|umask| format!("{umask:03o}"))));
    put(job, "nice", json!(command.nice));
    put(job, "limits", json!(command.limits));
    put(job, "timeout", span(command.timeout));
    put(job, "grace", span(command.grace));
    put(job, "mailto", json!(command.mailto));
    if command.terminate != Default::default() {
        put(job, "terminate", json!(command.terminate));
    }
}

fn retry(retry: &Retry) -> Value {
    let mut written = Map::new();
    put(&mut written, "attempts", json!(retry.attempts));
    put(&mut written, "delay", span(Some(retry.delay)));
    put(&mut written, "delay_max", span(Some(retry.delay_max)));
    if retry.constant {
        put(&mut written, "backoff", json!("constant"));
    }
    put(&mut written, "exit_codes", json!(retry.exit_codes));
    Value::Object(written)
}

fn span(span: Option<Span>) -> Value {
    json!(span.map(text::written))
}

/// What is nothing is left out.
fn put(object: &mut Map<String, Value>, name: &str, value: Value) {
    let is_nothing = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if !is_nothing {
        object.insert(name.to_owned(), value);
    }
}
