//! `ostler schedule list`, `show` and `firings`: what there is, and what became of it.

use std::{
    io::{IsTerminal as _, stdout},
    process::ExitCode,
};

use clap::Args;

use super::{path, schedule_name};
use crate::{
    client::{self, ApiArgs, encode},
    failure::Failure,
    jobs::{
        moment::{Clock, Toward},
        output::{self, Format, OutputArgs, Pages},
    },
    schedules::view::{self, Firings, ScheduleView, Schedules, page},
    terminal::{note, put},
    values,
};

/// Schedules, and firings, of one request.
const PAGE: u64 = 1000;
/// Firings that a terminal gets when nobody says how many.
const SCREEN: u64 = 20;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// What must hold: state=paused (or active, faulty, ended), tenant=, overdue=true
    #[arg(value_name = "FILTER", value_parser = filter)]
    filter: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The schedules' names
    #[arg(value_name = "NAME", required = true, value_parser = schedule_name)]
    names: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
pub(crate) struct FiringsArgs {
    /// The schedule's name
    #[arg(value_parser = schedule_name)]
    name: String,
    /// Only those that were due before this moment
    #[arg(long, value_name = "MOMENT")]
    before: Option<String>,
    /// No more than so many [default: 20 on a terminal, all in a pipe]
    #[arg(long, value_name = "N", value_parser = values::number(1, u64::MAX))]
    limit: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let mut pages = Pages::new(args.output.output);
    let mut after = None;
    client::block_on(async {
        loop {
            let found = page_of(&client, args, after.as_deref()).await?;
            after = found.next;
            pages.page(&found.schedules, view::table)?;
            if after.is_none() || found.schedules.is_empty() {
                return Ok(());
            }
        }
    })?;
    if pages.is_empty() {
        note("no schedules");
    }
    pages.end()?;
    Ok(ExitCode::SUCCESS)
}

/// A word such as `state=paused`; what it may be the API says.
fn filter(text: &str) -> Result<String, String> {
    let name = text.split_once('=').map(|(name, _)| name);
    match name.filter(|it| ["state", "tenant", "overdue"].contains(it)) {
        Some(_) => Ok(text.to_owned()),
        None => Err("filters are state=, tenant= and overdue=true".to_owned()),
    }
}

async fn page_of(
    client: &client::Client,
    args: &ListArgs,
    after: Option<&str>,
) -> Result<Schedules, Failure> {
    let mut query = format!("limit={PAGE}");
    let words = args.filter.iter().filter_map(|it| it.split_once('='));
    for (name, value) in words.chain(after.map(|it| ("after", it))) {
        query = format!("{query}&{name}={}", encode(value));
    }
    client.get(&format!("/v1/schedules?{query}")).await
}

pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    client::block_on(async {
        let mut found: Vec<ScheduleView> = Vec::new();
        for name in &args.names {
            found.push(client.get(&path(name)).await?);
        }
        match (&found[..], args.output.output) {
            ([one], format) => output::one(format, one, page),
            (all, Format::Table) => put(all.iter().map(page).collect::<Vec<_>>().join("\n")),
            (all, format) => {
                let mut pages = Pages::new(format);
                pages.page(all, |_| String::new())?;
                pages.end()
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn firings(args: &FiringsArgs) -> Result<ExitCode, Failure> {
    let before = args.before.as_deref().map(|text| {
        let read = Clock::here().read(text, Toward::Today);
        read.map(|it| it.instant()).map_err(|why| Failure::usage(format!("--before: {why}")))
    });
    let mut before = before.transpose()?;
    let all = if stdout().is_terminal() { SCREEN } else { u64::MAX };
    let mut left = args.limit.unwrap_or(all);
    let client = args.api.client()?;
    let mut pages = Pages::new(args.output.output);
    client::block_on(async {
        let zone = match args.output.output {
            Format::Table => client.get::<ScheduleView>(&path(&args.name)).await?.clocks(),
            Format::Json | Format::Yaml | Format::Ndjson => None,
        };
        while left > 0 {
            let limit = left.min(PAGE);
            let from =
                before.as_deref().map_or_else(String::new, |it| format!("&before={}", encode(it)));
            let path = format!("{}/firings?limit={limit}{from}", path(&args.name));
            let found: Firings = client.get(&path).await?;
            pages.page(&found.firings, |found| view::firings(found, zone.as_ref()))?;
            let count = found.firings.len() as u64;
            left = left.saturating_sub(count.max(1));
            before = found.firings.last().map(|it| it.due.clone());
            if count < limit {
                break;
            }
        }
        Ok(())
    })?;
    if pages.is_empty() {
        note("no firings");
    }
    pages.end()?;
    Ok(ExitCode::SUCCESS)
}
