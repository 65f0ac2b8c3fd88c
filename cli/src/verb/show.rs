//! `ostler show`: everything about a job.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    client::{self, ApiArgs},
    failure::Failure,
    jobs::{
        output::{self, Format, OutputArgs, Pages},
        select,
        table::{Cell, Look, draw, left, plain, right},
        view::{JobView, tone},
        when,
    },
    terminal::put,
    values,
};

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Jobs by id, or ranges of ids such as 5-9
    #[arg(value_name = "ID", required = true, value_parser = select::range)]
    ids: Vec<(u64, u64)>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let ids = select::named(&args.ids)?;
    let client = args.api.client()?;
    let format = args.output.output;
    client::block_on(async {
        let mut jobs: Vec<JobView> = Vec::new();
        for id in &ids {
            jobs.push(client.get(&format!("/v1/jobs/{id}")).await?);
        }
        match (&jobs[..], format) {
            ([job], _) => output::one(format, job, page),
            (jobs, Format::Table) => put(jobs.iter().map(page).collect::<Vec<_>>().join("\n")),
            (jobs, Format::Json | Format::Yaml | Format::Ndjson) => {
                let mut pages = Pages::new(format);
                pages.page(jobs, |_| String::new())?;
                pages.end()
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// One job for people: what is set, its attempts, the end of its output.
fn page(job: &JobView) -> String {
    let now = OffsetDateTime::now_utc();
    let look = Look { width: None, ..Look::of_stdout() };
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |name: &str, cell: Cell, is_set: bool| {
        if is_set {
            rows.push(vec![format!("{name}:").into(), cell]);
        }
    };
    row("job", job.id.to_string().into(), true);
    row("state", Cell::toned(job.state.as_str(), tone(&job.state)), true);
    let waits = job.waits_for().map(|word| match &job.why {
        Some(why) => format!("{word}: {}", plain(why)),
        None => word.to_owned(),
    });
    row("waits for", waits.as_deref().unwrap_or_default().into(), waits.is_some());
    let ending = job.ending();
    row("ended", ending.as_str().into(), !ending.is_empty());
    row("command", plain(job.command.as_deref().unwrap_or_default()).into(), job.command.is_some());
    let fields = serde_json::to_value(job).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        if matches!(
            name.as_str(),
            "id" | "state"
                | "reason"
                | "why"
                | "command"
                | "argv"
                | "attempts_list"
                | "signal"
                | "exit_status"
        ) {
            continue;
        }
        // What is as usual, and how it would be tried again when it would not.
        let is_usual = match name.as_str() {
            "retry" => value["attempts"] == 1,
            "merge" => *value == Value::Bool(false),
            "terminate" => value == "all",
            _ => false,
        };
        if is_usual {
            continue;
        }
        let text = match name.as_str() {
            "retry" => tries(value),
            _ => shown(value, now),
        };
        row(&name.replace('_', " "), text.as_str().into(), !text.is_empty());
    }
    let mut text = draw(&[left(""), left("")], &rows, look);
    if let Some(Value::Array(attempts)) = job.rest.get("attempts_list") {
        text.push_str(&of_attempts(job.id, attempts, now));
    }
    text
}

/// How often it is tried and what is waited between, in words.
fn tries(retry: &Value) -> String {
    let attempts = retry["attempts"].as_u64().unwrap_or(1);
    let seconds = |name: &str| retry[name].as_f64().unwrap_or_default();
    let is_constant = retry["backoff"] == "constant";
    let mut wait = seconds("delay_seconds");
    let mut waits = Vec::new();
    for _ in (1..attempts).take(WAITS) {
        waits.push(short(wait));
        wait = if is_constant { wait } else { (wait * 2.0).min(seconds("delay_max_seconds")) };
    }
    if waits.len() + 1 < usize::try_from(attempts).unwrap_or(usize::MAX) {
        waits.push("…".to_owned());
    }
    let jitter = if is_constant { "" } else { ", each up to half sooner" };
    let codes = shown(&retry["exit_codes"], OffsetDateTime::UNIX_EPOCH);
    let only = if codes.is_empty() { codes } else { format!(", for exit {codes} alone") };
    let started = if retry["only_started"] == true { ", unless it cannot be started" } else { "" };
    format!("up to {attempts} attempts, after {}{jitter}{only}{started}", waits.join(", "))
}

/// `10s`, `1m`, `1h30m`.
fn short(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "-".to_owned(), values::show_duration)
}

/// Waits between attempts that are told.
const WAITS: usize = 4;

/// A value in few words; nothing for what is not set.
fn shown(value: &Value, now: OffsetDateTime) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if when::read(text).is_some() => {
            format!("{text} ({})", when::relative(text, now))
        }
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Array(items) => {
            items.iter().map(|item| shown(item, now)).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, shown(value, now)));
            let fields = fields.filter(|(_, text)| !text.is_empty());
            let fields = fields.map(|(name, text)| format!("{}={text}", plain(name)));
            fields.collect::<Vec<_>>().join(" ")
        }
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
    }
}

fn of_attempts(id: u64, attempts: &[Value], now: OffsetDateTime) -> String {
    let word = |attempt: &Value, name: &str| {
        let word = shown(&attempt[name], now);
        if word.is_empty() { "-".to_owned() } else { word }
    };
    let relative = |attempt: &Value, name: &str| {
        attempt[name].as_str().map_or_else(|| "-".to_owned(), |text| when::relative(text, now))
    };
    let span = |attempt: &Value| {
        attempt["run_seconds"].as_f64().map_or_else(|| "-".to_owned(), when::span)
    };
    let rows: Vec<Vec<Cell>> = attempts
        .iter()
        .map(|attempt| {
            vec![
                word(attempt, "attempt").into(),
                word(attempt, "runner").into(),
                relative(attempt, "started_at").into(),
                span(attempt).into(),
                word(attempt, "reason").into(),
                word(attempt, "exit_status").into(),
                word(attempt, "signal").into(),
                word(attempt, "detail").into(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        right("ATTEMPT"),
        left("RUNNER"),
        left("STARTED"),
        right("RUN"),
        left("REASON"),
        right("EXIT"),
        right("SIGNAL"),
        left("DETAIL"),
    ];
    let look = Look { width: Some(usize::MAX), ..Look::of_stdout() };
    format!("\n{}{}", draw(&columns, &rows, look), end_of_output(id, attempts))
}

/// What the last attempt wrote last, or first when it wrote little.
fn end_of_output(id: u64, attempts: &[Value]) -> String {
    let Some(last) = attempts.last() else { return String::new() };
    let text = |name: &str| last[name].as_str().filter(|text| !text.is_empty());
    let Some(output) = text("tail").or_else(|| text("head")) else { return String::new() };
    let lines: Vec<&str> = output.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let shown: String = shown.iter().map(|line| format!("  {}\n", plain(line))).collect();
    format!("\noutput (all of it: ostler logs {id}):\n{shown}")
}

/// Lines of output that are shown here.
const LINES: usize = 10;
