//! `ostler list`: jobs, newest first unless another order is asked for, or how many there are.

use std::{
    io::{IsTerminal as _, stdout},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, builder::PossibleValuesParser};
use ostler_api::names;
use time::OffsetDateTime;

use crate::{
    client::{self, ApiArgs, Client, encode},
    failure::Failure,
    jobs::{
        counts,
        filter::Filter,
        output::{Format, OutputArgs, Pages},
        table::{Cell, Look, draw, left, right},
        view::{JobView, Page, tone},
        when,
    },
    terminal::note,
    values,
};

/// Jobs that a terminal gets when nobody says how many.
const SCREEN: u64 = 50;
/// A list that takes longer says so.
const LONG: Duration = Duration::from_secs(3);
/// Jobs of one request.
const PAGE: u64 = 1000;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// What must hold: state=running tag=x exit_status=0 'exit_status!=0' tenant= identity=
    /// queue= name= 'name=nightly*' user= host= runner= reason= since=2h until= finished_since=
    /// finished_until= text= id=5-90
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// In which order: by id, by when they were submitted or finished, with - the last one first. The order of what has finished
    /// has nothing else [default: -id]
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true, value_parser = PossibleValuesParser::new(names::sorts()))]
    sort: Option<String>,
    /// Count jobs by what they have in common, such as state,tenant, and show the numbers, the largest first
    #[arg(
        long,
        value_name = "FIELDS",
        value_delimiter = ',',
        conflicts_with_all = ["sort", "limit", "all"],
        value_parser = PossibleValuesParser::new(names::groups()),
    )]
    count_by: Vec<String>,
    /// Show no more than so many [default: 50 on a terminal, all in a pipe]
    #[arg(long, value_name = "N", value_parser = values::number(1, u64::MAX))]
    limit: Option<u64>,
    /// Show all
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &ListArgs) -> Result<ExitCode, Failure> {
    let filter = Filter::read(args.filter.iter().map(String::as_str))?;
    let limit = match (args.limit, args.all) {
        (Some(limit), _) => limit,
        (None, false) if stdout().is_terminal() => SCREEN,
        (None, _) => u64::MAX,
    };
    let client = args.api.client()?;
    let format = args.output.output;
    if !args.count_by.is_empty() {
        client::block_on(counts::show(&client, &filter, &args.count_by, format))?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked = args.limit.is_some();
    let sort = args.sort.as_deref();
    client::block_on(show(&client, (&filter, sort), (limit, asked), format))?;
    Ok(ExitCode::SUCCESS)
}

/// `asked`: somebody asked for that limit, and knows.
async fn show(
    client: &Client,
    (filter, sort): (&Filter, Option<&str>),
    (limit, asked): (u64, bool),
    format: Format,
) -> Result<(), Failure> {
    let mut pages = Pages::new(format);
    let mut left = limit;
    let mut cursor: Option<String> = None;
    // Pages that came back early are shown as one.
    let mut held: Vec<JobView> = Vec::new();
    let mut long = Some(Instant::now() + LONG);
    loop {
        let mut path = format!("/v1/jobs?limit={}", left.min(PAGE));
        for part in [
            filter.query(),
            sort.map_or_else(String::new, |sort| format!("sort={sort}")),
            cursor.map_or_else(String::new, |cursor| format!("cursor={}", encode(&cursor))),
        ] {
            if !part.is_empty() {
                path = format!("{path}&{part}");
            }
        }
        let page: Page = client.get(&path).await?;
        left = left.saturating_sub(page.jobs.len() as u64);
        cursor = page.next;
        held.extend(page.jobs);
        let over = cursor.is_none() || left == 0;
        if page.partial && !over {
            if long.is_some_and(|long| Instant::now() > long) {
                long = None;
                note("still looking: since=, state= or tag= make it quicker");
            }
            continue;
        }
        pages.page(&std::mem::take(&mut held), table)?;
        if over {
            break;
        }
    }
    if pages.is_empty() {
        note("no jobs");
    } else if cursor.is_some() && !asked {
        let which = if sort.is_none() { "newest" } else { "first" };
        note(&format!("these are the {which} {limit}; --all shows the others too"));
    }
    pages.end()
}

fn table(jobs: &[JobView]) -> String {
    let now = OffsetDateTime::now_utc();
    let columns = [
        right("ID"),
        left("STATE"),
        left("REASON"),
        left("RUNNER"),
        right("TRIES"),
        right("RUN"),
        left("SINCE"),
        left("COMMAND"),
    ];
    let rows: Vec<Vec<Cell>> = jobs.iter().map(|job| row(job, now)).collect();
    draw(&columns, &rows, Look::of_stdout())
}

fn row(job: &JobView, now: OffsetDateTime) -> Vec<Cell> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let runner = job.runner.as_ref().or(job.host.as_ref()).cloned().unwrap_or_default();
    vec![
        job.id.to_string().into(),
        Cell::toned(job.state.as_str(), tone(&job.state)),
        or_dash(job.reason()).into(),
        or_dash(runner).into(),
        job.attempts.to_string().into(),
        or_dash(job.run_seconds.map_or_else(String::new, when::span)).into(),
        or_dash(since(job, now)).into(),
        job.title().into(),
    ]
}

/// The moment that matters in the job's state.
fn since(job: &JobView, now: OffsetDateTime) -> String {
    let moment = match job.state.as_str() {
        "scheduled" | "retrying" => job.due_at.as_ref().or(job.not_before.as_ref()),
        "running" | "stopped" => job.started_at.as_ref(),
        "leased" => job.leased_at.as_ref(),
        _ => job.finished_at.as_ref(),
    };
    let moment = moment.or(job.submitted_at.as_ref());
    moment.map_or_else(String::new, |moment| when::relative(moment, now))
}
