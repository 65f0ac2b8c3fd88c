//! `ostler schedule put`: makes a schedule, or changes what is named of it.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use ostler_cron_module::{Dialect, Expression};
use serde_json::{Map, Value, json};

use super::path;
use crate::{
    client::{self, ApiArgs, Ask, Client, Problem},
    failure::Failure,
    jobs::{
        draft::{self, DraftArgs},
        moment::Clock,
        output::{self, OutputArgs},
        parse::command,
        table::plain,
    },
    schedules::{
        explanation::{of_words, pointed},
        shape::{ShapeArgs, kept},
        view::{ScheduleView, page},
    },
    terminal::note,
    values,
};

/// What is not named stays as it is; none takes it away. The job of each firing is what `ostler submit` would submit, and
/// takes the same options. What has fired goes on.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ostler schedule put nightly '0 3 * * *' --tz Europe/Berlin -- backup --all\n  \
                  ostler schedule put poll '@every 90s' --overlap skip --timeout 5m -- ./poll\n  \
                  ostler schedule put nightly '30 2 * * *'",
    mut_arg("not_before", |arg| arg.hide(true)),
    mut_arg("delay", |arg| arg.hide(true)),
    mut_arg("by", |arg| arg.hide(true)),
    mut_arg("paused", |arg| arg.help("It does not fire until `ostler schedule resume`")),
)]
pub(crate) struct PutArgs {
    /// The schedule's name
    #[arg(value_name = "NAME", value_parser = values::name)]
    schedule: String,
    /// When it fires, such as '0 3 * * *', @daily or '@every 90s'; `ostler schedule explain` says what it means
    #[arg(value_name = "CRON")]
    cron: Vec<String>,
    /// What to run, as in `ostler submit`
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "shell")]
    command: Vec<String>,
    /// Run this command line in a shell
    #[arg(long, value_name = "LINE")]
    shell: Option<String>,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    draft: DraftArgs,
    /// Run a job again when its runner was lost with it, which the lines of a crontab are not
    #[arg(long, conflicts_with = "at_most_once")]
    at_least_once: bool,
    /// Make it only if there is none of that name
    #[arg(long)]
    new: bool,
    /// Say what it would be, and leave all as it is
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &PutArgs) -> Result<ExitCode, Failure> {
    let clock = Clock::here();
    let cron = cron(args)?;
    let mut job = args.draft.fields(&clock)?;
    for (flag, name) in [("--not-before", "not_before"), ("--delay", "delay")] {
        if job.contains_key(name) {
            return Err(Failure::usage(format!(
                "{flag}: when it runs is the schedule's; --starts says from when on"
            )));
        }
    }
    match (&args.shell, &args.command[..]) {
        (Some(line), _) => job.append(&mut command(line)),
        (None, []) => {}
        (None, words) => job.append(&mut draft::work(words)),
    }
    if args.at_least_once {
        job.insert("delivery".to_owned(), json!("at_least_once"));
    }
    let is_paused = job.remove("paused");
    let expires = job.remove("expires");
    let client = args.api.client()?;
    let shown = client::block_on(async {
        let mut shape = there(&client, args).await?;
        args.shape.lay_over(&mut shape, &clock)?;
        for (name, value) in [("paused", is_paused), ("expires_in", expires)] {
            value.into_iter().for_each(|it| drop(shape.insert(name.to_owned(), it)));
        }
        if let Some(cron) = cron {
            shape.insert("cron".to_owned(), json!(cron));
        }
        lay_job_over(&mut shape, job);
        refuse_unfinished(&shape, args)?;
        let is_to_pause = shape.contains_key("paused");
        let shown = put(&client, args, &Value::Object(shape)).await?;
        // Of one that there is it changes nothing.
        if args.dry_run || !is_to_pause || shown.state != "active" {
            return Ok(shown);
        }
        let pause = format!("{}/pause", path(&args.schedule));
        client.ask(Ask::new(Method::POST, &pause)).await?.json().await
    })?;
    if let Some(Value::String(warning)) = shown.rest.get("warning") {
        note(&format!("warning: {}", plain(warning)));
    }
    if args.dry_run {
        note("nothing was changed: it would be this");
    }
    output::one(args.output.output, &shown, page)?;
    Ok(ExitCode::SUCCESS)
}

/// The expression, if one is given; in quotes or not, as long as the shell leaves it as it is.
fn cron(args: &PutArgs) -> Result<Option<String>, Failure> {
    if args.cron.is_empty() {
        return Ok(None);
    }
    let name = &args.schedule;
    let verb = format!("ostler schedule put {name}");
    if let [whole, rest @ ..] = &args.cron[..]
        && !rest.is_empty()
        && (whole.contains(' ') || whole.starts_with('@') && whole != "@every")
    {
        let rest = rest.join(" ");
        let cure = format!("what it runs comes after --: {verb} '{whole}' -- {rest}");
        return Err(Failure::usage(format!("{rest:?} is no part of the expression; {cure}")));
    }
    of_words(&args.cron, name, args.shape.dialect(), &verb).map(Some)
}

/// What there is of that name, as it would be put.
async fn there(client: &Client, args: &PutArgs) -> Result<Map<String, Value>, Failure> {
    if args.new {
        return Ok(Map::new());
    }
    match client.answer(Ask::new(Method::GET, &path(&args.schedule))).await? {
        Ok(reply) => Ok(kept(&reply.json::<Value>().await?)),
        Err(problem) if problem.name() == "not_found" => Ok(Map::new()),
        Err(problem) => Err(problem.failure()),
    }
}

/// The fields of a job that were named; another command takes the place of the one that there was.
fn lay_job_over(shape: &mut Map<String, Value>, mut named: Map<String, Value>) {
    let mut job = match shape.remove("job") {
        Some(Value::Object(job)) => job,
        _ => Map::new(),
    };
    if named.contains_key("command") || named.contains_key("argv") {
        ["command", "argv", "module"].iter().for_each(|it| drop(job.remove(*it)));
    }
    job.append(&mut named);
    shape.insert("job".to_owned(), Value::Object(job));
}

/// A new one needs all of it.
fn refuse_unfinished(shape: &Map<String, Value>, args: &PutArgs) -> Result<(), Failure> {
    let has_work = ["command", "argv", "module"].iter().any(|it| !shape["job"][*it].is_null());
    let name = &args.schedule;
    let missing = match (shape.contains_key("cron"), has_work) {
        (true, true) => return Ok(()),
        (false, _) => {
            format!("say when, such as: ostler schedule put {name} '0 3 * * *' -- COMMAND")
        }
        (true, false) => {
            format!("say what it runs, after --: ostler schedule put {name} … -- COMMAND")
        }
    };
    Err(Failure::usage(format!("there is no schedule {name} yet; {missing}")))
}

async fn put(client: &Client, args: &PutArgs, shape: &Value) -> Result<ScheduleView, Failure> {
    let query = if args.dry_run { "?dry_run=true" } else { "" };
    let path = format!("{}{query}", path(&args.schedule));
    let mut ask = Ask::new(Method::PUT, &path).json(shape);
    if args.new {
        ask = ask.header("if-none-match", "*");
    }
    match client.answer(ask).await? {
        Ok(reply) => reply.json().await,
        Err(problem) => Err(told(&problem, shape, &args.schedule)),
    }
}

/// What is wrong with the expression is shown in it.
fn told(problem: &Problem, shape: &Value, name: &str) -> Failure {
    let dialect = if shape["vixie"] == true { Dialect::Vixie } else { Dialect::Standard };
    let cron = shape["cron"].as_str().unwrap_or("");
    match Expression::parse(cron, name, dialect) {
        Err(fault) if problem.is_about("/cron") => Failure::usage(pointed(cron, &fault)),
        _ => problem.failure(),
    }
}
