//! `ostler wait`: until jobs have finished.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use crate::{
    client::{self, ApiArgs, Client},
    failure::{self, Failure},
    jobs::{
        batch::{self, interrupted},
        filter::Filter,
        output::{self, OutputArgs, Pages},
        patience::{Patience, WAITING},
        select::Selection,
        steer::stdin,
        view::JobView,
    },
    terminal::note,
    values,
};

/// Jobs of one page.
const PAGE: usize = 1000;

/// With one job, it ends as that job does: with its exit status. With several, or a filter, there is a
/// summary, and the exit code is 1 when one of them failed. With --any it prints the ids of those that
/// have finished first, and ends as the first of them does. A filter that names no state finds
/// unfinished jobs, as they are when the waiting begins.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ostler wait 17 18\n  ostler wait tag=nightly\n  \
                        ostler submit jobs.yaml | ostler wait -\n  ostler wait --any 17 18 19")]
pub(crate) struct WaitArgs {
    /// Ids, or a filter such as tag=x, or - for a list on standard input
    #[arg(value_name = "JOB|FILTER|-", required = true)]
    jobs: Vec<String>,
    /// Until one of them has finished, not all
    #[arg(long)]
    any: bool,
    /// Wait no longer than this; then the exit code is 75
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &WaitArgs) -> Result<ExitCode, Failure> {
    let selection = Selection::read(&args.jobs, stdin)?;
    let client = args.api.client()?;
    client::block_on(interrupted(limited(&client, args, &selection), "the jobs go on"))
}

async fn limited(
    client: &Client,
    args: &WaitArgs,
    selection: &Selection,
) -> Result<ExitCode, Failure> {
    let waiting = wait(client, args, selection);
    let Some(limit) = args.timeout else { return waiting.await };
    let late = || match selection {
        Selection::Ids(ids) if ids.len() == 1 && !args.any => {
            format!("job {} has not finished in this time; it goes on", ids[0])
        }
        Selection::Ids(_) | Selection::Filter(_) => {
            let which = if args.any { "none" } else { "not all" };
            format!("{which} of them have finished in this time; they go on")
        }
    };
    let waited = tokio::time::timeout(limit, waiting).await;
    waited.unwrap_or_else(|_| Err(Failure::with(failure::TEMPORARY, vec![late()])))
}

async fn wait(
    client: &Client,
    args: &WaitArgs,
    selection: &Selection,
) -> Result<ExitCode, Failure> {
    let format = args.output.output;
    match selection {
        Selection::Ids(ids) => {
            if args.any && !ids.is_empty() {
                return first(batch::wait_for_any(client, ids, true).await?, args);
            }
            if let [id] = ids[..] {
                let job = batch::wait_for_one(client, id).await?;
                return ended(&job, args);
            }
            if ids.is_empty() {
                note("no jobs in stdin");
            }
            batch::wait_for_named(client, ids, format).await
        }
        Selection::Filter(filter) => {
            let ids = found(client, &filter.clone().or_states("unfinished")).await?;
            if ids.is_empty() {
                note("no such jobs");
                return Ok(ExitCode::SUCCESS);
            }
            if args.any {
                return first(batch::wait_for_any(client, &ids, false).await?, args);
            }
            batch::wait(client, &ids, format).await
        }
    }
}

/// Those that were the first to finish, in the order of their ids when several are seen at once.
fn first(jobs: Vec<JobView>, args: &WaitArgs) -> Result<ExitCode, Failure> {
    let mut pages = Pages::new(args.output.output);
    pages.page(&jobs, |jobs| jobs.iter().map(|job| format!("{}\n", job.id)).collect())?;
    pages.end()?;
    Ok(jobs.first().map_or(ExitCode::SUCCESS, |job| ExitCode::from(job.exit_code())))
}

fn ended(job: &JobView, args: &WaitArgs) -> Result<ExitCode, Failure> {
    output::one(args.output.output, job, |_| String::new())?;
    Ok(ExitCode::from(job.exit_code()))
}

/// Every job that a filter finds now.
async fn found(client: &Client, filter: &Filter) -> Result<Vec<u64>, Failure> {
    let mut ids = Vec::new();
    let first = format!("/v1/jobs?{}&limit={PAGE}", filter.query());
    let mut path = first.clone();
    loop {
        let mut patience = Patience::new(WAITING);
        let page = loop {
            match batch::page(client, &path).await {
                Ok(page) => break page,
                Err(failure) => patience.bear(client, failure)?,
            }
            tokio::time::sleep(batch::PAUSE).await;
        };
        ids.extend(page.jobs.iter().map(|job| job.id));
        let Some(next) = page.next else { return Ok(ids) };
        path = format!("{first}&cursor={}", client::encode(&next));
    }
}
