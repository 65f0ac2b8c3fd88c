//! `ostler drain`: lets a runner finish what it has and take nothing new.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use http::Method;

use crate::{
    client::{self, ApiArgs, Ask, Client, encode},
    failure::Failure,
    terminal::{note, say},
    verb::status::runners,
};

/// Between two looks at what the runner still has.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// The runner
    #[arg(value_name = "RUNNER")]
    runner: String,
    /// Wait until it has no job any more
    #[arg(long, conflicts_with = "undo")]
    wait: bool,
    /// Let it take jobs again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &DrainArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let (verb, done) = match args.undo {
        true => ("undrain", "takes jobs again"),
        false => ("drain", "takes nothing new"),
    };
    client::block_on(async {
        let path = format!("/v1/runners/{}/{verb}", encode(&args.runner));
        client.ask(Ask::new(Method::POST, &path)).await?;
        say(&format!("runner {} {done}", args.runner));
        if args.wait { wait(&client, &args.runner).await } else { Ok(()) }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn wait(client: &Client, name: &str) -> Result<(), Failure> {
    let mut told = usize::MAX;
    loop {
        let runners = runners(client).await?;
        let left =
            runners.iter().find(|runner| runner.name == name).map_or(0, |it| it.running.len());
        if left == 0 {
            say(&format!("runner {name} has no job any more"));
            return Ok(());
        }
        if left < told {
            note(&format!("{left} {} left", if left == 1 { "job" } else { "jobs" }));
            told = left;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
