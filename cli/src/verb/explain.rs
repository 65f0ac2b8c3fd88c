//! `ostler explain`: why jobs wait, what goes before them, and what would let them start sooner.

use std::process::ExitCode;

use clap::Args;

use crate::{
    client::{self, ApiArgs},
    failure::Failure,
    jobs::{
        explanation::Explanation,
        output::{self, Format, OutputArgs, Pages},
        select,
    },
    terminal::put,
};

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// Jobs by id, or ranges of ids such as 5-9
    #[arg(value_name = "ID", required = true, value_parser = select::range)]
    ids: Vec<(u64, u64)>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let ids = select::named(&args.ids)?;
    let client = args.api.client()?;
    let format = args.output.output;
    client::block_on(async {
        let mut jobs: Vec<Explanation> = Vec::new();
        for id in &ids {
            jobs.push(client.get(&format!("/v1/jobs/{id}/explain")).await?);
        }
        match (&jobs[..], format) {
            ([job], _) => output::one(format, job, Explanation::page),
            (jobs, Format::Table) => {
                put(jobs.iter().map(Explanation::page).collect::<Vec<_>>().join("\n"))
            }
            (jobs, Format::Json | Format::Yaml | Format::Ndjson) => {
                let mut pages = Pages::new(format);
                pages.page(jobs, |_| String::new())?;
                pages.end()
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
