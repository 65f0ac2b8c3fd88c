//! `ostler schedule export`: schedules as a file.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::{path, schedule_name};
use crate::{
    client::{self, ApiArgs, Client, encode},
    failure::Failure,
    schedules::{export, import::home, shape::kept},
    terminal::{note, put},
};

/// Schedules of one request.
const PAGE: u64 = 1000;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Lines of a crontab; what it cannot say is a comment
    Crontab,
    /// `[schedule.NAME]` of a configuration file
    Toml,
    /// The bodies that the API takes, by name
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The schedules' names [default: all]
    #[arg(value_name = "NAME", value_parser = schedule_name)]
    names: Vec<String>,
    /// How they are written
    #[arg(long, value_name = "FORMAT", default_value = "toml")]
    format: Form,
    /// A crontab of the system's, with a user in each line
    #[arg(long)]
    system: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let views = client::block_on(views(&client, &args.names))?;
    if views.is_empty() {
        note("no schedules");
    }
    let name = |view: &Value| view["name"].as_str().unwrap_or_default().to_owned();
    let bodies: Map<String, Value> =
        views.iter().map(|view| (name(view), Value::Object(kept(view)))).collect();
    put(match args.format {
        Form::Json => {
            serde_json::to_string_pretty(&bodies).map_err(|error| unwritable(&error))? + "\n"
        }
        Form::Toml => export::toml(&bodies).map_err(|error| unwritable(&error))?,
        Form::Crontab => {
            let crontab = export::crontab(&bodies, args.system, home);
            if crontab.left > 0 {
                note(&format!(
                    "{} of them cannot be said in a crontab; comments say why",
                    crontab.left
                ));
            }
            crontab.text
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn unwritable(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(format!("cannot write it: {error}"))
}

async fn views(client: &Client, names: &[String]) -> Result<Vec<Value>, Failure> {
    let mut views = Vec::new();
    for name in names {
        views.push(client.get(&path(name)).await?);
    }
    let mut after = names.is_empty().then(String::new);
    while let Some(last) = after {
        let mut page: Value = client.get(&format!("/v1/schedules?limit={PAGE}{last}")).await?;
        let Value::Array(mut found) = page["schedules"].take() else { break };
        after = page["next"]
            .as_str()
            .filter(|_| !found.is_empty())
            .map(|it| format!("&after={}", encode(it)));
        views.append(&mut found);
    }
    Ok(views)
}
