//! `ostler logs`: what a job wrote, or writes.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use crate::{
    client::{self, ApiArgs, Ask, Client},
    failure::Failure,
    jobs::{
        cut::Cut,
        follow::{Wanted, follow},
        select, tail,
    },
    terminal::put,
    values,
};

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// The job
    #[arg(value_name = "ID", value_parser = select::id)]
    id: u64,
    /// Go on until the job has finished
    #[arg(short, long)]
    follow: bool,
    /// Only its standard output
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only its standard error
    #[arg(long)]
    stderr: bool,
    /// The output of this attempt [default: the last one]
    #[arg(long, value_name = "N", value_parser = values::number(1, u32::MAX))]
    attempt: Option<u32>,
    /// Only the last so many lines of what it has written; with -f, and what it writes from then on
    #[arg(short = 'n', long, value_name = "LINES", value_parser = values::number(0, u64::MAX))]
    tail: Option<u64>,
    /// Begin each line with its time; follows a job that has not finished
    #[arg(short, long)]
    timestamps: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &LogsArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let stream = match (args.stdout, args.stderr) {
        (true, _) => Some("stdout"),
        (_, true) => Some("stderr"),
        (false, false) => None,
    };
    client::block_on(async {
        if !args.follow && !args.timestamps {
            return copy(&client, args, stream.unwrap_or("both")).await;
        }
        let skip = match args.tail {
            Some(lines) => tail::skip(&client, args.id, args.attempt, stream, lines).await?,
            None => None,
        };
        let wanted = Wanted {
            stream,
            skip,
            attempt: args.attempt,
            timestamps: args.timestamps,
            ..Wanted::default()
        };
        follow(&client, args.id, &wanted).await.map(drop)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(client: &Client, args: &LogsArgs, stream: &str) -> Result<(), Failure> {
    let attempt = args.attempt.map_or_else(String::new, |number| format!("&attempt={number}"));
    let path = format!("/v1/jobs/{}/log?stream={stream}{attempt}", args.id);
    let mut ask = Ask::new(Method::GET, &path);
    if let Some(lines) = args.tail {
        let (start, total) = tail::start(client, &path, lines).await?;
        if start == total {
            return Ok(());
        }
        ask = ask.header("range", format!("bytes={start}-"));
    }
    let mut reply = client.ask(ask).await?;
    let cut = Cut::of(&reply.headers);
    while let Some(bytes) = reply.next().await? {
        put(&bytes)?;
    }
    cut.map_or(Ok(()), |cut| cut.tell(args.id, false))
}
