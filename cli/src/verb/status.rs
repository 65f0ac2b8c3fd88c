//! `ostler status`: how many jobs are where, and which runners there are.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    client::{self, ApiArgs, Client, encode},
    failure::{self, Failure},
    jobs::{
        output::{self, Format, OutputArgs, Pages},
        table::{Cell, Look, draw, left, right},
        view::tone,
        when,
    },
    terminal::{Tone, note},
    values,
};

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The runners alone
    #[arg(long)]
    runners: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Deserialize, Serialize)]
struct Status {
    #[serde(default)]
    version: String,
    #[serde(default)]
    jobs: Option<BTreeMap<String, u64>>,
    #[serde(default)]
    oldest_runnable_seconds: Option<f64>,
    #[serde(default)]
    schedules: Option<BTreeMap<String, u64>>,
    #[serde(default)]
    schedules_overdue: Option<u64>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    zone_data: Option<String>,
    #[serde(default)]
    slots: Option<u64>,
    #[serde(default)]
    slots_busy: Option<u64>,
    #[serde(default)]
    store_bytes: Option<u64>,
    accepting: bool,
    #[serde(default)]
    problem: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A runner as the API shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct RunnerView {
    pub(crate) name: String,
    pub(crate) connected: bool,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    drained: Option<Drained>,
    #[serde(default)]
    slots: u64,
    #[serde(default)]
    slots_set: Option<u64>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    queues: Vec<String>,
    #[serde(default)]
    pub(crate) running: Vec<u64>,
    #[serde(default)]
    heard_at: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// That a runner takes nothing new.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Drained {
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    broken: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Drained {
    /// For people.
    fn told(&self, now: OffsetDateTime) -> String {
        let by = self.by.as_ref().map(|by| format!("drained by {by}"));
        let since = self.since.as_deref().map(|at| when::relative(at, now));
        let drained = by.into_iter().chain(since).collect::<Vec<_>>().join(" ");
        match &self.broken {
            Some(why) => format!("{drained}: {why}"),
            None => drained,
        }
    }
}

#[derive(Deserialize)]
struct Runners {
    runners: Vec<RunnerView>,
}

/// Asks for the runners.
pub(crate) async fn runners(client: &Client) -> Result<Vec<RunnerView>, Failure> {
    runners_with(client, &[]).await
}

/// Asks for those that have all of these labels. The API says what is wrong with one.
async fn runners_with(client: &Client, labels: &[String]) -> Result<Vec<RunnerView>, Failure> {
    let query: Vec<String> =
        labels.iter().map(|label| format!("label={}", encode(label))).collect();
    let glue = if query.is_empty() { "" } else { "?" };
    let path = format!("/v1/runners{glue}{}", query.join("&"));
    client.get::<Runners>(&path).await.map(|answer| answer.runners)
}

pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    if args.runners {
        return list_runners(&args.api, args.output.output, &[]);
    }
    let client = args.api.client()?;
    let format = args.output.output;
    client::block_on(async {
        let status: Status = client.get("/v1/status").await?;
        // Only a table has room for both.
        let runners = match format {
            Format::Table => runners(&client).await?,
            Format::Json | Format::Yaml | Format::Ndjson => Vec::new(),
        };
        output::one(format, &status, |status| page(status, &runners))?;
        match (status.accepting, &status.problem) {
            (true, _) => Ok(ExitCode::SUCCESS),
            (false, why) => {
                let why = why.as_deref().unwrap_or("it ends, or cannot write");
                let line = format!("the gateway takes no jobs: {why}");
                Err(Failure::with(failure::UNAVAILABLE, vec![line]))
            }
        }
    })
}

/// `ostler status --runners` and `ostler runner list`.
pub(crate) fn list_runners(
    api: &ApiArgs,
    format: Format,
    labels: &[String],
) -> Result<ExitCode, Failure> {
    let client = api.client()?;
    client::block_on(async {
        let runners = runners_with(&client, labels).await?;
        let mut pages = Pages::new(format);
        pages.page(&runners, table)?;
        if pages.is_empty() {
            note("no runners");
        }
        pages.end()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn page(status: &Status, runners: &[RunnerView]) -> String {
    let look = Look { width: None, ..Look::of_stdout() };
    let mut rows: Vec<Vec<Cell>> = vec![vec!["ostler".into(), status.version.as_str().into()]];
    let jobs = status.jobs.iter().flatten().filter(|(_, count)| **count > 0);
    for (state, count) in jobs.clone() {
        let state = Cell::toned(state.as_str(), tone(state));
        rows.push(vec![state, count.to_string().into()]);
    }
    if status.jobs.is_some() && jobs.count() == 0 {
        rows.push(vec!["jobs".into(), "none waits or runs".into()]);
    }
    if let Some(seconds) = status.oldest_runnable_seconds.filter(|seconds| *seconds > 0.0) {
        rows.push(vec!["oldest waits".into(), when::span(seconds).into()]);
    }
    rows.extend(schedules(status));
    rows.extend(zone(status));
    if let (Some(busy), Some(slots)) = (status.slots_busy, status.slots) {
        rows.push(vec!["slots".into(), format!("{busy} of {slots} busy").into()]);
    }
    if let Some(bytes) = status.store_bytes {
        rows.push(vec!["store".into(), size(bytes).into()]);
    }
    let text = draw(&[left(""), left("")], &rows, look);
    match runners {
        [] => text,
        runners => format!("{text}\n{}", table(runners)),
    }
}

/// How many schedules there are, if there are any.
fn schedules(status: &Status) -> Option<Vec<Cell>> {
    let counts = status.schedules.as_ref()?.iter().filter(|(_, count)| **count > 0);
    let mut counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    let is_well = counts.iter().all(|it| !it.ends_with(" faulty"));
    if counts.is_empty() {
        return None;
    }
    let overdue = status.schedules_overdue.filter(|count| *count > 0);
    counts.extend(overdue.map(|count| format!("{count} overdue")));
    let tone = if is_well && overdue.is_none() { None } else { Some(Tone::Bad) };
    Some(vec!["schedules".into(), Cell::toned(counts.join(", "), tone)])
}

/// The zone of schedules that name none, and the data that all go by.
fn zone(status: &Status) -> Option<Vec<Cell>> {
    let data = status.zone_data.iter().map(|data| format!("data: {data}"));
    let told = status.zone.iter().cloned().chain(data).collect::<Vec<_>>().join(", ");
    (!told.is_empty()).then(|| vec!["zone".into(), told.into()])
}

/// A size in its largest whole unit.
fn size(bytes: u64) -> String {
    let unit = [40, 30, 20, 10].into_iter().find(|bits| bytes >> bits >= 10).unwrap_or(0);
    values::show_size(bytes >> unit << unit)
}

fn table(runners: &[RunnerView]) -> String {
    drawn(runners, Look::of_stdout())
}

fn drawn(runners: &[RunnerView], look: Look) -> String {
    let now = OffsetDateTime::now_utc();
    let has_queues = runners.iter().any(|runner| !runner.queues.is_empty());
    let row = |runner: &RunnerView| {
        let is_broken = runner.drained.as_ref().is_some_and(|it| it.broken.is_some());
        let (state, tone) = match (runner.connected, runner.draining) {
            (false, _) => ("gone", Some(Tone::Bad)),
            (true, true) if is_broken => ("broken", Some(Tone::Bad)),
            (true, true) => ("draining", Some(Tone::Faint)),
            (true, false) => ("ready", Some(Tone::Good)),
        };
        let heard = runner.heard_at.as_deref().map(|at| when::relative(at, now));
        let jobs: Vec<String> = runner.running.iter().map(u64::to_string).collect();
        let queues = has_queues.then(|| runner.queues.join(",").into());
        let mut row: Vec<Cell> = vec![
            runner.name.as_str().into(),
            Cell::toned(state, tone),
            slots(runner).into(),
            runner.running.len().to_string().into(),
            heard.unwrap_or_else(|| "-".to_owned()).into(),
            labels(runner).into(),
        ];
        row.push(runner.drained.as_ref().map_or_else(String::new, |it| it.told(now)).into());
        row.push(jobs.join(",").into());
        row.extend(queues);
        row
    };
    let mut columns = vec![
        left("RUNNER"),
        left("STATE"),
        right("SLOTS"),
        right("BUSY"),
        left("HEARD"),
        left("LABELS"),
        left("NOTE"),
        left("JOBS"),
    ];
    // Where no queue is limited to runners, nobody misses the column.
    columns.extend(has_queues.then(|| left("QUEUES")));
    let rows: Vec<Vec<Cell>> = runners.iter().map(row).collect();
    draw(&columns, &rows, look)
}

/// With a star where an operator set them.
fn slots(runner: &RunnerView) -> String {
    let star = if runner.slots_set.is_some() { "*" } else { "" };
    format!("{}{star}", runner.slots)
}

/// As a command line has them.
fn labels(runner: &RunnerView) -> String {
    let labels = runner.labels.iter().map(|(name, value)| format!("{name}={value}"));
    labels.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn runners_are_listed_with_the_queues_that_are_limited_to_them_where_there_are_any() {
        let mut runners: Vec<RunnerView> = serde_json::from_value(serde_json::json!([
            {"name": "r1", "connected": true, "slots": 2, "labels": {"gpu": "a100"}, "queues": ["deploy", "render"], "running": [7]},
            {"name": "r2", "connected": true, "slots": 2},
        ]))
        .unwrap();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = "RUNNER STATE SLOTS BUSY HEARD LABELS NOTE JOBS QUEUES \
                        r1 ready 2 1 - gpu=a100 7 deploy,render r2 ready 2 0 -";
        let person = Look { width: Some(usize::MAX), colours: false };
        assert_eq!(squeezed(&drawn(&runners, person)), expected);
        runners[0].queues.clear();
        assert!(!drawn(&runners, person).contains("QUEUES"));
    }

    #[test]
    fn status_and_runners_are_read_by_the_names_that_the_api_gives_them() {
        agree::<Status>("StatusView", &[]);
        agree::<RunnerView>("Runner", &[]);
        agree::<Drained>("DrainedView", &[]);
    }
}
