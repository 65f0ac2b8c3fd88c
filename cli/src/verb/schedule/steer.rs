//! `ostler schedule pause`, `resume`, `run`, `cursor` and `delete`.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::{path, schedule_name};
use crate::{
    client::{self, ApiArgs, Ask},
    failure::Failure,
    jobs::{
        moment::{Clock, Toward},
        output::{self, OutputArgs, Pages},
    },
    schedules::view::{ScheduleView, page, table},
    terminal::{note, say},
};

#[derive(Args, Debug)]
pub(crate) struct SteerArgs {
    /// The schedules' names
    #[arg(value_name = "NAME", required = true, value_parser = schedule_name)]
    names: Vec<String>,
    /// How to show them; unless given, only what was done is told
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<output::Format>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CursorArgs {
    /// The schedule's name
    #[arg(value_parser = schedule_name)]
    name: String,
    /// What is due up to here is decided: an earlier moment makes it decide anew, a later one leaves out what is between
    #[arg(value_name = "MOMENT")]
    moment: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The schedules' names
    #[arg(value_name = "NAME", required = true, value_parser = schedule_name)]
    names: Vec<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn steer(args: &SteerArgs, verb: &str, done: &str) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let mut shown = Vec::new();
    client::block_on(async {
        for name in &args.names {
            let path = format!("{}/{verb}", path(name));
            let bytes = client.ask(Ask::new(Method::POST, &path)).await?.bytes().await?;
            say(&format!("schedule {name} {done}{}", ran(&bytes, verb)));
            // An answer without a body is none that could be shown.
            shown.extend(serde_json::from_slice::<ScheduleView>(&bytes).ok());
        }
        Ok(())
    })?;
    if let Some(format) = args.output {
        let mut pages = Pages::new(format);
        pages.page(&shown, table)?;
        pages.end()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Which job a firing is that was ordered.
fn ran(bytes: &[u8], verb: &str) -> String {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let waits = ", once what has not finished has: `ostler schedule show` has its firings";
    match (verb, answer["ran"].as_u64(), answer["unfinished"].as_array()) {
        ("run", Some(job), _) => format!(" as job {job}"),
        ("run", None, Some(unfinished)) if !unfinished.is_empty() => waits.to_owned(),
        _ => String::new(),
    }
}

pub(crate) fn cursor(args: &CursorArgs) -> Result<ExitCode, Failure> {
    let clock = Clock::here();
    let moment = clock.read(&args.moment, Toward::Today).map_err(Failure::usage)?;
    note(&format!("to {}", clock.told(&moment)));
    let client = args.api.client()?;
    let path = format!("{}/cursor", path(&args.name));
    let body = json!({"to": moment.instant()});
    let shown: ScheduleView = client::block_on(async {
        client.ask(Ask::new(Method::POST, &path).json(&body)).await?.json().await
    })?;
    output::one(args.output.output, &shown, page)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn delete(args: &DeleteArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    client::block_on(async {
        for name in &args.names {
            client.ask(Ask::new(Method::DELETE, &path(name))).await?;
            say(&format!("schedule {name} is deleted"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
