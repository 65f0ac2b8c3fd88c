//! `ostler submit`: one job, or a list of them.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    os::fd::AsFd as _,
    process::ExitCode,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Args;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    client::{self, ApiArgs, Ask, Client, Problem, Wrong, from_file, whole},
    failure::{self, Failure},
    jobs::{
        batch::{self, interrupted},
        draft::{self, DraftArgs},
        follow::{Wanted, follow},
        moment::{Clock, Moment},
        output::{self, Format, OutputArgs, Pages},
        parse::{self, Entry, Kind, command},
        retries,
        steer::text_of,
        table::plain,
        view::JobView,
    },
    terminal::{note, say},
    values,
};

/// Standard input of a job up to here travels in the request.
const INLINE: u64 = 32 << 10;

/// The command's words after `--` are run as they are, without a shell; a single word with spaces or
/// shell characters is a command line for the shell. Without a command, jobs are read from FILE, or
/// from standard input when that is no terminal: as YAML, as NDJSON, or one command line a line.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ostler submit -- make -j2\n  ostler submit --wait -- 'make | \
                        tail'\n  ostler submit jobs.yaml\n  seq 3 | sed 's/^/sleep /' | ostler \
                        submit --wait"
)]
pub(crate) struct SubmitArgs {
    /// A file with jobs, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: Option<String>,
    /// What to run
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["file", "shell"])]
    command: Vec<String>,
    /// Run this command line in a shell
    #[arg(long, value_name = "LINE", conflicts_with = "file")]
    shell: Option<String>,
    /// Show the output as it comes and end as the job does; with a list, wait for all of it
    #[arg(short, long)]
    wait: bool,
    /// Give it this file as standard input; - for this program's own
    #[arg(long, value_name = "FILE|-")]
    stdin_file: Option<String>,
    /// Ask for the same thing once: a repeated request with this key gets the first one's answer
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How long to go on asking a gateway that does not answer, such as one that starts again; the job is
    /// taken once nevertheless
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    patience: Duration,
    /// Of a list, submit the jobs that are right even when others are wrong
    #[arg(long)]
    partial: bool,
    /// How the list is written [default: as its first line looks]
    #[arg(long, value_name = "FORM")]
    form: Option<Kind>,
    #[command(flatten)]
    draft: DraftArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

impl SubmitArgs {
    /// As if `--not-before` had been given.
    pub(crate) fn start_at(&mut self, moment: &Moment) -> Result<(), Failure> {
        self.draft.start_at(moment.instant())
    }

    /// What makes the request one that may be repeated.
    fn key(&self) -> Option<String> {
        // What is taken line by line can only be asked for once.
        self.key.clone().or_else(|| if self.partial { None } else { retries::own_key() })
    }
}

pub(crate) fn run(args: &SubmitArgs) -> Result<ExitCode, Failure> {
    let clock = Clock::here();
    let mut fields = args.draft.fields(&clock)?;
    if args.wait {
        draft::once_unless_named(&mut fields);
    }
    let work = match (&args.shell, &args.command[..]) {
        (Some(line), _) => Some(command(line)),
        (None, []) => None,
        (None, words) => Some(draft::work(words)),
    };
    let Some(mut job) = work else {
        let mut list = List::read(args)?;
        list.read_moments(&clock)?;
        let client = args.api.client()?;
        return client::block_on(async {
            add_stdin(&client, args, &mut fields).await?;
            submit_list(&client, args, list, &fields).await
        });
    };
    let client = args.api.client()?;
    client::block_on(async {
        add_stdin(&client, args, &mut fields).await?;
        job.append(&mut fields);
        submit_one(&client, args, Value::Object(job)).await
    })
}

async fn submit_one(client: &Client, args: &SubmitArgs, job: Value) -> Result<ExitCode, Failure> {
    let make = || Ask::new(Method::POST, "/v1/jobs").json(&job);
    let answer = retries::ask(client, make, args.key().as_deref(), args.patience).await?;
    let (headers, bytes) = answer.map_err(|problem| problem.failure())?;
    let job: JobView = serde_json::from_slice(&bytes).map_err(unknown)?;
    if let Some(Value::String(warning)) = job.rest.get("warning") {
        note(&format!("warning: {}", plain(warning)));
    }
    if let Some(told) = unrunnable(&job) {
        note(&told);
    }
    if headers.contains_key("ostler-coalesced") {
        note(&format!("job {} does this already", job.id));
    }
    if !args.wait {
        // The job is there, whoever hears of it.
        output::one(args.output.output, &job, |job| format!("{}\n", job.id))
            .inspect_err(|_| note(&format!("job {} was taken", job.id)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let id = job.id;
    let told = format!(
        "job {id} goes on; follow it with `ostler logs -f {id}`, end it with `ostler kill {id}`"
    );
    interrupted(wait_for_one(client, args, id), &told).await
}

/// That nobody could run a job as things are that is for some runners alone: it is taken, and may wait for ever. Any other job waits for
/// the first runner, which may be about to come.
fn unrunnable(job: &JobView) -> Option<String> {
    let is_for_some = job.host.is_some() || job.queue.as_deref().is_some_and(|it| it != "default");
    let is_told = is_for_some && job.waits_for() == Some("no_runner");
    let why = job.why.as_deref().filter(|_| is_told)?;
    Some(format!("job {} waits: {}", job.id, plain(why)))
}

async fn wait_for_one(client: &Client, args: &SubmitArgs, id: u64) -> Result<ExitCode, Failure> {
    let wanted = Wanted {
        apart: true,
        // Another format than the output itself belongs to stdout alone.
        stream: (args.output.output != Format::Table).then_some("stderr"),
        ..Wanted::default()
    };
    let job = follow(client, id, &wanted).await?;
    if args.output.output != Format::Table {
        output::one(args.output.output, &job, |_| String::new())?;
    }
    let reason = job.reason.as_deref().unwrap_or_default();
    if job.state != "succeeded" && reason != "exit_status" {
        let detail = detail(client, id).await;
        let ending = Some(job.ending()).filter(|ending| *ending != job.state);
        let why = ending.map_or_else(String::new, |ending| format!(" ({ending})"));
        say(&format!("ostler: job {id} is {}{why}{detail}", job.state));
    }
    Ok(ExitCode::from(job.exit_code()))
}

/// What the last attempt says of its end. That it cannot be had is no reason to end differently.
async fn detail(client: &Client, id: u64) -> String {
    let job: Result<Value, Failure> = client.get(&format!("/v1/jobs/{id}")).await;
    let attempts = job.as_ref().ok().and_then(|job| job["attempts_list"].as_array());
    let detail = attempts.and_then(|attempts| attempts.last()?["detail"].as_str());
    detail.map_or_else(String::new, |detail| format!(": {}", plain(detail)))
}

/// Jobs as they were read, with the name of what they were read from.
struct List {
    name: String,
    entries: Vec<Entry>,
}

impl List {
    fn read(args: &SubmitArgs) -> Result<Self, Failure> {
        let file = match &args.file {
            Some(file) => file.as_str(),
            None if !io::stdin().is_terminal() && args.stdin_file.is_none() => "-",
            None => {
                return Err(Failure::usage(
                    "nothing to submit; write a command after --, or name a file of jobs",
                ));
            }
        };
        if file == "-" && args.stdin_file.as_deref() == Some("-") {
            return Err(Failure::usage("standard input is either the list or the jobs' input"));
        }
        let name = if file == "-" { "stdin" } else { file };
        let entries = parse::parse(&text_of(file)?, args.form).map_err(|wrong| {
            let lines = wrong.iter().map(|wrong| format!("{name}:{}: {}", wrong.line, wrong.text));
            Failure::data(lines.collect())
        })?;
        Ok(Self { name: name.to_owned(), entries })
    }

    /// Makes instants of moments as people type them. What was understood is told of the first.
    fn read_moments(&mut self, clock: &Clock) -> Result<(), Failure> {
        let (mut told, mut wrong) = (Vec::new(), Vec::new());
        for entry in &mut self.entries {
            let place = format!("{}:{}", self.name, entry.line);
            match draft::start(&mut entry.job, clock) {
                Ok(it) => told.extend(it.map(|it| format!("{place}: {it}"))),
                Err(why) => wrong.push(format!("{place}: {why} (field /not_before)")),
            }
        }
        if !wrong.is_empty() {
            return Err(Failure::data(wrong));
        }
        if let Some(first) = told.first() {
            let more = told.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            note(&format!("{first}{more}"));
        }
        Ok(())
    }

    /// A place as editors know it, from the line of the request.
    fn place(&self, line: usize) -> String {
        let entry = line.checked_sub(1).and_then(|index| self.entries.get(index));
        entry.map_or_else(|| self.name.clone(), |entry| format!("{}:{}", self.name, entry.line))
    }
}

/// What became of one line.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    line: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Attempts that may fail in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts_max: Option<u32>,
    /// Another job does it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coalesced: Option<bool>,
    /// Its promise cannot be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    #[serde(default, skip_serializing)]
    error: Option<Wrong>,
}

/// One word for a whole list, with the first place.
fn warn(list: &List, lines: &[Line]) {
    let mut warned = lines.iter().filter_map(|line| Some((line.line, line.warning.as_deref()?)));
    let Some((line, warning)) = warned.next() else { return };
    let more = warned.count();
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    note(&format!("warning: {}:{line}: {}{more}", list.name, plain(warning)));
}

async fn submit_list(
    client: &Client,
    args: &SubmitArgs,
    mut list: List,
    flags: &Map<String, Value>,
) -> Result<ExitCode, Failure> {
    if list.entries.is_empty() {
        note(&format!("no jobs in {}", list.name));
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for entry in &mut list.entries {
        draft::fill(&mut entry.job, flags);
        let job = Value::Object(std::mem::take(&mut entry.job));
        text.push_str(&job.to_string());
        text.push('\n');
    }
    let path = if args.partial { "/v1/jobs?partial=true" } else { "/v1/jobs" };
    let text = Bytes::from(text);
    let make = || {
        Ask::new(Method::POST, path)
            .header("accept", "application/x-ndjson")
            .body("application/x-ndjson", whole(text.clone()))
    };
    let answer = retries::ask(client, make, args.key().as_deref(), args.patience).await?;
    let (_, bytes) = answer.map_err(|problem| refused(&list, &problem))?;
    let (lines, wrong) = answers(&list, &bytes)?;
    for (line, _) in &wrong {
        say(line);
    }
    warn(&list, &lines);
    let ids: Vec<u64> = lines.iter().filter_map(|line| line.id).collect();
    let code = match args.wait {
        true => {
            let waiting = batch::wait(client, &ids, args.output.output);
            interrupted(waiting, "the jobs go on; `ostler list` shows them").await?
        }
        false => {
            let mut pages = Pages::new(args.output.output);
            pages.page(&lines, |_| ids.iter().map(|id| format!("{id}\n")).collect())?;
            pages.end()?;
            ExitCode::SUCCESS
        }
    };
    // As long as any of them is wrong for good, asking again is of no use.
    let codes = wrong.iter().map(|(_, code)| *code);
    Ok(codes.min().map_or(code, ExitCode::from))
}

fn unknown(error: serde_json::Error) -> Failure {
    Failure::broken(format!("the API's answer is not known here: {error}"))
}

/// Why a job was not taken: a sentence, and the exit code.
type Refusal = (String, u8);

/// The jobs that were taken, and those that were not.
fn answers(list: &List, bytes: &[u8]) -> Result<(Vec<Line>, Vec<Refusal>), Failure> {
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for line in serde_json::Deserializer::from_slice(bytes).into_iter::<Line>() {
        let mut line = line.map_err(unknown)?;
        let place = list.place(line.line);
        match line.error.take() {
            Some(error) => wrong.push((format!("{place}: {}", error.sentence()), error.code())),
            None => {
                let entry = line.line.checked_sub(1).and_then(|index| list.entries.get(index));
                line.line = entry.map_or(line.line, |entry| entry.line);
                taken.push(line);
            }
        }
    }
    Ok((taken, wrong))
}

/// None of the list was taken: each wrong line with its place, or the problem of the whole.
fn refused(list: &List, problem: &Problem) -> Failure {
    let placed = problem.errors.iter().filter_map(|error| {
        error.line.map(|line| format!("{}: {}", list.place(line), error.sentence()))
    });
    let placed: Vec<String> = placed.collect();
    if placed.is_empty() { problem.failure() } else { Failure::data(placed) }
}

/// Puts the job's standard input into its fields, uploaded before when it is long.
async fn add_stdin(
    client: &Client,
    args: &SubmitArgs,
    fields: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let Some(name) = &args.stdin_file else { return Ok(()) };
    let unreadable = |error: io::Error| {
        Failure::with(failure::NOT_FOUND, vec![format!("--stdin-file {name}: {error}")])
    };
    let mut file = match name.as_str() {
        "-" => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        path => File::open(path),
    }
    .map_err(unreadable)?;
    let mut first = Vec::new();
    file.by_ref().take(INLINE + 1).read_to_end(&mut first).map_err(unreadable)?;
    let stdin = if first.len() as u64 <= INLINE {
        match String::from_utf8(first) {
            Ok(text) => Value::from(text),
            Err(error) => json!({"base64": STANDARD.encode(error.as_bytes())}),
        }
    } else {
        // What comes from a pipe can be sent once only, so it waits until somebody is there, whatever is answered.
        let look = || Ask::new(Method::HEAD, "/v1/openapi.json");
        drop(retries::repeat(client, args.patience, look).await?);
        let ask = Ask::new(Method::POST, "/v1/payloads")
            .body("application/octet-stream", from_file(first, file))
            .long();
        let payload: Value = client.ask(ask).await?.json().await?;
        json!({"payload": payload["sha256"]})
    };
    fields.insert("stdin".to_owned(), stdin);
    Ok(())
}
