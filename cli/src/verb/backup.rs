//! `ostler backup`: a copy of the store, made by the gateway while it works.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{self, ApiArgs, Ask},
    failure::{Failure, UNWRITABLE},
    terminal::say,
    values,
};

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The file to write, on the gateway's host; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &BackupArgs) -> Result<ExitCode, Failure> {
    let path = std::path::absolute(&args.file).map_err(|error| {
        Failure::usage(format!("cannot tell the folder of {}: {error}", args.file.display()))
    })?;
    let client = args.api.client()?;
    if !client.is_local() && args.file.is_relative() {
        return Err(Failure::usage(
            "the gateway is on another host, so the file takes a whole path there",
        ));
    }
    let path = path
        .to_str()
        .ok_or_else(|| Failure::usage(format!("{} is not UTF-8 text", path.display())))?;
    client::block_on(async {
        let ask = Ask::new(Method::POST, "/v1/backup").json(&json!({"path": path})).long();
        let reply = client.answer(ask).await?.map_err(|problem| {
            // It is the file that is refused, which for a job would be its state.
            let code = if problem.name() == "conflict_state" { UNWRITABLE } else { problem.code() };
            Failure::with(code, vec![problem.sentence()])
        })?;
        let made: Value = reply.json().await?;
        let bytes = made["bytes"].as_u64().unwrap_or_default();
        say(&format!("{path}: {}", values::show_size(bytes)));
        Ok(ExitCode::SUCCESS)
    })
}
